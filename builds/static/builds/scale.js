// @ts-check
// A log may be higher than a browser can make an element: beyond `LIMIT` the scroller is shorter than what it stands
// for. Near both ends a pixel is a pixel; in between the bar moves in larger steps, and small movements are exact. Pure.

/** Pixels. Firefox ends at about 17.8 million, Chromium at 33.5. */
export const LIMIT = 8_000_000;
const EDGE = LIMIT / 8;

/** How high the scroller is. @param {number} total pixels of all rows */
export function scrollerHeight(total) {
  return Math.min(total, LIMIT);
}

/** Where the bar stands when the view begins at `top`. @param {number} top @param {number} total @param {number} limit */
export function scrollOf(top, total, limit = LIMIT) {
  const edge = (EDGE / LIMIT) * limit;
  if (total <= limit || top <= edge) return top;
  if (total - top <= edge) return limit - (total - top);
  return edge + ((top - edge) * (limit - 2 * edge)) / (total - 2 * edge);
}

/** The other way round: where the view begins when the bar was put there. @param {number} scroll @param {number} total
 * @param {number} limit */
export function topOf(scroll, total, limit = LIMIT) {
  const edge = (EDGE / LIMIT) * limit;
  if (total <= limit || scroll <= edge) return scroll;
  if (limit - scroll <= edge) return total - (limit - scroll);
  return edge + ((scroll - edge) * (total - 2 * edge)) / (limit - 2 * edge);
}

// @ts-check
// Points at what a plot shows: under the pointer or by arrow keys, the nearest build is said in the line above the plot,
// which has its place whether it says something or not. The plot itself is drawn by the server, and may be drawn again
// at any time: nothing is kept inside of it.

const SVG = "http://www.w3.org/2000/svg";
const FAR = 10;

/** @typedef {{x: number, y: string, href: string, status: string, said: string}} Point across in percent, from left to right;
 * down in pixels, or empty */

/**
 * The index of the point that is nearest to `x`, of two as near the newer one; -1 where there is none. Pure.
 * @param {readonly {x: number}[]} points ascending @param {number} x percent
 */
export function nearest(points, x) {
  let low = 0;
  let high = points.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (points[middle].x < x) low = middle + 1;
    else high = middle;
  }
  if (low === points.length) return points.length - 1;
  return low > 0 && x - points[low - 1].x < points[low].x - x ? low - 1 : low;
}

/**
 * Where a key leads from point `at` of `count`: -1 is nowhere, and from there every way leads to the newest. Null: the key
 * is none of ours. Pure.
 * @param {string} key @param {number} at @param {number} count @returns {number|null}
 */
export function moved(key, at, count) {
  /** @type {Record<string, number>} */
  const to = {
    ArrowLeft: at - 1,
    ArrowDown: at - 1,
    ArrowRight: at + 1,
    ArrowUp: at + 1,
    PageDown: at - FAR,
    PageUp: at + FAR,
    Home: 0,
    End: count - 1,
    Escape: -1,
  };
  if (!Object.hasOwn(to, key)) return null;
  if (key === "Escape" || count === 0) return -1;
  if (at < 0 && key !== "Home") return count - 1;
  return Math.min(Math.max(to[key], 0), count - 1);
}

/** One plot: its box holds the line above it, `.readout`, and its drawing in a `.frame`. */
export class Plot {
  /** @param {HTMLElement} box */
  constructor(box) {
    this.frame = /** @type {HTMLElement} */ (box.querySelector(".frame"));
    this.readout = /** @type {HTMLElement} */ (box.querySelector(".readout"));
    this.legend = /** @type {HTMLElement} */ (this.readout.querySelector(".legend"));
    this.said = document.createElement("span");
    this.said.className = "said";
    this.said.hidden = true;
    this.readout.append(this.said);
    /** @type {Point[]} */
    this.points = [];
    this.at = -1;
    this.touched = false;

    this.over = document.createElement("div");
    this.over.className = "over";
    this.line = document.createElementNS(SVG, "line");
    this.ring = document.createElementNS(SVG, "circle");
    this.stick = document.createElement("div");
    this.stick.className = "stick";
    this.catch = document.createElement("a");
    this.catch.tabIndex = -1;
    this.catch.setAttribute("aria-hidden", "true");
    this.make(box.getAttribute("aria-label") || "");
    this.read();
    new MutationObserver(() => this.read()).observe(/** @type {Element} */ (this.frame.firstElementChild), { childList: true });
  }

  /** @param {string} name */
  make(name) {
    const drawing = document.createElementNS(SVG, "svg");
    drawing.setAttribute("aria-hidden", "true");
    this.line.setAttribute("y1", "18"); // below what stands above the bars
    this.line.setAttribute("y2", "100%");
    drawing.append(this.line, this.ring);
    this.stick.setAttribute("role", "slider");
    this.stick.setAttribute("aria-label", `${name}, build by build`);
    this.over.append(drawing, this.stick, this.catch);
    this.frame.append(this.over);

    this.catch.addEventListener("pointerdown", (event) => {
      const before = this.at;
      this.point(event);
      this.touched = event.pointerType === "touch" && this.at !== before;
    });
    this.catch.addEventListener("pointermove", (event) => this.point(event));
    this.catch.addEventListener("pointerleave", (event) => event.pointerType !== "touch" && this.show(-1));
    // A finger has nothing to hover with: the first touch shows a build, the second one opens it.
    this.catch.addEventListener("click", (event) => this.touched && event.preventDefault());
    this.stick.addEventListener("keydown", (event) => this.key(event));
    this.stick.addEventListener("focus", () => this.at < 0 && this.show(this.points.length - 1));
    this.stick.addEventListener("blur", () => this.show(-1));
  }

  /** The points as they are drawn now; the one that was shown stays shown, wherever it is now. */
  read() {
    const shown = this.points[this.at]?.href;
    this.points = [...this.frame.querySelectorAll("[data-x]")].map((mark) => ({
      x: Number(mark.getAttribute("data-x")),
      y: mark.getAttribute("data-y") || "",
      href: mark.getAttribute("data-href") || "",
      status: mark.getAttribute("data-status") || "",
      said: mark.querySelector("title")?.textContent || "",
    }));
    this.over.hidden = this.points.length === 0;
    this.stick.tabIndex = this.points.length ? 0 : -1;
    this.stick.setAttribute("aria-valuemin", "1");
    this.stick.setAttribute("aria-valuemax", String(Math.max(this.points.length, 1)));
    this.show(shown ? this.points.findIndex((point) => point.href === shown) : -1);
  }

  /** @param {PointerEvent} event */
  point(event) {
    const { left, width } = this.catch.getBoundingClientRect();
    if (width > 0) this.show(nearest(this.points, ((event.clientX - left) / width) * 100));
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === "Enter") {
      if (this.points[this.at]) location.assign(this.points[this.at].href);
      return;
    }
    const to = moved(event.key, this.at, this.points.length);
    if (to === null) return;
    event.preventDefault();
    this.show(to);
  }

  /** @param {number} index -1: none */
  show(index) {
    this.at = index;
    const point = this.points[index];
    this.over.classList.toggle("on", Boolean(point));
    this.legend.hidden = Boolean(point);
    this.said.hidden = !point;
    const spoken = point || this.points[this.points.length - 1];
    this.stick.setAttribute("aria-valuenow", String((point ? index : this.points.length - 1) + 1));
    this.stick.setAttribute("aria-valuetext", spoken ? spoken.said : "no builds");
    if (!point) {
      this.catch.removeAttribute("href");
      return;
    }
    this.catch.href = point.href;
    this.line.setAttribute("x1", `${point.x}%`);
    this.line.setAttribute("x2", `${point.x}%`);
    this.ring.setAttribute("cx", `${point.x}%`);
    this.ring.setAttribute("cy", point.y || "0");
    this.ring.setAttribute("r", point.y ? "7" : "0");
    this.say(point);
  }

  /** @param {Point} point */
  say({ status, said }) {
    this.said.replaceChildren(said);
    this.said.title = said;
    if (!status) return;
    const mark = document.createElement("i");
    mark.className = `mark s-${status}`;
    mark.setAttribute("aria-hidden", "true");
    this.said.prepend(mark);
  }
}

// @ts-check
// What is cut of one step's lines, and what that means for a window of them. Pure. A list of cuts is in order, no two
// touch, and each stands for a line at least.

/** @typedef {{line: number, lines: number, bytes: number, reason: string}} Cut  `lines` lines from number `line` on */
/** @typedef {[from: number, to: number]} Span  numbers of lines, both included */

/** @param {Cut} cut */
const lastOf = (cut) => cut.line + cut.lines - 1;

/** Two lists as one; where two cuts touch or overlap they are one. @param {Cut[]} known @param {Cut[]} more @returns {Cut[]} */
export function merge(known, more) {
  /** @type {Cut[]} */
  const whole = [];
  const all = [...known, ...more].filter((cut) => cut.lines > 0).sort((a, b) => a.line - b.line || a.lines - b.lines);
  for (const { line, lines, bytes, reason } of all) {
    const before = whole.at(-1);
    if (!before || line > lastOf(before) + 1) {
      whole.push({ line, lines, bytes, reason });
      continue;
    }
    before.bytes = line > lastOf(before) ? before.bytes + bytes : Math.max(before.bytes, bytes);
    before.lines = Math.max(lastOf(before), line + lines - 1) - before.line + 1;
    before.reason ||= reason;
  }
  return whole;
}

/** The cut that has line `number`. @param {Cut[]} cuts @param {number} number */
export function at(cuts, number) {
  return cuts.find((cut) => cut.line <= number && number <= lastOf(cut));
}

/** The number of the first line after `number` that is not cut. @param {Cut[]} cuts @param {number} number */
export function after(cuts, number) {
  const cut = at(cuts, number + 1);
  return cut ? lastOf(cut) + 1 : number + 1;
}

/** The number of the last line before `number` that is not cut; 0: there is none. @param {Cut[]} cuts @param {number} number */
export function before(cuts, number) {
  const cut = at(cuts, number - 1);
  return cut ? cut.line - 1 : number - 1;
}

/**
 * Lines of an answer that are not stored, as cuts of which no more is known, where `cuts` do not have them.
 * @param {Cut[]} cuts @param {number} from @param {(string|null)[]} lines @returns {Cut[]}
 */
export function unexplained(cuts, from, lines) {
  const holes = lines.map((text, index) => ({ line: from + index, lines: Number(text === null), bytes: 0, reason: "" }));
  return merge([], holes.filter((hole) => !at(cuts, hole.line)));
}

/** How many of the lines `from` to `to` are cut. @param {Cut[]} cuts @param {number} from @param {number} to */
export function missing(cuts, from, to) {
  return cuts.reduce((sum, cut) => sum + Math.max(Math.min(lastOf(cut), to) - Math.max(cut.line, from) + 1, 0), 0);
}

/**
 * Up to `page` numbers to ask for above line `number`: on the far side of a cut that is there, and not into the next.
 * @param {Cut[]} cuts @param {number} number @param {number} page @returns {Span}
 */
export function askAfter(cuts, number, page) {
  const from = after(cuts, number);
  const next = cuts.find((cut) => cut.line > from);
  return [from, Math.min(from + page - 1, next ? next.line - 1 : Infinity)];
}

/** The same below line `number`. @param {Cut[]} cuts @param {number} number @param {number} page @returns {Span} */
export function askBefore(cuts, number, page) {
  const to = before(cuts, number);
  const next = cuts.findLast((cut) => lastOf(cut) < to);
  return [Math.max(to - page + 1, next ? lastOf(next) + 1 : 1), to];
}

/**
 * Where marks are to stand in a window of lines: after which of them (0: above the first), and for which cut. A hole that
 * no cut explains has a mark of its own.
 * @param {Cut[]} cuts @param {number[]} numbers of the lines that are shown, in order @param {number} total
 * @returns {[after: number, cut: Cut][]}
 */
export function places(cuts, numbers, total) {
  /** @type {[number, Cut][]} */
  const found = [];
  const put = (/** @type {number} */ place, /** @type {Cut|undefined} */ cut) => cut && found.push([place, cut]);
  if (!numbers.length) put(0, at(cuts, total));
  numbers.forEach((number, index) => {
    if (!index) return put(0, at(cuts, number - 1));
    const above = numbers[index - 1];
    if (number === above + 1) return;
    const hole = { line: above + 1, lines: number - above - 1, bytes: 0, reason: "" };
    put(above, at(cuts, above + 1) || at(cuts, number - 1) || hole);
  });
  const last = numbers.at(-1);
  if (last) put(last, at(cuts, last + 1));
  return found;
}

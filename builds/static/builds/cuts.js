// @ts-check
// What is cut of one step's lines. Pure. A list of cuts is in order, no two
// touch, and each stands for a line at least.

/** @typedef {{line: number, lines: number, bytes: number, reason: string}} Cut  `lines` lines from number `line` on */

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

/** How many of the lines `from` to `to` are cut. @param {Cut[]} cuts @param {number} from @param {number} to */
export function missing(cuts, from, to) {
  return cuts.reduce((sum, cut) => sum + Math.max(Math.min(lastOf(cut), to) - Math.max(cut.line, from) + 1, 0), 0);
}

/**
 * Lines of an answer that are not stored, as cuts of which no more is known, where `cuts` do not have them.
 * @param {Cut[]} cuts @param {number} from @param {(string|null)[]} lines @returns {Cut[]}
 */
export function unexplained(cuts, from, lines) {
  const holes = lines.map((text, index) => ({ line: from + index, lines: Number(text === null), bytes: 0, reason: "" }));
  return merge([], holes.filter((hole) => !at(cuts, hole.line)));
}

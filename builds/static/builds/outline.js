// @ts-check
// Where everything in a log stands: steps, lines, folded groups and cuts → rows from top to bottom. Pure: pixels come in
// by `sizes` and `grow`, nothing here touches a page. A million lines cost as much as their cuts and groups.

import * as cuts from "./cuts.js";

const BUCKET = 1_024;

/**
 * @typedef {import("./cuts.js").Cut} Cut
 * @typedef {{number: number, name: string, line: number, last: number|null}} Group  last: null while it is open
 * @typedef {{kind: "head"|"lines"|"group"|"cut", step: number, first: number, last: number, top: number, height: number,
 *   group?: Group, cut?: Cut}} Segment  first, last: numbers of lines; 0 of a heading
 * @typedef {{key: string, kind: "head"|"line"|"group"|"cut", step: number, line: number, top: number, height: number,
 *   segment: Segment}} Row  line: of a cut its first one; of a heading 0
 */

/** One step's part of it. */
class Part {
  constructor() {
    this.total = 0;
    /** Lines beyond this one are not shown (yet). */
    this.limit = Infinity;
    this.folded = false;
    /** What is left out of its log, as far as that is known. @type {Cut[]} */
    this.cuts = [];
    /** What this page has not, and never will have: each is a row. @type {Cut[]} */
    this.gaps = [];
    /** @type {Map<number, Group>} by number */
    this.groups = new Map();
    /** @type {Map<number, boolean>} by a group's number: what the reader has chosen */
    this.chosen = new Map();
    this.extras = new Extras();
  }

  get shown() {
    return Math.min(this.total, this.limit);
  }

  /** How many of its lines are left out. */
  get missing() {
    return cuts.missing(this.cuts, 1, this.shown);
  }

  /** @param {Group} group */
  isFolded(group) {
    return this.chosen.get(group.number) ?? group.last !== null;
  }
}

/** How much higher than usual some lines are, by number. */
class Extras {
  constructor() {
    /** @type {Map<number, {sum: number, lines: Map<number, number>}>} */
    this.buckets = new Map();
  }

  /** @param {number} line @param {number} pixels @returns {boolean} whether that is new */
  set(line, pixels) {
    const at = Math.floor(line / BUCKET);
    const bucket = this.buckets.get(at) || { sum: 0, lines: new Map() };
    const before = bucket.lines.get(line) || 0;
    if (before === pixels) return false;
    bucket.sum += pixels - before;
    if (pixels) bucket.lines.set(line, pixels);
    else bucket.lines.delete(line);
    this.buckets.set(at, bucket);
    return true;
  }

  /** @param {number} line */
  of(line) {
    return this.buckets.get(Math.floor(line / BUCKET))?.lines.get(line) || 0;
  }

  /** Of the lines `first` to `last`, both included. @param {number} first @param {number} last */
  sum(first, last) {
    let sum = 0;
    for (const [at, bucket] of this.buckets) {
      if (at * BUCKET > last || (at + 1) * BUCKET <= first) continue;
      if (at * BUCKET >= first && (at + 1) * BUCKET - 1 <= last) sum += bucket.sum;
      else for (const [line, pixels] of bucket.lines) if (line >= first && line <= last) sum += pixels;
    }
    return sum;
  }
}

/** The last number from `low` to `high` that fits, where those that fit come first; `low` where none does.
 * @param {number} low @param {number} high @param {(at: number) => boolean} fits */
function lastOf(low, high, fits) {
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (fits(middle)) low = middle;
    else high = middle - 1;
  }
  return low;
}

export class Outline {
  /** @param {number} steps how many there are @param {{head: number, line: number, cut: number}} sizes pixels */
  constructor(steps, sizes) {
    this.sizes = sizes;
    this.parts = Array.from({ length: steps }, () => new Part());
    /** @type {Segment[]} */
    this.segments = [];
    this.height = 0;
    /** Where the newest line ends; headings of steps that have printed nothing yet may follow. */
    this.bottom = 0;
    this.stale = true;
  }

  // --- What is known ---

  /** The step has at least so many lines. @param {number} step @param {number} total */
  reach(step, total) {
    const part = this.parts[step];
    if (!part || total <= part.total) return;
    part.total = total;
    this.stale = true;
  }

  /** The step's log is cut there. Of it `gaps` are lines that this page has not either.
   * @param {number} step @param {Cut} cut @param {[first: number, last: number][]} gaps */
  cut(step, cut, gaps) {
    const part = this.parts[step];
    if (!part || cut.lines < 1) return;
    part.cuts = cuts.merge(part.cuts, [cut]);
    const holes = gaps.map(([first, last]) => ({ line: first, lines: last - first + 1, bytes: 0, reason: "" }));
    part.gaps = cuts.merge(part.gaps, holes);
    this.reach(step, cut.line + cut.lines - 1);
    this.stale = true;
  }

  /** What is cut around a gap, in whole. @param {number} step @param {Cut} gap @returns {Cut} */
  whole(step, gap) {
    const known = this.parts[step].cuts;
    return cuts.at(known, gap.line) || cuts.at(known, gap.line + gap.lines - 1) || gap;
  }

  /** The gap that has this line. @param {number} step @param {number} line */
  gapAt(step, line) {
    return cuts.at(this.parts[step].gaps, line);
  }

  /** @param {number} step @param {Group} group */
  group(step, group) {
    this.parts[step]?.groups.set(group.number, group);
    this.stale = true;
  }

  /** Only so many lines of the step are shown. @param {number} step @param {number} lines Infinity: all */
  limit(step, lines) {
    if (this.parts[step].limit === lines) return;
    this.parts[step].limit = lines;
    this.stale = true;
  }

  /** @param {number} step @param {boolean} folded */
  fold(step, folded) {
    const part = this.parts[step];
    if (!part || part.folded === folded) return;
    part.folded = folded;
    this.stale = true;
  }

  /** @param {number} step @param {number} number of the group @param {boolean} folded */
  foldGroup(step, number, folded) {
    this.parts[step].chosen.set(number, folded);
    this.stale = true;
  }

  /** The reader has not chosen, and it stays unfolded. @param {number} step @param {number} number of the group */
  keepOpen(step, number) {
    const { chosen } = this.parts[step];
    if (!chosen.has(number)) chosen.set(number, false);
  }

  /** Whatever hides this line is unfolded. @param {number} step @param {number} line */
  unfold(step, line) {
    this.fold(step, false);
    const part = this.parts[step];
    for (const group of part?.groups.values() || []) {
      if (line > group.line && line <= (group.last ?? part.total)) this.foldGroup(step, group.number, false);
    }
  }

  /** A row is so high; only a line may differ from the usual. @param {Row} row @param {number} pixels
   * @returns {boolean} whether that moves anything */
  grow(row, pixels) {
    if (row.kind !== "line") return false;
    const changed = this.parts[row.step].extras.set(row.line, Math.max(pixels - this.sizes.line, 0));
    this.stale ||= changed;
    return changed;
  }

  /** Lines are as high as `sizes` say again. */
  flatten() {
    for (const part of this.parts) part.extras = new Extras();
    this.stale = true;
  }

  /** How many lines the log has; those that were cut included. */
  get total() {
    return this.parts.reduce((sum, part) => sum + part.total, 0);
  }

  /** How many of them were left out. */
  get missing() {
    return this.parts.reduce((sum, part) => sum + part.missing, 0);
  }

  // --- Where it stands ---

  /** To be called before anything below, after anything above. */
  layOut() {
    if (!this.stale) return;
    this.stale = false;
    this.segments = [];
    this.bottom = 0;
    let top = 0;
    const add = (/** @type {Omit<Segment, "top">} */ segment) => {
      this.segments.push({ ...segment, top });
      top += segment.height;
    };
    this.parts.forEach((part, step) => {
      add({ kind: "head", step, first: 0, last: 0, height: this.sizes.head });
      if (!part.folded) for (const segment of this.inside(part, step)) add(segment);
      if (part.shown) this.bottom = top;
    });
    this.height = top;
  }

  /** @param {Part} part @param {number} step @returns {Generator<Omit<Segment, "top">>} */
  *inside(part, step) {
    const { line: high, cut: cutHigh } = this.sizes;
    const end = part.shown;
    const stops = [
      ...part.gaps.map((cut) => ({ at: cut.line, cut, group: undefined })),
      ...[...part.groups.values()].map((group) => ({ at: group.line, cut: undefined, group })),
    ].sort((a, b) => a.at - b.at);
    let next = 1;
    const lines = function* (/** @type {number} */ last) {
      if (last < next) return;
      const height = (last - next + 1) * high + part.extras.sum(next, last);
      yield /** @type {const} */ ({ kind: "lines", step, first: next, last, height });
      next = last + 1;
    };
    for (const { at, cut, group } of stops) {
      if (cut) {
        const last = cut.line + cut.lines - 1;
        if (last < next || cut.line > end) continue; // inside a folded group, or not shown yet
        yield* lines(at - 1);
        yield { kind: "cut", step, first: cut.line, last, height: cutHigh, cut };
        next = last + 1;
      } else if (group && at >= next && at <= end) {
        yield* lines(at - 1);
        yield { kind: "group", step, first: at, last: at, height: high, group };
        next = part.isFolded(group) ? Math.max(Math.min(group.last ?? end, end) + 1, at + 1) : at + 1;
      }
    }
    yield* lines(end);
  }

  /** The row at that height; the first or the last one beyond the ends. @param {number} y @returns {Row} */
  rowAt(y) {
    const segment = this.segments[this.lastSegment((one) => one.top <= y)];
    if (segment.kind !== "lines") return this.rowOf(segment, segment.first);
    return this.rowOf(segment, this.lineAt(segment, y - segment.top));
  }

  /** @param {Segment} segment @param {number} y from its top */
  lineAt(segment, y) {
    const { extras } = this.parts[segment.step];
    const usual = this.sizes.line;
    const { first, last } = segment;
    if (!extras.buckets.size) return Math.min(Math.max(first + Math.floor(y / usual), first), last);
    return lastOf(first, last, (line) => (line - first) * usual + extras.sum(first, line - 1) <= y);
  }

  /** The row that shows this line: the line's own, or what it is folded into. 0: the step's heading.
   * @param {number} step @param {number} line @returns {Row} */
  rowFor(step, line) {
    const at = this.lastSegment((one) => one.step < step || (one.step === step && one.first <= line));
    const segment = this.segments[at];
    return this.rowOf(segment, Math.min(line, segment.last));
  }

  /** @param {Row} row @returns {Row|null} */
  after(row) {
    if (row.kind === "line" && row.line < row.segment.last) return this.rowOf(row.segment, row.line + 1, row.top + row.height);
    const next = this.segments[this.indexOf(row.segment) + 1];
    return next ? this.rowOf(next, next.first, next.top) : null;
  }

  /** The index of the last segment that fits; the first where none does. @param {(one: Segment) => boolean} fits */
  lastSegment(fits) {
    return lastOf(0, this.segments.length - 1, (at) => fits(this.segments[at]));
  }

  /** @param {Segment} segment */
  indexOf(segment) {
    return this.lastSegment((one) => one.top <= segment.top);
  }

  /** @param {Segment} segment @param {number} line @param {number} [top] where that is known @returns {Row} */
  rowOf(segment, line, top) {
    const { step } = segment;
    if (segment.kind !== "lines") {
      const { kind, height } = segment;
      return { key: `${kind} ${step}:${segment.first}`, kind, step, line: segment.first, top: segment.top, height, segment };
    }
    const { extras } = this.parts[step];
    const usual = this.sizes.line;
    top ??= segment.top + (line - segment.first) * usual + extras.sum(segment.first, line - 1);
    return { key: `line ${step}:${line}`, kind: "line", step, line, top, height: usual + extras.of(line), segment };
  }
}

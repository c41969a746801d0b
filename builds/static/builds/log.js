// @ts-check
// The log on a build's page. Setting line n of a step to its text is all that ever happens here, so an event may come
// twice. Only a window of each step's lines is in the document; the rest is fetched by number when it is asked for.

import * as cuts from "./cuts.js";
import { Follow } from "./follow.js";
import { StepLines } from "./steplines.js";

/** At most about so many lines are in the document. */
export const KEEP = 3_000;
const PER_FRAME = 1_000;
const PAGE = 500;

/** @typedef {{text: string, at: string, open: boolean}} Line */

export class LogView {
  /**
   * @param {HTMLElement} root holds one `details` per step
   * @param {{url: string, names: string[], began: () => number|null, changed: () => void}} options  began: when the
   *   build began, milliseconds; changed: the log has more lines
   */
  constructor(root, options) {
    this.root = root;
    this.options = options;
    /** @type {Map<string, StepLines>} */
    this.steps = new Map();
    for (const element of /** @type {NodeListOf<HTMLDetailsElement>} */ (root.querySelectorAll("details.sect"))) {
      const name = options.names[Number(element.dataset.step)];
      this.steps.set(name, new StepLines(element, name, options.began));
    }
    /** @type {Map<StepLines, Map<number, Line>>} */
    this.pending = new Map();
    /** @type {Set<StepLines>} those of which lines were not put into the document */
    this.passedOver = new Set();
    this.frame = 0;
    this.unseen = 0;
    this.follow = new Follow(root, {
      changed: () => this.followChanged(),
    });
    root.addEventListener("click", (event) => this.clicked(event));
    addEventListener("hashchange", () => this.goTo(location.hash));
  }

  /** Lines `first`… of a step, joined by line feeds, as an event brings them. @param {any} data */
  add({ step, line, text, at, open }) {
    const lines = this.steps.get(step);
    if (!lines) return;
    const waiting = this.pending.get(lines) || new Map();
    const texts = String(text).split("\n");
    texts.forEach((one, index) => {
      waiting.set(line + index, { text: one, at, open: Boolean(open) && index === texts.length - 1 });
    });
    this.wait(lines, waiting);
  }

  /** Of a step, these lines are left out of the log; what is on the screen stays. @param {any} data */
  cut({ step, line, lines: missing, bytes, reason = "" }) {
    const lines = this.steps.get(step);
    if (!lines || !missing) return;
    lines.cut({ line, lines: missing, bytes, reason });
    this.wait(lines, this.pending.get(lines) || new Map());
  }

  /** @param {StepLines} lines @param {Map<number, Line>} waiting by number, to be put into the document */
  wait(lines, waiting) {
    // Far behind, or in a hidden tab: what will not stay in the document need not wait for it.
    if (waiting.size > 2 * KEEP) {
      const numbers = [...waiting.keys()].sort((a, b) => a - b);
      for (const number of numbers.slice(0, -KEEP)) waiting.delete(number);
      this.passedOver.add(lines);
    }
    this.pending.set(lines, waiting);
    this.schedule();
  }

  flush() {
    this.frame = 0;
    let room = PER_FRAME;
    for (const [lines, waiting] of this.pending) {
      if (lines.loading) continue; // what is fetched comes first, and these follow on it
      const numbers = [...waiting.keys()].sort((a, b) => a - b).slice(0, room);
      const before = lines.total;
      if (this.follow.on && this.passedOver.delete(lines)) lines.restart();
      const mayGrow = this.follow.on || (!this.passedOver.has(lines) && this.count() < KEEP);
      for (const number of numbers) {
        const line = waiting.get(number);
        waiting.delete(number);
        if (line && !lines.set(number, line, mayGrow) && this.follow.on) this.passedOver.add(lines);
      }
      room -= numbers.length;
      this.unseen += Math.max(lines.total - before, 0);
      lines.label();
      if (!waiting.size) this.pending.delete(lines);
      if (room <= 0) break;
    }
    this.options.changed();
    if (this.follow.on) {
      this.trim();
      this.unseen = 0;
      this.follow.toEnd();
    }
    this.follow.offer(this.unseen);
    this.schedule();
  }

  schedule() {
    if ([...this.pending.keys()].some((lines) => !lines.loading)) this.frame ||= requestAnimationFrame(() => this.flush());
  }

  /** How many lines are in the document. */
  count() {
    let sum = 0;
    for (const lines of this.steps.values()) sum += lines.size;
    return sum;
  }

  /** How many of the log's lines are cut. */
  missing() {
    let sum = 0;
    for (const lines of this.steps.values()) sum += lines.missing;
    return sum;
  }

  /** How many lines the log has. */
  total() {
    let sum = 0;
    for (const lines of this.steps.values()) sum += lines.total;
    return sum;
  }

  /** A step began or ended. @param {string} name @param {string} status @param {string} note */
  setStatus(name, status, note) {
    const lines = this.steps.get(name);
    if (!lines) return;
    lines.setStatus(status, note);
    if (status !== "running") return;
    for (const other of this.steps.values()) if (other !== lines && this.follow.on) other.fold();
    lines.unfold();
    if (this.follow.on) this.follow.toEnd();
  }

  trim() {
    let excess = this.count() - KEEP;
    for (const lines of this.steps.values()) {
      if (excess <= 0) return;
      const dropped = lines.dropFirst(Math.min(excess, lines.size));
      excess -= dropped;
      if (dropped) lines.label();
    }
  }

  followChanged() {
    if (!this.follow.on) return;
    this.unseen = 0;
    this.follow.offer(0);
    const last = [...this.steps.values()].reverse().find((lines) => lines.total > 0);
    if (!last) return;
    last.unfold();
    if (!last.atEnd) this.load(last, cuts.askBefore(last.cuts, last.total + 1, PAGE), "replace");
    else this.follow.toEnd();
  }

  /** To a line by its address, or to the mark of the cut that has it. @param {string} hash `#4:118`: line 118 of the fourth step */
  async goTo(hash) {
    const found = /^#(\d{1,9}):(\d{1,12})$/.exec(hash);
    const lines = found && [...this.steps.values()][Number(found[1]) - 1];
    if (!found || !lines) {
      const section = /^#step-\d+$/.test(hash) && document.getElementById(hash.slice(1));
      if (section) {
        this.follow.stop();
        /** @type {HTMLDetailsElement} */ (section).open = true;
        section.scrollIntoView({ block: "start" });
      }
      return;
    }
    const number = Number(found[2]);
    this.follow.stop();
    lines.unfold();
    await this.bring(lines, number);
    for (const other of this.steps.values()) if (other !== lines) other.pick(null);
    lines.pick(number)?.scrollIntoView({ block: "center" });
  }

  /** Line `number` and those around it into the window; of a cut, those next to it. @param {StepLines} lines @param {number} number */
  async bring(lines, number) {
    if (lines.has(number)) return;
    const half = PAGE / 2;
    if (!cuts.at(lines.cuts, number)) await this.load(lines, [Math.max(number - half, 1), number + half], "replace");
    if (lines.has(number) || !cuts.at(lines.cuts, number)) return;
    const [before, after] = [cuts.askBefore(lines.cuts, number, half), cuts.askAfter(lines.cuts, number, half)];
    if (before[1]) await this.load(lines, before, "replace");
    if (after[0] <= lines.total) await this.load(lines, after, before[1] ? "after" : "replace");
  }

  /** @param {MouseEvent} event */
  clicked(event) {
    const target = /** @type {HTMLElement} */ (event.target);
    const more = /** @type {HTMLElement|null} */ (target.closest("[data-more]"));
    const lines = more && [...this.steps.values()].find((one) => one.details.contains(more));
    if (!more || !lines) {
      if (target.closest("summary")) this.follow.stop();
      return;
    }
    event.preventDefault();
    this.follow.stop();
    if (more.dataset.more === "later") this.load(lines, cuts.askAfter(lines.cuts, lines.last, PAGE), "after");
    else if (lines.size) this.load(lines, cuts.askBefore(lines.cuts, lines.first, PAGE), "before");
    else this.load(lines, cuts.askBefore(lines.cuts, lines.total + 1, PAGE), "replace");
  }

  /**
   * Fetch lines by number and put them into the window.
   * @param {StepLines} lines @param {cuts.Span} span @param {"before"|"after"|"replace"} where
   */
  async load(lines, [from, to], where) {
    if (lines.loading || to < from) return;
    lines.loading = true;
    try {
      const query = new URLSearchParams({ step: lines.name, from: String(from), to: String(to) });
      const answer = await fetch(`${this.options.url}?${query}`, { headers: { Accept: "application/json" } });
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      const page = await answer.json();
      const height = this.root.scrollHeight;
      lines.insert(page, where);
      lines.total = Math.max(lines.total, page.total);
      if (where === "before") this.root.scrollTop += this.root.scrollHeight - height;
      // Never more than a window's worth: what was shown longest ago goes from the other end.
      const excess = this.count() - KEEP - PAGE;
      if (excess > 0 && where === "before") lines.dropLast(excess);
      if (excess > 0 && where === "after") lines.dropFirst(excess);
      lines.label();
      this.options.changed();
    } catch {
      lines.complain();
    } finally {
      lines.loading = false;
      this.schedule();
      if (this.follow.on) this.follow.toEnd();
    }
  }
}

// @ts-check
// The log on a build's page. Setting line n of a step to its text is all that ever happens here, so an event may come
// twice. Of a million lines those in view are in the document, some thousands in memory, and the rest at the server.

import { addressOf, placeOf } from "./address.js";
import { runsOf } from "./ansi.js";
import { listenForClicks } from "./clicks.js";
import { listenForCopies } from "./copying.js";
import { unexplained } from "./cuts.js";
import { Follow } from "./follow.js";
import { Outline } from "./outline.js";
import { Pages } from "./pages.js";
import { measured, Rows } from "./rows.js";
import { Window } from "./window.js";
import * as words from "./words.js";

/**
 * @typedef {import("./address.js").Place} Place
 * @typedef {import("./outline.js").Row} Row
 * @typedef {[number, number][]} Spans
 */

/** Milliseconds in which a scroll is the browser's own. */
const OWN_SCROLL = 150;

export class LogView {
  /**
   * @param {HTMLElement} root holds one `details` per step, as the server has rendered it
   * @param {{url: string, names: string[], time: (at: string) => string, changed: (lines: number, missing: number) => void}} options
   *   time: of a line, in words; changed: how many lines the log has, and how many of them were left out
   */
  constructor(root, options) {
    this.root = root;
    this.options = options;
    /** @type {{status: string, note: string}[]} */
    this.heads = [];
    this.pages = new Pages({
      url: options.url,
      names: options.names,
      total: (step) => this.outline.parts[step].total,
      arrived: (step, answer) => this.arrived(step, answer),
      failed: () => this.schedule(),
    });
    this.outline = new Outline(options.names.length, measured(root));
    /** @type {Place|null} */
    this.picked = null;
    /** A line that is to stay where it is until the reader moves. @type {{step: number, line: number, offset: number}|null} */
    this.pinned = null;
    /** A browser scrolls by itself to the element that an address names: later, and to another place. Until then the
     * next scroll is its own. */
    this.ownUntil = 0;
    /** The reader is led to another place, which is drawn with the next frame. A scroll before that is the browser's, as
     * where the view grows, and says nothing of where they want to be. */
    this.leads = false;
    /** @type {(step: number, line: number) => Spans|undefined} */
    this.hitsOf = () => undefined;
    /** @type {{step: number, line: number}|null} the hit that is looked at */
    this.hit = null;
    /** @type {Map<string, string>} by `step:line` */
    this.levels = new Map();
    this.frame = 0;
    this.seen = 0;
    /** Steps that the reader has folded or unfolded. @type {Set<number>} */
    this.touched = new Set();
    this.adopt();
    this.window = new Window(root, this.outline, (body) => this.makeRows(body), {
      scrolled: (up, atEnd) => {
        const own = this.leads || (this.pinned && performance.now() < this.ownUntil);
        this.ownUntil = 0;
        if (own) return this.schedule();
        this.pinned = null;
        this.follow.scrolled(up, atEnd);
      },
      drawn: () => this.wantLines(),
    });
    this.follow = new Follow(root, { changed: () => this.followChanged() });
    addEventListener("hashchange", () => this.goTo(location.hash));
    new ResizeObserver(() => this.resized()).observe(root);
    listenForCopies(root, this);
    listenForClicks(root, this);
    root.classList.add("ready");
    this.draw();
  }

  /** What the server has rendered is where this begins. */
  adopt() {
    for (const details of /** @type {NodeListOf<HTMLDetailsElement>} */ (this.root.querySelectorAll("details.sect"))) {
      const step = Number(details.dataset.step);
      const { status = "pending", reason = "", allowed } = details.dataset;
      this.heads[step] = { status, note: reason, allowed: allowed !== undefined };
      this.outline.parts[step].folded = !details.open;
      this.outline.reach(step, Number(details.dataset.total));
      for (const group of JSON.parse(details.dataset.groups || "[]")) this.outline.group(step, group);
      for (const row of /** @type {NodeListOf<HTMLElement>} */ (details.querySelectorAll(".ln"))) {
        const text = /** @type {HTMLElement} */ (row.querySelector("pre"));
        const at = /** @type {HTMLElement} */ (row.querySelector("time")).title;
        const line = { text: text.textContent || "", at, open: text.classList.contains("open"), runs: runsOf(text) };
        this.pages.put(step, Number(row.id.split(":")[1]), line);
      }
      for (const cut of JSON.parse(details.dataset.cuts || "[]")) this.cutWhatIsNotHere(step, cut);
    }
    this.seen = this.outline.total;
  }

  /** @param {HTMLElement} body */
  makeRows(body) {
    const rows = new Rows(body, {
      names: this.options.names,
      line: (step, line) => this.pages.get(step, line),
      heading: (step) => {
        const { status, note, allowed } = this.heads[step];
        const part = this.outline.parts[step];
        return { status, allowed, said: words.output(part.shown, status, note, part.missing), folded: part.folded };
      },
      hits: (step, line) => this.hitsOf(step, line),
      current: (step, line) =>
        this.hit?.step === step && this.hit.line === line && this.hitsOf(step, line) !== undefined,
      picked: (step, line, last = line) =>
        this.picked?.step === step && last >= this.picked.first && line <= this.picked.last && line > 0,
      gap: (step, line) => {
        const { line: first, lines, bytes, reason } = this.outline.whole(step, /** @type {any} */ (this.outline.gapAt(step, line)));
        return words.cut(first, lines, bytes, reason);
      },
      level: (step, line) => this.levels.get(`${step}:${line}`),
      time: (at) => this.options.time(at),
      fails: () => this.pages.failures > 0,
      refused: () => this.pages.isRefused,
    });
    rows.isFolded = ({ step, segment }) => Boolean(segment.group && this.outline.parts[step].isFolded(segment.group));
    return rows;
  }

  // --- What comes in ---

  /** Lines `line`… of a step, joined by line feeds, as an event brings them. @param {any} data */
  add({ step, line, text, at, open }) {
    const position = this.options.names.indexOf(step);
    if (position < 0) return;
    const texts = String(text).split("\n");
    texts.forEach((one, index) => {
      this.pages.put(position, line + index, { text: one, at, open: Boolean(open) && index === texts.length - 1 }, true);
    });
    this.outline.reach(position, line + texts.length - 1);
    this.schedule();
  }

  /** Of a step, these lines are left out of the log; what this page has of them stays. @param {any} data */
  cut({ step, line, lines, bytes, reason }) {
    const position = this.options.names.indexOf(step);
    if (position < 0 || !lines) return;
    this.pages.close(position, line + lines - 1);
    this.cutWhatIsNotHere(position, { line, lines, bytes: bytes || 0, reason: reason || "" });
    this.schedule();
  }

  /** @param {number} step @param {import("./cuts.js").Cut} cut */
  cutWhatIsNotHere(step, cut) {
    this.outline.cut(step, cut, this.pages.absent(step, cut.line, cut.line + cut.lines - 1));
  }

  /** A group began or ended. @param {any} data */
  group({ step, number, name, line, last }) {
    const position = this.options.names.indexOf(step);
    if (position < 0) return;
    // It folds when it ends, but not under somebody who reads in it.
    if (last && !this.follow.on && this.window.shows(position, line + 1, last)) this.outline.keepOpen(position, number);
    this.outline.group(position, { number, name, line, last: last ?? null });
    this.schedule();
  }

  /** A line has something to say: `error`, `warning`, `notice`. @param {{step: string, line: number, level: string}} data */
  annotate({ step, line, level }) {
    this.levels.set(`${this.options.names.indexOf(step)}:${line}`, level);
    this.schedule();
  }

  /** A step began or ended. @param {string} name @param {string} status @param {string} note
   * @param {boolean} allowed to fail, as it did */
  setStatus(name, status, note, allowed) {
    const step = this.options.names.indexOf(name);
    if (step < 0) return;
    this.heads[step] = { status, note, allowed };
    if (status === "running" && this.follow.on) {
      this.options.names.forEach((_, other) => other !== step && !this.touched.has(other) && this.outline.fold(other, true));
    }
    if ((status === "running" || status === "failed") && !this.touched.has(step)) this.outline.fold(step, false);
    this.schedule();
  }

  /** @param {number} step @param {import("./pages.js").Answer} answer */
  arrived(step, answer) {
    this.outline.reach(step, answer.total);
    for (const cut of answer.cuts || []) this.cutWhatIsNotHere(step, cut);
    for (const cut of unexplained(this.outline.parts[step].cuts, answer.from, answer.lines)) this.cutWhatIsNotHere(step, cut);
    this.schedule();
  }

  // --- What is shown ---

  schedule() {
    this.frame ||= requestAnimationFrame(() => this.draw());
  }

  draw() {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    this.leads = false;
    const { outline } = this;
    outline.layOut();
    if (this.follow?.on) {
      this.seen = outline.total;
      this.window.draw(this.window.end);
    } else if (this.pinned) {
      this.window.draw({ row: outline.rowFor(this.pinned.step, this.pinned.line), offset: this.pinned.offset });
    } else this.window.draw(this.window.held);
    if (this.window.atEnd) this.seen = outline.total; // they have come into view, and nothing is to be brought there
    this.follow?.offer(Math.max(outline.total - this.seen, 0));
    this.options.changed(outline.total, outline.missing);
  }

  /** Of each step only so many lines are shown. @param {number[]|null} counts null: all */
  limit(counts) {
    this.outline.parts.forEach((_, step) => this.outline.limit(step, counts ? counts[step] : Infinity));
    this.schedule();
  }

  /** Of the rows in the document and a little beyond: the lines that are not here. */
  wantLines() {
    const { drawn } = this.window;
    /** @type {{step: number, first: number, last: number}[]} */
    const missing = [];
    for (const { kind, step, line } of drawn) {
      if ((kind !== "line" && kind !== "group") || this.pages.get(step, line)) continue;
      const last = missing.at(-1);
      if (last && last.step === step && line <= last.last + 20) last.last = line;
      else missing.push({ step, first: line, last: line });
    }
    this.pages.want(missing);
  }

  /** How many lines each step has. */
  totals() {
    return this.outline.parts.map((part) => part.total);
  }

  /** Widths, times or the font are other ones. */
  resized() {
    const sizes = measured(this.root);
    if (JSON.stringify(sizes) !== JSON.stringify(this.outline.sizes)) {
      this.outline.sizes = sizes;
      this.outline.stale = true;
    }
    this.window.wraps = this.root.classList.contains("wrap");
    this.window.forget();
    this.redraw();
  }

  /** Every row anew. */
  redraw() {
    this.window.rows.forget();
    this.schedule();
  }

  // --- Where the reader is ---

  /** The newest line into view, without following. */
  toEnd() {
    this.unfoldNewest();
    this.window.draw(this.window.end);
  }

  unfoldNewest() {
    this.pinned = null;
    const last = this.outline.parts.findLastIndex((part) => part.total > 0);
    if (last >= 0) this.outline.fold(last, false);
  }

  followChanged() {
    if (this.follow.on) this.unfoldNewest();
    this.leads = this.follow.on;
    this.seen = this.outline.total;
    this.schedule();
  }

  /** @returns {{step: number, line: number}} the first line in view */
  at() {
    return this.window.first();
  }

  /** To a line, a stretch or a step by its address. @param {string} hash */
  goTo(hash) {
    const place = placeOf(hash, this.totals());
    if (!place) return;
    this.picked = place.first ? place : null;
    if (document.getElementById(hash.slice(1))) this.ownUntil = performance.now() + OWN_SCROLL;
    this.show(place.step, place.first, { pick: false });
  }

  /** A line comes into view, a third below the top, whatever hides it. @param {number} step its position
   * @param {number} line 0: the step's heading @param {{pick?: boolean}} [how] */
  show(step, line, { pick = true } = {}) {
    this.follow.stop();
    this.touched.add(step);
    this.outline.unfold(step, line);
    if (pick && line) this.picked = { step, first: line, last: line };
    this.pinned = { step, line, offset: line ? Math.max(Math.floor(this.window.view / 3), this.outline.sizes.head) : 0 };
    this.leads = true;
    this.redraw();
  }

  /** Which stretches of a line are hits. @param {(step: number, line: number) => Spans|undefined} hitsOf */
  hits(hitsOf) {
    this.hitsOf = hitsOf;
    this.schedule();
  }

  /** The hit that is looked at comes into view. @param {number} step @param {number} line */
  look(step, line) {
    this.hit = { step, line };
    this.show(step, line, { pick: false });
  }

  /** @param {number} step */
  toggle(step) {
    const part = this.outline.parts[step];
    this.touched.add(step);
    this.follow.stop();
    this.outline.fold(step, !part.folded);
    if (part.folded) this.pinned = { step, line: 0, offset: Math.max(this.outline.rowFor(step, 0).top - this.window.top, 0) };
    else this.pinned = null;
    this.leads = part.folded;
    this.schedule();
  }

  /** @param {number} step @param {number} number */
  toggleGroup(step, number) {
    const part = this.outline.parts[step];
    const group = part.groups.get(number);
    if (!group) return;
    this.follow.stop();
    this.outline.foldGroup(step, number, !part.isFolded(group));
    this.schedule();
  }

  /** @param {string} hash of a line @param {boolean} extend from the one that is picked to this one */
  pick(hash, extend) {
    const place = placeOf(hash, this.totals());
    if (!place) return;
    if (extend && this.picked?.step === place.step) {
      place.first = Math.min(place.first, this.picked.first);
      place.last = Math.max(place.last, this.picked.last);
    }
    this.picked = place;
    history.replaceState(history.state, "", addressOf(place));
    this.follow.stop();
    this.schedule();
  }
}

// @ts-check
// One step's heading and the window of its lines that is in the document: numbers `first` to `last` of `total`. Where
// lines are missing in it or at its edges, since they were cut, a mark tells the whole cut.

import { renderLine } from "./ansi.js";
import * as cuts from "./cuts.js";
import * as words from "./words.js";

/** @typedef {import("./log.js").Line} Line */

export class StepLines {
  /** @param {HTMLDetailsElement} details @param {string} name @param {() => number|null} began */
  constructor(details, name, began) {
    this.details = details;
    this.name = name;
    this.began = began;
    this.number = Number(details.dataset.step) + 1;
    this.body = /** @type {HTMLElement} */ (details.querySelector(".lns"));
    this.status = details.dataset.status || "pending";
    this.note = details.dataset.reason || "";
    this.loading = false;
    this.touched = false;
    /** @type {Map<number, HTMLElement>} */
    this.rows = new Map();
    for (const row of /** @type {NodeListOf<HTMLElement>} */ (this.body.querySelectorAll(".ln"))) {
      this.rows.set(Number(row.id.split(":")[1]), row);
    }
    const numbers = [...this.rows.keys()];
    this.first = numbers[0] || 0;
    this.last = numbers.at(-1) || 0;
    this.total = Number(details.dataset.total);
    this.cuts = cuts.merge([], JSON.parse(details.dataset.cuts || "[]"));
    /** @type {HTMLElement[]} */
    this.marks = [...this.body.querySelectorAll(".gap")].map((mark) => /** @type {HTMLElement} */ (mark));
    /** @type {number|null} the line that the address names */
    this.picked = null;
    details.querySelector("summary")?.addEventListener("click", () => (this.touched = true));
  }

  get size() {
    return this.rows.size;
  }

  /** @param {number} number */
  has(number) {
    return this.rows.has(number);
  }

  /** How many of its lines are cut. */
  get missing() {
    return cuts.missing(this.cuts, 1, this.total);
  }

  /** Nothing that is stored comes after the window. */
  get atEnd() {
    return this.size > 0 && cuts.after(this.cuts, this.last) > this.total;
  }

  /** @param {number|null} number of the line that the address names; what shows it: itself, or the mark of its cut */
  pick(number) {
    this.picked = number;
    this.mark();
    for (const row of this.body.querySelectorAll(".ln.picked")) row.classList.remove("picked");
    if (number === null) return undefined;
    const row = this.rows.get(number);
    row?.classList.add("picked");
    return row || this.marks.find((mark) => mark.classList.contains("picked"));
  }

  /** Line `number` is this. False: lines before it are not here. @param {number} number @param {Line} line @param {boolean} mayGrow */
  set(number, line, mayGrow) {
    const known = this.rows.get(number);
    // The next number always fits: what was fetched may end before the newest line that the store had by then.
    const joined = !this.size || number === this.last + 1 || number === cuts.after(this.cuts, this.last);
    this.total = Math.max(this.total, number);
    if (known) fill(known, line, this.began());
    else if (number > this.last && joined && mayGrow) this.append(number, line);
    return joined || number <= this.last;
  }

  /** These lines are cut; those of them that are here stay. @param {cuts.Cut} cut */
  cut(cut) {
    this.cuts = cuts.merge(this.cuts, [cut]);
    const last = cut.line + cut.lines - 1;
    for (const row of this.body.querySelectorAll(".ln:has(pre.open)")) {
      if (Number(row.id.split(":")[1]) <= last) row.querySelector("pre")?.classList.remove("open"); // it ended unheard
    }
    this.total = Math.max(this.total, last);
  }

  /** The marks of what is cut to where they belong. */
  mark() {
    if (!this.cuts.length && !this.marks.length) return;
    const numbers = this.sorted().map(([number]) => number);
    const wanted = cuts.places(this.cuts, numbers, this.total);
    const head = this.body.querySelector("[data-more=earlier]");
    while (this.marks.length > wanted.length) this.marks.pop()?.remove();
    wanted.forEach(([place, cut], index) => {
      const mark = (this.marks[index] ||= document.createElement("div"));
      const said = words.cut(cut.line, cut.lines, cut.bytes, cut.reason);
      if (mark.textContent !== said) mark.textContent = said;
      const picked = this.picked !== null && !this.has(this.picked) && cuts.at([cut], this.picked);
      mark.className = picked ? "gap picked" : "gap";
      const before = this.rows.get(place) || head;
      if (before && before.nextElementSibling !== mark) before.after(mark);
      if (!before && this.body.firstElementChild !== mark) this.body.prepend(mark);
    });
  }

  /** Lines were passed over: the window begins anew with the next one. */
  restart() {
    this.body.replaceChildren();
    this.marks = [];
    this.rows.clear();
    this.first = this.last = 0;
  }

  /** @param {number} number @param {Line} line */
  append(number, line) {
    const row = this.row(number, line);
    this.body.append(row);
    this.rows.set(number, row);
    this.first ||= number;
    this.last = number;
  }

  /**
   * Lines by number from the store; null is one that was left out.
   * @param {{from: number, lines: (string|null)[], at: (string|null)[], open: boolean, cuts: cuts.Cut[]}} page  at: their
   *   times; open: the last one is unfinished; cuts: all of the step
   * @param {"before"|"after"|"replace"} where
   */
  insert({ from, lines, at, open, cuts: all }, where) {
    if (where === "replace") this.restart();
    this.cuts = cuts.merge(this.cuts, [...all, ...cuts.unexplained(all, from, lines)]);
    const made = document.createDocumentFragment();
    lines.forEach((text, index) => {
      const number = from + index;
      if (text === null || this.rows.has(number)) return;
      this.first = this.first ? Math.min(this.first, number) : number;
      this.last = Math.max(this.last, number);
      const row = this.row(number, { text, at: at[index] || "", open: open && index === lines.length - 1 });
      this.rows.set(number, row);
      made.append(row);
    });
    if (where === "before") this.body.prepend(made);
    else this.body.append(made);
    this.mark();
  }

  /** Take lines from the top; how many. @param {number} wanted */
  dropFirst(wanted) {
    let dropped = 0;
    for (const [number, row] of this.sorted()) {
      if (dropped >= wanted) break;
      row.remove();
      this.rows.delete(number);
      dropped += 1;
    }
    const numbers = [...this.rows.keys()];
    this.first = numbers.length ? Math.min(...numbers) : 0;
    if (!numbers.length) this.last = this.total;
    return dropped;
  }

  /** Take lines from the bottom. @param {number} wanted */
  dropLast(wanted) {
    for (const [number, row] of this.sorted().reverse().slice(0, wanted)) {
      row.remove();
      this.rows.delete(number);
    }
    const numbers = [...this.rows.keys()];
    this.last = numbers.length ? Math.max(...numbers) : this.total;
    if (!numbers.length) this.first = 0;
  }

  sorted() {
    return [...this.rows].sort(([a], [b]) => a - b);
  }

  /** What stands in the heading, and the ways to the lines that are not here. */
  label() {
    const end = this.details.querySelector(".fold .end");
    const said = words.output(this.total, this.status, this.note, this.missing);
    if (end && end.textContent !== said) end.textContent = said;
    this.mark();
    const before = this.size ? this.first - 1 : this.total;
    const earlier = before - cuts.missing(this.cuts, 1, before);
    this.way("earlier", earlier, `${words.count(earlier, "line")} before this`);
    const later = this.size ? this.total - this.last - cuts.missing(this.cuts, this.last + 1, this.total) : 0;
    this.way("later", later, `${words.count(later, "line")} after this`);
  }

  complain() {
    const way = this.body.querySelector("[data-more]");
    if (way) way.textContent = "These lines could not be loaded just now. Press to try again.";
  }

  /** @param {string} status @param {string} note */
  setStatus(status, note) {
    this.status = status;
    this.note = note;
    const mark = this.details.querySelector(".mark");
    if (mark) {
      mark.className = `mark s-${status}`;
      mark.textContent = status;
    }
    this.label();
  }

  fold() {
    if (!this.touched) this.details.open = false;
  }

  unfold() {
    this.details.open = true;
  }

  /** @param {"earlier"|"later"} which @param {number} missing @param {string} text */
  way(which, missing, text) {
    let link = /** @type {HTMLElement|null} */ (this.body.querySelector(`[data-more=${which}]`));
    if (!missing) {
      link?.remove();
      return;
    }
    if (!link) {
      link = document.createElement("a");
      link.className = "more";
      link.dataset.more = which;
      link.setAttribute("href", `#step-${this.number}`);
    }
    if (link.textContent !== text) link.textContent = text;
    if (which === "earlier" && this.body.firstElementChild !== link) this.body.prepend(link);
    if (which === "later" && this.body.lastElementChild !== link) this.body.append(link);
  }

  /** @param {number} number @param {Line} line */
  row(number, line) {
    const row = document.createElement("div");
    row.className = "ln";
    row.id = `${this.number}:${number}`;
    const link = document.createElement("a");
    link.setAttribute("href", `#${row.id}`);
    link.textContent = String(number);
    row.append(link, document.createElement("time"), document.createElement("pre"));
    fill(row, line, this.began());
    return row;
  }
}

/** @param {HTMLElement} row @param {Line} line @param {number|null} began */
function fill(row, line, began) {
  const [, time, text] = row.children;
  if (line.at && began !== null) {
    const seconds = Math.max((Date.parse(line.at) - began) / 1000, 0);
    time.textContent = seconds.toFixed(seconds < 1_000 ? 2 : seconds < 10_000 ? 1 : 0);
  }
  renderLine(text, line.text);
  text.classList.toggle("open", line.open);
}

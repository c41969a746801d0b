// @ts-check
// One step's heading and the window of its lines that is in the document: numbers `first` to `last` of `total`.

import { renderLine } from "./ansi.js";
import { count, output } from "./words.js";

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
    this.total = Number(details.dataset.total);
    // What is left out after the last line is marked already.
    this.last = this.body.lastElementChild?.classList.contains("gap") ? this.total : numbers.at(-1) || 0;
    details.querySelector("summary")?.addEventListener("click", () => (this.touched = true));
  }

  get size() {
    return this.rows.size;
  }

  /** @param {number} number */
  has(number) {
    return this.rows.has(number);
  }

  /** @param {number} number */
  element(number) {
    return this.rows.get(number);
  }

  /** Line `number` is this. @param {number} number @param {Line} line @param {boolean} mayGrow */
  set(number, line, mayGrow) {
    const known = this.rows.get(number);
    // The next number always fits: what was fetched may end before the newest line that the store had by then.
    const joined = !this.size || this.last === this.total || number === this.last + 1;
    this.total = Math.max(this.total, number);
    if (known) {
      fill(known, line, this.began());
    } else if (number > this.last && joined && mayGrow) {
      if (this.size && number > this.last + 1) this.body.append(gap(number - this.last - 1));
      this.append(number, line);
    }
  }

  /** Up to line `number` all that is not here was left out of the log. @param {number} number @param {boolean} mayGrow */
  miss(number, mayGrow) {
    for (const row of this.body.querySelectorAll(".ln:has(pre.open)")) {
      if (Number(row.id.split(":")[1]) <= number) row.querySelector("pre")?.classList.remove("open"); // it ended unheard
    }
    const joined = this.size > 0 && this.last === this.total;
    this.total = Math.max(this.total, number);
    if (!joined || !mayGrow || number <= this.last) return;
    this.body.append(gap(number - this.last));
    this.last = number;
  }

  /** Lines were passed over: the window begins anew with the next one. */
  restart() {
    this.body.replaceChildren();
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
   * @param {{from: number, lines: (string|null)[], at: (string|null)[], open: boolean}} page  at: their times; open:
   *   the last one is unfinished
   * @param {"before"|"after"|"replace"} where
   */
  insert({ from, lines, at, open }, where) {
    if (where === "replace") this.restart();
    const made = document.createDocumentFragment();
    let missing = 0;
    lines.forEach((text, index) => {
      const number = from + index;
      this.first = this.first ? Math.min(this.first, number) : number;
      this.last = Math.max(this.last, number);
      if (text === null) missing += 1;
      if (text === null || this.rows.has(number)) return;
      if (missing) made.append(gap(missing));
      missing = 0;
      const row = this.row(number, { text, at: at[index] || "", open: open && index === lines.length - 1 });
      this.rows.set(number, row);
      made.append(row);
    });
    if (missing) made.append(gap(missing));
    if (where === "before") this.body.prepend(made);
    else this.body.append(made);
  }

  /** Take lines from the top; how many. @param {number} wanted */
  dropFirst(wanted) {
    let dropped = 0;
    for (const [number, row] of this.sorted()) {
      if (dropped >= wanted) break;
      while (row.previousElementSibling) row.previousElementSibling.remove();
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
      while (row.nextElementSibling) row.nextElementSibling.remove();
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
    const said = output(this.total, this.status, this.note);
    if (end && end.textContent !== said) end.textContent = said;
    const earlier = this.size ? this.first - 1 : this.total;
    this.way("earlier", earlier, `${count(earlier, "line")} before this`);
    const later = this.size ? this.total - this.last : 0;
    this.way("later", later, `${count(later, "line")} after this`);
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

/** @param {number} lines */
function gap(lines) {
  const element = document.createElement("div");
  element.className = "gap";
  element.textContent = `${count(lines, "line")} left out here: the log reached its limit`;
  return element;
}

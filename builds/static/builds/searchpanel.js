// @ts-check
// The form of the search in the log's tools: a query, two toggles, on and back. It is handed the viewer that shows lines.

import { announce } from "./announce.js";
import { Search } from "./search.js";

const REST = 200;

/** @typedef {import("./search.js").Place} Place */
/** @typedef {import("./search.js").Spans} Spans */
/** @typedef {{show: (step: string, line: number) => void, at: () => Place|null,
 *   hits: (byLine: (step: string, line: number) => Spans|undefined) => void}} Viewer */

export class SearchPanel {
  /** @param {HTMLFormElement} form @param {Viewer} viewer @param {string[]} names of the steps, in their order */
  constructor(form, viewer, names) {
    this.form = form;
    this.viewer = viewer;
    this.input = /** @type {HTMLInputElement} */ (form.querySelector("input[type=search]"));
    this.label = /** @type {HTMLElement} */ (form.querySelector(".found"));
    this.wrong = /** @type {HTMLElement} */ (form.querySelector(".wrong"));
    this.search = new Search({
      url: /** @type {string} */ (form.dataset.url),
      names,
      changed: () => this.changed(),
      hidden: () => document.hidden,
    });
    /** @type {Place|null} */
    this.current = null;
    /** @type {"next"|"previous"|""} pressed before there was anything to go to */
    this.wish = "";
    /** Whether the count of this query has been told to those who listen; after that it only grows with the log. */
    this.told = false;
    for (const button of form.querySelectorAll("button")) button.hidden = false;
    this.label.hidden = false;
    const asked = new URLSearchParams(location.search);
    this.input.value ||= asked.get("q") || "";
    for (const name of ["regex", "case"]) this.press(name, asked.get(name) === "1");
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("click", (event) => this.clicked(/** @type {HTMLElement} */ (event.target)));
    this.input.addEventListener("input", () => this.typed());
    this.input.addEventListener("keydown", (event) => this.pressed(event));
    document.addEventListener("visibilitychange", () => document.hidden || this.search.shown());
    this.start();
  }

  /** The log has new lines, or its build has changed. */
  grown() {
    this.search.grown();
  }

  focus() {
    this.input.focus();
    this.input.select();
  }

  typed() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.start(), REST);
  }

  /** Search for what the form says. */
  start() {
    clearTimeout(this.timer);
    const q = this.input.value;
    const query = q ? { q, regex: this.flag("regex"), case: this.flag("case") } : null;
    if (JSON.stringify(query) === JSON.stringify(this.search.query)) return;
    this.current = null;
    this.wish = "";
    this.told = false;
    this.search.ask(query);
    const url = new URL(location.href);
    for (const name of ["q", "regex", "case"]) url.searchParams.delete(name);
    if (query) url.searchParams.set("q", q);
    for (const name of ["regex", "case"]) if (query && this.flag(name)) url.searchParams.set(name, "1");
    if (url.href !== location.href) history.replaceState(history.state, "", url);
  }

  /** @param {string} name */
  flag(name) {
    return this.form.querySelector(`[data-flag=${name}]`)?.getAttribute("aria-pressed") === "true";
  }

  /** @param {string} name @param {boolean} on */
  press(name, on) {
    this.form.querySelector(`[data-flag=${name}]`)?.setAttribute("aria-pressed", String(on));
  }

  /** @param {HTMLElement} target */
  clicked(target) {
    const { flag, go } = /** @type {HTMLElement} */ (target.closest("button"))?.dataset || {};
    if (flag) {
      this.press(flag, !this.flag(flag));
      this.start();
    } else if (go) this.go(/** @type {"next"|"previous"} */ (go));
  }

  /** @param {KeyboardEvent} event */
  pressed(event) {
    if (event.isComposing) return;
    if (event.key === "Enter") {
      event.preventDefault();
      this.go(event.shiftKey ? "previous" : "next");
    } else if (event.key === "Escape") {
      event.preventDefault();
      this.input.value = "";
      this.start();
      this.input.blur();
    }
  }

  /** @param {"next"|"previous"} where */
  go(where) {
    this.start();
    const from = this.current || this.viewer.at() || { step: this.search.options.names[0], line: 1 };
    const place = this.search.beside(from, where === "previous", !this.current);
    this.wish = place ? "" : where;
    if (!place) return;
    this.current = place;
    this.viewer.show(place.step, place.line);
    this.say(true);
  }

  changed() {
    this.viewer.hits((step, line) => this.search.spans(step, line));
    if (this.wish && this.search.total) this.go(this.wish);
    else if (!this.search.counting) this.wish = "";
    this.say();
  }

  /** @param {boolean} [asked] by the reader, who went to a match */
  say(asked = false) {
    const { error, trouble, counting } = this.search;
    const wrong = error || trouble;
    const found = wrong ? "" : this.search.words(this.current);
    if (this.label.textContent === found && this.wrong.textContent === wrong) return;
    this.label.textContent = found;
    this.wrong.textContent = wrong;
    this.wrong.hidden = !wrong;
    this.form.classList.toggle("bad", Boolean(wrong));
    this.input.setAttribute("aria-invalid", String(Boolean(error)));
    if (wrong || (found && (asked || (!counting && !this.told)))) announce(wrong || found);
    if (found && !counting) this.told = true;
  }
}

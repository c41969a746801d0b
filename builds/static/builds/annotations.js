// @ts-check
// The panel of errors, warnings and notices: the server has rendered those that were there; each `annotation` event adds
// one at its place. What is said in words is the twin of builds/web/landmarks.py, held to it by a test.

import { isFinal } from "./progress.js";
import { count } from "./words.js";

/** @typedef {"error"|"warning"|"notice"} Level */
/** @typedef {Record<Level, number>} Told  how many there have been, by level */
/**
 * @typedef {{step: string, line: number, level: Level, message: string, title: string, file: string,
 *   file_line: number|null, column: number|null, number: number}} Annotation
 */

/** @type {Level[]} */
export const LEVELS = ["error", "warning", "notice"];
/** Of each level so many are kept: builds/landmarks.py. */
export const MOST = 100;

/**
 * `2 errors, 1 warning`. Where more may come that no event tells one by one: `100 or more errors`.
 * @param {Told} told @param {boolean} final
 */
export function heading(told, final) {
  const said = (/** @type {Level} */ level) =>
    final || told[level] < MOST ? count(told[level], level) : count(told[level], `or more ${level}`);
  return LEVELS.filter((level) => told[level]).map(said).join(", ");
}

/** `and 2,431 more errors, 3 more warnings`: those that are not kept. Empty: all are. @param {Told} told */
export function more(told) {
  const beyond = LEVELS.filter((level) => told[level] > MOST);
  return beyond.length ? `and ${beyond.map((level) => count(told[level] - MOST, `more ${level}`)).join(", ")}` : "";
}

/** `src/a.c:12:5`, or as much of it as is known. @param {string} file @param {number|null} line @param {number|null} column */
export function place(file, line, column) {
  return file ? [file, line, line && column].filter(Boolean).join(":") : "";
}

/**
 * Where `one` belongs among those that are `shown`, errors first and then as printed; -1: it is there.
 * @param {{level: Level, number: number}[]} shown @param {{level: Level, number: number}} one
 */
export function indexFor(shown, one) {
  if (shown.some((other) => other.number === one.number)) return -1;
  const rank = LEVELS.indexOf(one.level);
  const after = shown.findIndex((other) => {
    const theirs = LEVELS.indexOf(other.level);
    return theirs > rank || (theirs === rank && other.number > one.number);
  });
  return after < 0 ? shown.length : after;
}

export class AnnotationPanel {
  /**
   * @param {HTMLElement} root the panel @param {import("./words.js").Build} build as it was rendered
   * @param {() => void} changed its height may have changed
   */
  constructor(root, build, changed) {
    this.root = root;
    this.changed = changed;
    this.list = /** @type {HTMLElement} */ (root.querySelector("ol"));
    this.beyond = /** @type {HTMLElement} */ (root.querySelector(".beyond"));
    this.linked = Boolean(root.dataset.linked);
    this.names = build.steps.map((step) => step.name);
    /** @type {{level: Level, number: number, step: string, line: number}[]} */
    this.shown = Array.from(/** @type {NodeListOf<HTMLElement>} */ (root.querySelectorAll(".note")), (row) => ({
      level: LEVELS.find((level) => row.classList.contains(level)) || "notice",
      number: Number(row.dataset.number),
      step: row.dataset.step || "",
      line: Number(row.dataset.line),
    }));
    this.told = build.annotations;
    this.final = isFinal(build.status);
  }

  /** How many there have been, as the build says. @param {import("./words.js").Build} build */
  setBuild(build) {
    this.told = build.annotations || this.told; // an older worker's events have none
    this.final = isFinal(build.status);
    this.say();
  }

  /** @param {Annotation} one */
  add(one) {
    const at = indexFor(this.shown, one);
    if (at < 0) return;
    this.shown.splice(at, 0, { level: one.level, number: one.number, step: one.step, line: one.line });
    this.list.insertBefore(this.row(one), this.list.children[at]);
    this.say();
  }

  say() {
    const told = { ...this.told };
    for (const level of LEVELS) {
      told[level] = Math.max(told[level], this.shown.filter((one) => one.level === level).length);
    }
    const words = heading(told, this.final);
    const slot = /** @type {HTMLElement} */ (this.root.querySelector("[data-slot=annotated]"));
    if (slot.textContent === words && this.beyond.textContent === more(told)) return;
    slot.textContent = words;
    this.beyond.textContent = more(told);
    this.beyond.hidden = !more(told);
    this.root.hidden = !words;
    this.changed();
  }

  /** @param {Annotation} one */
  row(one) {
    const row = element("li", `note ${LEVELS.includes(one.level) ? one.level : "notice"}`);
    row.dataset.number = String(one.number);
    const said = element("p", "");
    if (one.title) said.append(element("b", "", one.title), " ");
    said.append(element("span", "", one.message));
    const whence = element("span", "whence");
    const where = place(one.file, one.file_line, one.column);
    if (where) whence.append(element("code", "", where));
    const link = element(this.linked ? "a" : "span", "", `${one.step}, line ${one.line}`);
    if (this.linked) link.setAttribute("href", `#${this.names.indexOf(one.step) + 1}:${one.line}`);
    whence.append(link);
    row.append(element("span", "level", one.level), said, whence);
    return row;
  }
}

/** @param {string} kind @param {string} css @param {string} [text] */
function element(kind, css, text) {
  const made = document.createElement(kind);
  if (css) made.className = css;
  if (text !== undefined) made.textContent = text;
  return made;
}

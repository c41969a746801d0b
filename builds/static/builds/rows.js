// @ts-check
// Rows of the log as elements: made once, and touched again only where what they show has changed.

import { plainOf, renderRuns, runs } from "./ansi.js";
import { count } from "./words.js";

/**
 * @typedef {import("./outline.js").Row} Row
 * @typedef {import("./pages.js").Line} Line
 * @typedef {{status: string, said: string, folded: boolean}} Heading
 * @typedef {{line: (step: number, line: number) => Line|undefined, heading: (step: number) => Heading,
 *   hits: (step: number, line: number) => [number, number][]|undefined, current: (step: number, line: number) => boolean,
 *   picked: (step: number, line: number, last?: number) => boolean, gap: (step: number, line: number) => string, level: (step: number, line: number) => string|undefined,
 *   time: (at: string) => string, names: string[], fails: () => boolean, refused: () => boolean}} Source
 */

export class Rows {
  /** @param {HTMLElement} body what they stand in @param {Source} source */
  constructor(body, source) {
    this.body = body;
    this.source = source;
    /** @type {Map<string, HTMLElement>} by key */
    this.elements = new Map();
    /** @type {WeakMap<HTMLElement, {line: Line|undefined, hits: any, look: string}>} */
    this.shown = new WeakMap();
  }

  /** Exactly these, in this order; beside them only the row in which a selection began, out of sight. @param {Row[]} rows */
  show(rows) {
    const keep = new Set(rows.map((row) => row.key));
    const anchor = document.getSelection()?.anchorNode;
    /** @type {Element|null} where a selection began that is above all others */
    let above = null;
    for (const [key, element] of this.elements) {
      if (keep.has(key)) continue;
      if (element.contains(document.activeElement)) this.body.closest("[tabindex]")?.focus({ preventScroll: true });
      if (anchor && element.contains(anchor) && element.classList.contains("ln")) {
        element.classList.add("kept");
        if (isAbove(element, rows[rows.length - 1])) above = element;
        continue;
      }
      element.remove();
      this.elements.delete(key);
    }
    let place = this.body.firstElementChild;
    for (const row of rows) {
      let element = this.elements.get(row.key);
      if (!element) {
        element = this.make(row);
        this.elements.set(row.key, element);
      }
      element.classList.remove("kept");
      this.refresh(row, element);
      if (place && place === above) place = place.nextElementSibling;
      if (element === place) place = place.nextElementSibling;
      else this.body.insertBefore(element, place);
    }
  }

  /** @param {Row} row */
  make(row) {
    if (row.kind === "head") return this.makeHeading(row);
    if (row.kind === "cut") {
      const element = made("div", "gap");
      element.id = `${row.step + 1}:${row.line}`;
      return element;
    }
    const element = made("div", row.kind === "group" ? "ln grp" : "ln");
    element.id = `${row.step + 1}:${row.line}`;
    const number = /** @type {HTMLAnchorElement} */ (made("a", ""));
    number.href = `#${element.id}`;
    number.textContent = String(row.line);
    number.tabIndex = -1; // a million of them: whoever comes by keyboard is let through
    element.append(number, made("time", ""));
    if (row.kind === "group") {
      const button = made("button", "grpname");
      button.setAttribute("type", "button");
      button.dataset.group = String(row.segment.group?.number);
      button.dataset.step = String(row.step);
      element.append(button);
    } else element.append(made("pre", ""));
    return element;
  }

  /** @param {Row} row */
  makeHeading(row) {
    const element = made("button", "fold");
    element.setAttribute("type", "button");
    element.id = `step-${row.step + 1}`;
    element.dataset.step = String(row.step);
    const mark = made("i", "mark");
    const name = made("b", "");
    name.textContent = this.source.names[row.step];
    element.append(mark, name, made("span", "end"));
    return element;
  }

  /** @param {Row} row @param {HTMLElement} element */
  refresh(row, element) {
    if (row.kind === "head") this.refreshHeading(row, element);
    else if (row.kind === "cut") this.refreshGap(row, element);
    else this.refreshLine(row, element);
  }

  /** @param {Row} row @param {HTMLElement} element */
  refreshGap({ step, line, segment: { last } }, element) {
    const said = this.source.gap(step, line);
    if (element.textContent !== said) element.textContent = element.title = said;
    element.classList.toggle("picked", this.source.picked(step, line, last));
  }

  /** @param {Row} row @param {HTMLElement} element */
  refreshHeading(row, element) {
    const { status, allowed, said, folded } = this.source.heading(row.step);
    const [mark, , end] = /** @type {HTMLElement[]} */ ([...element.children]);
    if (mark.textContent !== status) {
      mark.className = `mark s-${status}${allowed ? " allowed" : ""}`;
      mark.textContent = status;
    }
    setText(end, said);
    if (element.getAttribute("aria-expanded") !== String(!folded)) element.setAttribute("aria-expanded", String(!folded));
  }

  /** @param {Row} row @param {HTMLElement} element */
  refreshLine(row, element) {
    const { source } = this;
    const line = source.line(row.step, row.line);
    const hits = source.hits(row.step, row.line);
    const level = source.level(row.step, row.line);
    const group = row.segment.group;
    const refused = !line && source.refused();
    const look = [
      source.picked(row.step, row.line) && "picked",
      level && `l-${level}`,
      source.current(row.step, row.line) && "current",
      !line && !refused && "awaited",
      !line && !refused && source.fails() && "failing",
      (refused || line?.gone) && "gone",
    ]
      .filter(Boolean)
      .join(" ");
    const before = this.shown.get(element);
    if (before && before.line === line && before.hits === hits && before.look === look && !group) return;
    this.shown.set(element, { line, hits, look });
    element.className = `${group ? "ln grp" : "ln"}${look && ` ${look}`}`;
    const [number, time, text] = /** @type {HTMLElement[]} */ ([...element.children]);
    number.tabIndex = source.picked(row.step, row.line) || source.current(row.step, row.line) ? 0 : -1;
    setText(time, line ? source.time(line.at) : "");
    if (line?.at && time.title !== line.at) time.title = line.at;
    if (group) {
      const folded = row.segment.group && this.isFolded(row);
      setText(text, group.name || "group");
      text.title = group.name;
      text.dataset.lines = group.last === null ? "" : count(group.last - group.line, "line");
      if (text.getAttribute("aria-expanded") !== String(!folded)) text.setAttribute("aria-expanded", String(!folded));
      return;
    }
    text.className = line?.open ? "open" : "";
    if (!line) text.textContent = refused ? "not loaded: load the page again" : "";
    else if (line.gone) text.textContent = "not stored any more";
    else renderRuns(text, (line.runs ??= runs(line.text)), hits);
  }

  /** Set by whoever knows. @type {(row: Row) => boolean} */
  isFolded = () => false;

  /** Everything is drawn anew: times or hits are other ones. */
  forget() {
    this.shown = new WeakMap();
  }
}

/** Whether a line's element belongs above that row. @param {Element} element @param {Row} row */
function isAbove(element, row) {
  const [step, line] = element.id.split(":").map(Number);
  return step - 1 < row.step || (step - 1 === row.step && line < row.line);
}

/** A line's text as it is read. @param {Line} line */
export function plainText(line) {
  return plainOf((line.runs ??= runs(line.text)));
}

/** @param {string} name @param {string} css */
function made(name, css) {
  const element = document.createElement(name);
  if (css) element.className = css;
  return element;
}

/** @param {Element} element @param {string} text */
function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** How high rows are here. @param {HTMLElement} root */
export function measured(root) {
  const heights = ["fold", "ln", "gap"].map((css) => {
    const probe = document.createElement("div");
    probe.className = css;
    root.append(probe);
    const { height } = probe.getBoundingClientRect();
    probe.remove();
    return height;
  });
  return { head: heights[0] || 28, line: heights[1] || 20, cut: heights[2] || 20 };
}

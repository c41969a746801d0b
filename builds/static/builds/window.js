// @ts-check
// The part of the log that is in the document: the rows in view and as many again above and below, between two spaces
// that stand for all the others. It knows rows and pixels, and nothing of builds.

import { LIMIT, scrollerHeight, scrollOf, topOf } from "./scale.js";

/** @typedef {import("./outline.js").Row} Row */
/** @typedef {{row: {step: number, line: number}, offset: number}} Anchor  offset: pixels from the view's top, down */

/** Of a view that itself has more they are all drawn, and none beyond it. */
const MOST_ROWS = 300;
const NEAR = 4;
const IDLE = 150;

export class Window {
  /**
   * @param {HTMLElement} root what scrolls
   * @param {import("./outline.js").Outline} outline
   * @param {(body: HTMLElement) => import("./rows.js").Rows} makeRows
   * @param {{scrolled: (up: boolean, atEnd: boolean) => void, drawn: () => void}} hooks  scrolled: by the reader;
   *   drawn: other rows are in the document now
   */
  constructor(root, outline, makeRows, hooks) {
    this.root = root;
    this.outline = outline;
    this.above = space();
    this.below = space();
    this.whole = document.createElement("div");
    this.whole.className = "win";
    const body = document.createElement("div");
    this.whole.append(this.above, body, this.below);
    root.replaceChildren(this.whole, ...root.querySelectorAll(":scope > .quiet"));
    this.rows = makeRows(body);
    this.hooks = hooks;
    /** The rows in the document, in order; a heading that sticks is not among them. @type {Row[]} */
    this.drawn = [];
    this.top = 0;
    /** What stood at the top of the view when it was last drawn, and how far above that it began: it is found again there,
     * whatever has come or gone above it. @type {Anchor} */
    this.held = { row: { step: 0, line: 0 }, offset: 0 };
    /** Where the newest line ended then. */
    this.bottom = 0;
    this.shift = 0;
    this.bar = 0;
    this.wraps = false;
    this.widest = 0;
    /** The view as it was when it was last drawn, in pixels. */
    this.drawnAs = [0, 0];
    /** @type {ReturnType<typeof setTimeout>|undefined} */
    this.idle = undefined;
    root.addEventListener("scroll", () => this.moved(), { passive: true });
  }

  get view() {
    return this.root.clientHeight;
  }

  /** How far down the view can begin. */
  get lowest() {
    return Math.max(this.outline.height - this.view, 0);
  }

  /** Of what is drawn: where the view has grown, the browser itself moves it up to there, and lines may have come since. */
  get atEnd() {
    return this.bottom - this.view - this.shift - this.root.scrollTop < NEAR;
  }

  /** Where the view begins if the newest line is to end it. */
  get end() {
    this.outline.layOut();
    return Math.max(this.outline.bottom - this.view, 0);
  }

  /** The first line in view, below the heading that sticks. @returns {Row} */
  first() {
    this.outline.layOut();
    return this.outline.rowAt(this.top + this.outline.sizes.head);
  }

  /** Whether one of these lines is in view. @param {number} step @param {number} first @param {number} last */
  shows(step, first, last) {
    const inView = (/** @type {Row} */ row) => row.top < this.top + this.view && row.top + row.height > this.top;
    return this.drawn.some((row) => row.step === step && row.line >= first && row.line <= last && inView(row));
  }

  moved() {
    // A view of another size is scrolled by the browser itself, by WebKit to its top. It is about to be drawn where it was.
    if (this.root.clientWidth !== this.drawnAs[0] || this.view !== this.drawnAs[1]) return;
    const { scrollTop } = this.root;
    const delta = scrollTop - this.bar;
    if (Math.abs(delta) < 0.5) return;
    this.bar = scrollTop;
    const { atEnd } = this;
    const { height } = this.outline; // as it is drawn: what has come since moves nothing before it is drawn, too
    const limit = scrollerHeight(height);
    if (height <= LIMIT) this.top = scrollTop;
    else if (Math.abs(delta) < 4 * this.view) this.top += delta;
    else this.top = topOf(scrollTop, height - this.view, limit - this.view);
    this.top = Math.min(Math.max(this.top, 0), this.lowest);
    this.held = this.anchor();
    this.hooks.scrolled(delta < 0, atEnd);
    this.draw(this.held, true);
    clearTimeout(this.idle);
    // Where the reader has moved on, their event is on its way, and drawing here would take them back.
    this.idle = setTimeout(() => Math.abs(this.root.scrollTop - this.bar) < 0.5 && this.draw(this.held), IDLE);
  }

  /** Draw the rows there. @param {number | Anchor} place `end`: the newest line ends the view, however high it turns out
   *   to be; or a row that is to stand so many pixels below the view's top, whatever rows above it turn out to be
   * @param {boolean} [moving] */
  draw(place, moving = false) {
    const { outline } = this;
    const pinned = typeof place === "number" ? null : place;
    outline.layOut();
    this.settle(pinned ? this.topFor(pinned) : /** @type {number} */ (place), moving);
    for (let round = 0; round < 4; round += 1) {
      this.paint();
      if (!this.wraps || !this.measure()) break;
      outline.layOut();
      this.settle(pinned ? this.topFor(pinned) : this.end, moving);
    }
    this.held = this.anchor();
    this.bottom = outline.bottom;
    this.hooks.drawn();
  }

  /** The row at the top of the view, and how far above that it begins. @returns {Anchor} */
  anchor() {
    const row = this.outline.rowAt(this.top);
    return { row, offset: row.top - this.top };
  }

  /** @param {Anchor} anchor */
  topFor({ row, offset }) {
    return this.outline.rowFor(row.step, row.line).top - offset;
  }

  /** @param {number} top @param {boolean} moving the bar is in the reader's hand: it is left where it is */
  settle(top, moving) {
    const { height } = this.outline;
    this.top = Math.min(Math.max(top, 0), this.lowest);
    if (!moving || height <= LIMIT) {
      const limit = scrollerHeight(height);
      this.shift = this.top - scrollOf(this.top, Math.max(height - this.view, 0), Math.max(limit - this.view, 0));
    } else this.shift = this.top - this.root.scrollTop;
  }

  paint() {
    const { outline, view } = this;
    const beyond = Math.min(view, Math.max((MOST_ROWS * outline.sizes.line - view) / 2, 0));
    const to = this.top + view + beyond;
    /** @type {Row[]} */
    const drawn = [];
    let row = /** @type {Row|null} */ (outline.rowAt(this.top - beyond));
    while (row && (row.top < to || !drawn.length)) { // one at least, also while the log has no height
      drawn.push(row);
      row = outline.after(row);
    }
    this.drawn = drawn;
    const first = drawn[0];
    const last = drawn[drawn.length - 1];
    // The heading of the step whose lines come first sticks to the top, although its own place is far above.
    const heading = first.kind === "head" ? null : outline.rowFor(first.step, 0);
    this.rows.show(heading ? [heading, ...drawn] : drawn);
    const limit = scrollerHeight(outline.height);
    set(this.above, first.top - this.shift - (heading ? heading.height : 0));
    set(this.below, limit - (last.top + last.height - this.shift));
    const width = this.wraps ? 0 : Math.max(this.widest, this.whole.offsetWidth);
    if (width !== this.widest || this.wraps) {
      this.widest = width;
      this.above.setAttribute("width", String(width));
    }
    this.root.classList.toggle("part", first.top > 0 || last.top + last.height < outline.height);
    const bar = this.top - this.shift;
    if (Math.abs(this.root.scrollTop - bar) >= 0.5) this.root.scrollTop = bar;
    this.bar = this.root.scrollTop;
    this.drawnAs = [this.root.clientWidth, this.view];
  }

  /** Rows that wrap are as high as they are. @returns {boolean} whether anything moves by that */
  measure() {
    let changed = false;
    for (const row of this.drawn) {
      if (row.kind !== "line") continue;
      const element = this.rows.elements.get(row.key);
      // Not in whole pixels: where a line is so high as a fraction, a view of them would be some pixels off.
      if (element && this.outline.grow(row, element.getBoundingClientRect().height)) changed = true;
    }
    return changed;
  }

  /** Widths or heights are other ones: forget what was measured. */
  forget() {
    this.widest = 0;
    this.above.setAttribute("width", "0");
    this.outline.flatten();
  }
}

function space() {
  const made = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  made.setAttribute("class", "space");
  made.setAttribute("aria-hidden", "true");
  made.setAttribute("width", "0");
  made.setAttribute("height", "0");
  return made;
}

/** @param {SVGElement} element @param {number} height */
function set(element, height) {
  const text = String(Math.max(Math.round(height * 100) / 100, 0));
  if (element.getAttribute("height") !== text) element.setAttribute("height", text);
}

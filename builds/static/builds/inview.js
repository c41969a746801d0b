// @ts-check
// The lower end of the log, where the newest line stands, is brought into view: when the page opens, when its build
// begins, when Follow is pressed. At once, without a movement; and never away from what the reader has turned to.

/** Of the log's foot, which stands below the newest line: pixels. */
const FOOT = 32;
const TURNS = ["wheel", "touchstart", "pointerdown", "keydown"];

export class InView {
  /** @param {Element} panel what is to be seen to its end */
  constructor(panel) {
    this.panel = panel;
    this.width = innerWidth;
    /** Where the page stood when it was brought there, in pixels; null: it was not, or the reader has moved on.
     * @type {number|null} */
    this.stood = null;
    // A page that is loaded again, or come back to, is where its reader has left it.
    const [came] = /** @type {PerformanceNavigationTiming[]} */ (performance.getEntriesByType("navigation"));
    this.untouched = !came || came.type === "navigate";
    const touched = () => (this.untouched = false);
    for (const turn of TURNS) addEventListener(turn, touched, { once: true, capture: true, passive: true });
    addEventListener("scroll", () => this.scrolled(), { passive: true });
  }

  /** The page has opened, or its build has begun: unless the reader has done something on it, or come to another place. */
  offer() {
    const { activeElement } = document;
    if (this.untouched && scrollY === 0 && (!activeElement || activeElement === document.body)) this.bring();
  }

  /** Whether the page shows the log to its newest line. */
  get reaches() {
    return this.panel.getBoundingClientRect().bottom - FOOT <= innerHeight;
  }

  bring() {
    const { top, bottom } = this.panel.getBoundingClientRect();
    if (bottom > innerHeight || bottom < innerHeight / 2 || top > innerHeight) this.panel.scrollIntoView({ block: "end" });
    this.stood = scrollY;
  }

  scrolled() {
    if (innerWidth === this.width && this.stood !== null && Math.abs(scrollY - this.stood) > 2) this.stood = null;
  }

  /** @returns {boolean} whether a telephone was turned, or the like, on a page that still stands where it was brought */
  turned() {
    const turned = innerWidth !== this.width;
    this.width = innerWidth;
    return turned && this.stood !== null;
  }
}

// @ts-check
// Following the newest line. Any scroll upwards ends it at once; a button with the number of new lines brings it back.

import { count } from "./words.js";

const NEAR = 4;

export class Follow {
  /** @param {HTMLElement} root what scrolls @param {{changed: () => void}} hooks */
  constructor(root, hooks) {
    this.root = root;
    this.hooks = hooks;
    this.on = false;
    this.top = 0;
    this.toggle = /** @type {HTMLButtonElement} */ (document.getElementById("follow"));
    this.fresh = /** @type {HTMLButtonElement} */ (document.getElementById("fresh"));
    this.toggle.addEventListener("click", () => (this.on ? this.stop() : this.start()));
    this.fresh.addEventListener("click", () => this.start());
    root.addEventListener("scroll", () => this.scrolled(), { passive: true });
    root.addEventListener("wheel", (event) => event.deltaY < 0 && this.stop(), { passive: true });
    root.addEventListener("keydown", (event) => ["ArrowUp", "PageUp", "Home"].includes(event.key) && this.stop());
  }

  start() {
    if (this.on) return;
    this.on = true;
    this.show();
    this.hooks.changed();
  }

  stop() {
    if (!this.on) return;
    this.on = false;
    this.show();
  }

  show() {
    this.toggle.hidden = false;
    this.toggle.setAttribute("aria-pressed", String(this.on));
  }

  /** The newest line into view. */
  toEnd() {
    this.root.scrollTop = this.root.scrollHeight;
    this.top = this.root.scrollTop;
  }

  /** @param {number} lines that came since following ended */
  offer(lines) {
    this.fresh.hidden = this.on || lines === 0;
    const text = count(lines, "new line");
    if (!this.fresh.hidden && this.fresh.textContent !== text) this.fresh.textContent = text;
  }

  scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.root;
    const up = scrollTop < this.top - 1;
    const down = scrollTop > this.top + 1;
    this.top = scrollTop;
    // Lines that were taken off the top move everything up too, but leave the end in view.
    const atEnd = scrollHeight - clientHeight - scrollTop < NEAR;
    if (up && !atEnd) this.stop();
    else if (down && atEnd && !this.fresh.hidden) this.start();
  }
}

// @ts-check
// Following the newest line. Any scroll upwards ends it at once; a button with the number of new lines brings it back.

import { InView } from "./inview.js";
import { count } from "./words.js";

export class Follow {
  /** @param {HTMLElement} root what scrolls @param {{changed: () => void}} hooks */
  constructor(root, hooks) {
    this.hooks = hooks;
    this.on = false;
    this.toggle = /** @type {HTMLButtonElement} */ (document.getElementById("follow"));
    this.fresh = /** @type {HTMLButtonElement} */ (document.getElementById("fresh"));
    this.inView = new InView(/** @type {HTMLElement} */ (root.closest(".log")));
    this.toggle.addEventListener("click", () => (this.on && this.inView.reaches ? this.stop() : this.press()));
    this.fresh.addEventListener("click", () => this.press());
    addEventListener("resize", () => this.inView.turned() && this.on && this.inView.bring());
    root.addEventListener("wheel", (event) => event.deltaY < 0 && this.stop(), { passive: true });
    root.addEventListener("keydown", (event) => ["ArrowUp", "PageUp", "Home"].includes(event.key) && this.stop());
  }

  /** The reader asks for the newest line, wherever on the page they are. */
  press() {
    this.start();
    this.inView.bring();
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
    this.hooks.changed();
  }

  show() {
    this.toggle.hidden = false;
    this.toggle.setAttribute("aria-pressed", String(this.on));
  }

  /** @param {number} lines that came since following ended */
  offer(lines) {
    this.fresh.hidden = this.on || lines === 0;
    const text = count(lines, "new line");
    if (!this.fresh.hidden && this.fresh.textContent !== text) this.fresh.textContent = text;
  }

  /** The reader has scrolled. @param {boolean} up @param {boolean} atEnd the newest line is in view */
  scrolled(up, atEnd) {
    if (up && !atEnd) this.stop();
    else if (!up && atEnd && !this.fresh.hidden) this.start();
  }
}

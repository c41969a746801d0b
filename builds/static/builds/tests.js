// @ts-check
// Tests on a build's page: how many, as each `tests` event says, and those that failed, from the page of all tests.

import { ask } from "./failure.js";
import { thousands } from "./words.js";

/** @typedef {{passed: number, failed: number, skipped: number}} Tests */

/** `3 failed, 412 passed, 5 skipped`: the twin of builds/web/testpages.py. @param {number} passed @param {number} failed @param {number} skipped */
export function counts(passed, failed, skipped) {
  const found = /** @type {[number, string][]} */ ([[failed, "failed"], [passed, "passed"], [skipped, "skipped"]]);
  return found.filter(([count]) => count).map(([count, word]) => `${thousands(count)} ${word}`).join(", ");
}

export class TestPanel {
  /** @param {HTMLElement} fact the row of counts @param {() => void} changed its height may have changed */
  constructor(fact, changed) {
    this.fact = fact;
    this.changed = changed;
    this.asked = 0;
  }

  /** @param {Tests} total */
  async show(total) {
    const link = this.fact.firstElementChild;
    if (link) link.textContent = counts(total.passed, total.failed, total.skipped);
    this.fact.hidden = false;
    /** @type {HTMLElement} */ (this.fact.previousElementSibling).hidden = false;
    const panel = document.getElementById("tests");
    if (!total.failed || !panel?.dataset.href) return;
    const turn = (this.asked += 1);
    const text = await ask(`${panel.dataset.href}?panel=1`);
    if (text === null || turn !== this.asked) return;
    const fresh = new DOMParser().parseFromString(text, "text/html").getElementById("tests");
    if (fresh) document.getElementById("tests")?.replaceWith(document.importNode(fresh, true));
    this.changed();
  }
}

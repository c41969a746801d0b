// @ts-check
// The silence that lasts: since when the step that runs has printed nothing.

import { set } from "./live.js";
import { silence } from "./words.js";

const LEAST_SECONDS = 5;
const LEAST_SHARE = 0.05;

/** @typedef {{step: string, line: number, since: number}} Heard  line 0: none yet; since: milliseconds */

/**
 * What is to be said of it at `moment`; null: it is too short, or no step runs.
 * @param {import("./words.js").Build} build @param {Heard|null} heard @param {number} moment
 * @returns {{text: string, anchor: string}|null}
 */
export function lasting(build, heard, moment) {
  const at = build.steps.findIndex((step) => step.status === "running");
  const step = build.steps[at];
  if (build.status !== "running" || !step?.started_at) return null;
  const said = heard?.step === step.name ? heard : { step: step.name, line: 0, since: Date.parse(step.started_at) };
  const seconds = (moment - said.since) / 1000;
  const elapsed = build.started_at ? (moment - Date.parse(build.started_at)) / 1000 : 0;
  if (seconds < Math.max(LEAST_SECONDS, LEAST_SHARE * elapsed)) return null;
  const anchor = said.line ? `#${at + 1}:${said.line}` : `#step-${at + 1}`;
  return { text: silence(seconds, step.name, said.line), anchor };
}

export class Silence {
  /** @param {ParentNode} root holds `#silences` */
  constructor(root) {
    this.section = /** @type {HTMLElement|null} */ (root.querySelector("#silences"));
    this.item = /** @type {HTMLElement|null} */ (this.section?.querySelector("[data-slot=silent]") || null);
    const { step = "", line = "0", from = "" } = this.item?.dataset || {};
    /** @type {Heard|null} */
    this.heard = from ? { step, line: Number(line), since: Date.parse(from) } : null;
  }

  /** A `log` event came. @param {{step: string, line: number, text: string, at: string}} data */
  hear({ step, line, text, at }) {
    this.heard = { step, line: line + text.split("\n").length - 1, since: Date.parse(at) };
  }

  /** @param {import("./words.js").Build} build @param {number} moment */
  show(build, moment) {
    if (!this.section || !this.item) return;
    const found = lasting(build, this.heard, moment);
    const link = /** @type {HTMLAnchorElement} */ (this.item.firstElementChild);
    if (found) {
      set(link, found.text);
      link.setAttribute("href", found.anchor);
    }
    this.item.hidden = !found;
    this.section.hidden = !found && this.section.querySelectorAll("li").length < 2;
  }
}

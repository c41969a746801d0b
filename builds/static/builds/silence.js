// @ts-check
// Silences: those that are over, and the one that lasts, since when the step that runs has printed nothing.
// The limits are those of builds/silences.py.

import { set } from "./live.js";
import { silence } from "./words.js";

const LEAST_SECONDS = 5;
const LEAST_SHARE = 0.05;
const MOST = 3;

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
  return { text: silence(seconds, step.name, said.line), anchor: anchorOf(build, step.name, said.line) };
}

/** @typedef {{step: string, line: number, seconds: number}} Past  line: the one before it */

/**
 * Those to be told: long enough beside the build's time, the longest first. Pure.
 * @param {Past[]} past @param {number} elapsed seconds
 */
export function told(past, elapsed) {
  const least = Math.max(LEAST_SECONDS, LEAST_SHARE * elapsed);
  return past
    .filter((one) => one.seconds >= least)
    .sort((a, b) => b.seconds - a.seconds)
    .slice(0, MOST);
}

export class Silence {
  /** @param {ParentNode} root holds `#silences` @param {import("./words.js").Build} build */
  constructor(root, build) {
    this.section = /** @type {HTMLElement|null} */ (root.querySelector("#silences"));
    this.item = /** @type {HTMLElement|null} */ (this.section?.querySelector("[data-slot=silent]") || null);
    const { step = "", line = "0", from = "" } = this.item?.dataset || {};
    /** @type {Heard|null} */
    this.heard = from ? { step, line: Number(line), since: Date.parse(from) } : null;
    this.build = build;
    /** @type {Past[]} */
    this.past = Array.from(/** @type {NodeListOf<HTMLElement>} */ (this.section?.querySelectorAll("[data-seconds]") || []), (row) => ({
      step: row.dataset.step || "",
      line: Number(row.dataset.line),
      seconds: Number(row.dataset.seconds),
    }));
    this.shown = JSON.stringify(this.past);
    /** Steps whose end has been heard. @type {Set<string>} */
    this.ended = new Set(build.steps.filter((step) => step.finished_at).map((step) => step.name));
  }

  /** A `log` event came. @param {{step: string, line: number, text: string, at: string}} data */
  hear({ step, line, text, at }) {
    const before = this.before(step);
    if (before && line > before.line) this.remember(before, Date.parse(at));
    this.heard = { step, line: line + text.split("\n").length - 1, since: Date.parse(at) };
  }

  /** What stands before the next line of a step: its last one, or its begin. @param {string} name @returns {Heard|null} */
  before(name) {
    if (this.heard?.step === name) return this.heard;
    const began = this.build.steps.find((step) => step.name === name)?.started_at;
    return began ? { step: name, line: 0, since: Date.parse(began) } : null;
  }

  /** @param {Heard} before @param {number} until milliseconds */
  remember({ step, line, since }, until) {
    const seconds = (until - since) / 1000;
    if (seconds >= LEAST_SECONDS && !this.past.some((one) => one.step === step && one.line === line)) this.past.push({ step, line, seconds });
  }

  /** @param {import("./words.js").Build} build @param {number} moment @param {boolean} [hears] else nobody knows what lasts */
  show(build, moment, hears = true) {
    if (!this.section || !this.item) return;
    this.build = build;
    for (const step of build.steps) {
      if (!step.finished_at || !step.started_at || this.ended.has(step.name)) continue;
      this.ended.add(step.name);
      const before = this.before(step.name);
      if (before) this.remember(before, Date.parse(step.finished_at));
    }
    const found = hears ? lasting(build, this.heard, moment) : null;
    const link = /** @type {HTMLAnchorElement} */ (this.item.firstElementChild);
    if (found) {
      set(link, found.text);
      link.setAttribute("href", found.anchor);
    }
    this.item.hidden = !found;
    const end = build.finished_at ? Date.parse(build.finished_at) : moment;
    this.list(told(this.past, build.started_at ? (end - Date.parse(build.started_at)) / 1000 : 0));
    this.section.hidden = !found && this.section.querySelectorAll("li").length < 2;
  }

  /** @param {Past[]} past */
  list(past) {
    const shown = JSON.stringify(past);
    if (!this.item || shown === this.shown) return;
    this.shown = shown;
    for (const row of this.section?.querySelectorAll("[data-seconds]") || []) row.remove();
    this.item.after(...past.map((one) => this.row(one)));
  }

  /** @param {Past} one */
  row({ step, line, seconds }) {
    const row = document.createElement("li");
    row.dataset.seconds = String(seconds);
    const link = document.createElement("a");
    link.textContent = silence(seconds, step, line);
    link.setAttribute("href", anchorOf(this.build, step, line));
    row.append(link);
    return row;
  }
}

/** @param {import("./words.js").Build} build @param {string} name @param {number} line */
function anchorOf(build, name, line) {
  const at = build.steps.findIndex((step) => step.name === name) + 1;
  return line ? `#${at}:${line}` : `#step-${at}`;
}

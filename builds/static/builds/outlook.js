// @ts-check
// How long a running build still takes, on its bar and in words; and how long it took beside others.

import { set } from "./live.js";
import { FEW, forecast, isFinal, spread, timesOf } from "./progress.js";
import * as words from "./words.js";

/** @typedef {import("./words.js").Build} Build */

export class Outlook {
  /** @param {ParentNode} root holds `#progress`, with the last passed builds' seconds, ascending, in its data */
  constructor(root) {
    this.root = root;
    const section = /** @type {HTMLElement|null} */ (root.querySelector("#progress"));
    /** @type {number[]} */
    this.durations = JSON.parse(section?.dataset.durations || "[]");
  }

  /**
   * Shows what is so at `moment` (milliseconds by the server's clock).
   * @param {Build} build @param {number} moment @returns {number|null} the share that is done
   */
  show(build, moment) {
    const elapsed = secondsOf(build, moment);
    set(this.slot("compared"), this.compared(build, elapsed));
    if (build.status !== "running") return build.status === "passed" ? 1 : null;
    const ahead = forecast(timesOf(build, moment), elapsed || 0, this.durations, build.parallel);
    const zone = ahead.zone === null ? 1 : ahead.zone;
    this.slot("fill")?.setAttribute("width", share(ahead.fill || 0));
    this.slot("zone")?.setAttribute("x", share(zone));
    this.slot("zone")?.setAttribute("width", share(1 - zone));
    set(this.slot("percent"), words.percent(ahead.fraction) || "…");
    set(this.slot("left"), words.left(ahead.remaining, ahead.low) || "no history yet");
    const late = words.outlasted(ahead.outlasted, this.durations.length);
    set(this.slot("usual"), late || words.usually(ahead.low, ahead.high));
    return ahead.fraction;
  }

  /** @param {Build} build @param {number|null} took */
  compared(build, took) {
    if (build.status === "queued") return this.slot("compared")?.textContent || "";
    if (!isFinal(build.status) || took === null || this.durations.length < FEW) return "";
    const usual = spread(this.durations)[1];
    return build.status === "passed" || took > usual ? `· ${words.compared(took, usual)}` : "";
  }

  /** @param {string} name */
  slot(name) {
    return this.root.querySelector(`[data-slot="${name}"]`);
  }
}

/** Seconds that it has run; null: it has not begun. @param {Build} build @param {number} moment */
function secondsOf(build, moment) {
  if (build.started_at === null) return null;
  return Math.max(((build.finished_at ? Date.parse(build.finished_at) : moment) - Date.parse(build.started_at)) / 1000, 0);
}

/** @param {number} value 0–1 */
const share = (value) => `${(value * 100).toFixed(2)}%`;

// @ts-check
// The bar that plays a finished build again: play and pause, 1×, 10×, 60×, and any moment of it.

import { Replay } from "./replay.js";
import { PATIENCE } from "./timers.js";
import { duration } from "./words.js";

const SLICE = 100;

/**
 * @typedef {import("./words.js").Build} Build
 * @typedef {{log: import("./log.js").LogView, build: () => Build, show: (build: Build, moment: number|null) => void}} Page
 *   build: as it ended; show: the build as it stood at that moment, null: as it ended
 */

/** @param {Page} page */
export function offerReplay(page) {
  const open = /** @type {HTMLButtonElement} */ (document.getElementById("replay"));
  const printed = page.build().started_at && page.log.totals().some((total) => total > 0);
  if (!printed || !open.hidden) return;
  open.hidden = false;
  /** @type {Bar|null} */
  let bar = null;
  open.addEventListener("click", () => {
    if (bar) bar.close();
    else bar = new Bar(page, () => {
      bar = null;
      open.setAttribute("aria-pressed", "false");
    });
    open.setAttribute("aria-pressed", String(Boolean(bar)));
  });
}

class Bar {
  /** @param {Page} page @param {() => void} closed */
  constructor(page, closed) {
    this.page = page;
    this.closed = closed;
    const part = (/** @type {string} */ id) => /** @type {any} */ (document.getElementById(id));
    this.root = /** @type {HTMLElement} */ (part("replaybar"));
    this.play = /** @type {HTMLButtonElement} */ (part("play"));
    this.place = /** @type {HTMLInputElement} */ (part("moment"));
    this.speed = /** @type {HTMLSelectElement} */ (part("speed"));
    this.said = /** @type {HTMLOutputElement} */ (part("played"));
    const totals = page.log.totals();
    const build = page.build();
    const at = (/** @type {string|null} */ text) => (text === null ? null : Date.parse(text));
    const spans = build.steps.map((step, index) => ({
      started: at(step.started_at),
      finished: at(step.finished_at),
      total: totals[index],
    }));
    this.replay = new Replay(spans, (step, line) => timeIn(page.log, step, line));
    /** Of the newest seek, while it is under way. @type {AbortController|null} */
    this.seeking = null;
    /** Why the bar is not where it was put. */
    this.trouble = "";
    this.playing = false;
    this.leave = new AbortController();
    const { signal } = this.leave;
    this.play.addEventListener("click", () => (this.playing ? this.pause() : this.start()), { signal });
    this.place.addEventListener("input", () => this.seek(), { signal });
    this.place.max = String(Math.max(this.replay.ends - this.replay.began, 1));
    this.root.hidden = false;
    page.log.follow.start();
    this.start();
  }

  start() {
    if (this.replay.isOver) Object.assign(this.replay, { moment: this.replay.began, counts: this.replay.counts.map(() => 0) });
    this.playing = true;
    this.heardAt = performance.now();
    this.timer = setInterval(() => this.step(), SLICE);
    this.show();
  }

  pause() {
    this.playing = false;
    this.want(null);
    clearInterval(this.timer);
    this.show();
  }

  step() {
    const now = performance.now();
    const passed = now - (this.heardAt || now);
    this.heardAt = now;
    if (this.seeking) return;
    this.replay.advance(passed * Number(this.speed.value));
    this.want(this.replay.awaits);
    if (this.replay.isOver) this.pause();
    else this.show();
  }

  /** The lines that it waits for; null: it does not. @param {{step: number, line: number}|null} line */
  want(line) {
    if (line || this.wants) this.page.log.pages.want(line ? [{ step: line.step, first: line.line, last: line.line + 500 }] : [], "replay");
    this.wants = Boolean(line);
  }

  async seek() {
    this.seeking?.abort();
    const mine = (this.seeking = new AbortController());
    const moment = this.replay.began + Number(this.place.value);
    this.want(null);
    try {
      const isThere = await this.replay.seek(moment, (step, line) => this.find(step, line, mine.signal));
      if (!isThere || mine !== this.seeking) return;
      this.trouble = "";
    } catch {
      if (mine !== this.seeking) return;
      this.trouble = "no answer for that moment";
    }
    this.seeking = null;
    this.show();
  }

  /** A line's time, from here or from the server; an error: it cannot be had now.
   * @param {number} step @param {number} line @param {AbortSignal} signal @returns {Promise<number|null>} */
  async find(step, line, signal) {
    signal.throwIfAborted();
    const { log } = this.page;
    const known = timeIn(log, step, line);
    if (known !== undefined) return known;
    const query = new URLSearchParams({ step: log.options.names[step], from: String(line), to: String(line) });
    const limited = AbortSignal.any([signal, AbortSignal.timeout(PATIENCE)]);
    const answer = await fetch(`${log.options.url}?${query}`, { headers: { Accept: "application/json" }, signal: limited });
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    const [at] = (await answer.json()).at;
    return at ? Date.parse(at) : null;
  }

  show() {
    const { replay, page } = this;
    const build = page.build();
    const steps = build.steps.map((step, index) => {
      const status = replay.statusOf(index, step.status);
      const begun = step.started_at !== null && replay.moment >= Date.parse(step.started_at);
      const over = status !== "running" && begun;
      return { ...step, status, started_at: begun ? step.started_at : null, finished_at: over ? step.finished_at : null, reason: over ? step.reason : "" };
    });
    page.log.limit(replay.counts);
    page.show({ ...build, steps }, replay.moment);
    const began = Date.parse(build.started_at || "");
    const said = (/** @type {number} */ moment) => duration((moment - began) / 1000);
    this.place.value = String(replay.moment - replay.began);
    this.place.setAttribute("aria-valuetext", said(replay.moment));
    this.said.textContent = `${this.trouble && `${this.trouble}, at `}${said(replay.moment)} of ${said(replay.ends)}`;
    const word = this.playing ? "Pause" : replay.isOver ? "Play again" : "Play";
    if (this.play.textContent !== word) this.play.textContent = word;
  }

  close() {
    clearInterval(this.timer);
    this.leave.abort();
    this.seeking?.abort();
    this.seeking = null;
    this.want(null);
    this.root.hidden = true;
    const { log } = this.page;
    log.limit(null);
    log.follow.stop();
    log.follow.toggle.hidden = true; // of a finished build there is no newer line
    this.page.show(this.page.build(), null);
    this.closed();
  }
}

/** @param {import("./log.js").LogView} log @param {number} step @param {number} line @returns {number|null|undefined} */
function timeIn(log, step, line) {
  if (log.outline.gapAt(step, line)) return null;
  const found = log.pages.get(step, line);
  if (!found) return undefined;
  return found.at ? Date.parse(found.at) : null;
}

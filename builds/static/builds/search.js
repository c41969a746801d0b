// @ts-check
// Search in the whole log: the server looks, a slice at a time, and this holds what it found. It knows nothing of the
// page; the form in the log's tools is searchpanel.js.

import { delay } from "./sequence.js";
import { PATIENCE } from "./timers.js";
import { count } from "./words.js";

/** At most so many places are held; the count goes on beyond. */
export const HELD = 20_000;
const AGAIN = 1_000;

/** @typedef {[number, number][]} Spans  start and end, in UTF-16 code units of the line as it is shown */
/** @typedef {{step: string, line: number, spans: Spans}} Hit */
/** @typedef {{step: string, line: number}} Place */
/** @typedef {{q: string, regex: boolean, case: boolean}} Query */

export class Search {
  /**
   * @param {{url: string, names: string[], changed: () => void, hidden?: () => boolean}} options  names: of the steps, in
   *   their order; hidden: whether nobody looks, and nothing is to be asked
   */
  constructor(options) {
    this.options = options;
    this.order = new Map(options.names.map((name, at) => [name, at]));
    /** @type {Query|null} */
    this.query = null;
    this.round = 0;
    this.failures = 0;
    /** It goes on when the page is looked at. */
    this.waits = false;
    this.begin();
  }

  begin() {
    /** @type {Map<string, Map<number, Spans>>} by step and line: those that are whole */
    this.found = new Map();
    /** @type {Hit[]} those that match as they stand, unfinished */
    this.unfinished = [];
    /** @type {Place[]|null} all of them in the log's order; null: to be made anew */
    this.sorted = null;
    this.held = 0;
    this.lines = 0;
    /** @type {string|null} */
    this.cursor = null;
    this.counting = false;
    this.over = false;
    this.grew = false;
    this.error = "";
    this.trouble = "";
  }

  /** Search for this from now on; null: for nothing. @param {Query|null} query */
  ask(query) {
    if (JSON.stringify(query) === JSON.stringify(this.query)) return;
    this.stop();
    this.query = query;
    this.begin();
    if (query) this.go();
    this.options.changed();
  }

  stop() {
    this.round += 1;
    this.request?.abort();
    clearTimeout(this.timer);
    this.timer = undefined;
    this.failures = 0;
    this.waits = false;
  }

  /** The page is looked at again. */
  shown() {
    if (this.waits) this.go();
  }

  /** The log has new lines: they are searched within a second. */
  grown() {
    this.grew = true;
    if (!this.query || this.counting || this.over || this.error || this.timer !== undefined) return;
    this.timer = setTimeout(() => this.go(), Math.max((this.asked || 0) + AGAIN - Date.now(), 0));
  }

  async go() {
    this.timer = undefined;
    this.counting = true;
    this.waits = Boolean(this.options.hidden?.());
    if (this.waits) return;
    this.grew = false;
    this.asked = Date.now();
    const round = this.round;
    while (this.counting) {
      const answer = await this.fetch();
      if (round !== this.round) return;
      if (answer && !(answer.reset && this.cursor === null)) this.take(answer);
      else if (!this.error) return this.retry();
      this.options.changed();
    }
    if (this.grew) this.grown();
  }

  /** One slice; null: there was none, and `error` or `trouble` says why. */
  async fetch() {
    const { q, regex, case: capitals } = /** @type {Query} */ (this.query);
    const asked = new URLSearchParams({ q, regex: regex ? "1" : "0", case: capitals ? "1" : "0" });
    if (this.cursor !== null) asked.set("from", this.cursor);
    if (this.held >= HELD) asked.set("positions", "0");
    this.request = new AbortController();
    const { signal } = this.request;
    const limited = AbortSignal.any([signal, AbortSignal.timeout(PATIENCE)]);
    try {
      const answer = await fetch(`${this.options.url}?${asked}`, { headers: { Accept: "application/json" }, signal: limited });
      if (answer.ok) return await answer.json();
      const said = (await answer.json().catch(() => null))?.detail;
      const detail = typeof said === "string" ? said : "";
      if (answer.status < 500 && answer.status !== 429) this.fail(detail || `The search was refused (${answer.status}).`);
      else if (!signal.aborted) this.trouble = detail || "No answer just now; it is asked again.";
    } catch {
      if (!signal.aborted) this.trouble = "No answer just now; it is asked again.";
    }
    return null;
  }

  /** @param {string} detail */
  fail(detail) {
    const text = detail.replace(/^q: /, "");
    this.error = text.charAt(0).toUpperCase() + text.slice(1);
    this.counting = false;
  }

  retry() {
    this.failures += 1;
    this.timer = setTimeout(() => this.go(), delay(this.failures, Math.random()));
    this.options.changed();
  }

  /** @param {any} answer */
  take(answer) {
    this.trouble = "";
    this.failures = 0;
    if (answer.pruned_at) return this.fail("The log was pruned.");
    if (answer.reset) {
      this.begin(); // the log was compacted meanwhile: the same lines, from another place
      this.counting = true;
      return;
    }
    for (const hit of answer.matches) this.add(hit);
    this.unfinished = answer.unfinished;
    this.lines += answer.lines;
    this.cursor = answer.next;
    this.counting = answer.more;
    this.over = answer.next === null;
    this.sorted = null;
  }

  /** @param {Hit} hit */
  add({ step, line, spans }) {
    if (this.held >= HELD) return;
    let lines = this.found.get(step);
    if (!lines) this.found.set(step, (lines = new Map()));
    if (!lines.has(line)) this.held += 1;
    lines.set(line, spans);
  }

  /** How many lines match, as far as it has looked. */
  get total() {
    return this.lines + this.unfinished.length;
  }

  /** What to mark in a line. @param {string} step @param {number} line @returns {Spans|undefined} */
  spans(step, line) {
    const open = this.unfinished.find((hit) => hit.step === step && hit.line === line);
    return open ? open.spans : this.found.get(step)?.get(line);
  }

  /** All places that are held, in the order of the log: steps by position, then lines. */
  places() {
    if (this.sorted) return this.sorted;
    /** @type {Place[]} */
    const places = [];
    for (const [step, lines] of this.found) for (const line of lines.keys()) places.push({ step, line });
    for (const { step, line } of this.unfinished) if (!this.found.get(step)?.has(line)) places.push({ step, line });
    return (this.sorted = places.sort((one, other) => this.compare(one, other)));
  }

  /** @param {Place} one @param {Place} other */
  compare(one, other) {
    return (this.order.get(one.step) ?? 0) - (this.order.get(other.step) ?? 0) || one.line - other.line;
  }

  /** Index of the first place that is not before this one. @param {Place} place */
  index(place) {
    const places = this.places();
    let low = 0;
    let high = places.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.compare(places[middle], place) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /**
   * The place after `from`, or before it. Round the end only where the end is known; null: there is none, or not yet.
   * @param {Place} from @param {boolean} back @param {boolean} [itself] whether `from` may be the answer
   */
  beside(from, back, itself = false) {
    const places = this.places();
    if (!places.length) return null;
    let at = this.index(from);
    const isThere = at < places.length && this.compare(places[at], from) === 0;
    if (back) at -= isThere && itself ? 0 : 1;
    else if (isThere && !itself) at += 1;
    if (at >= 0 && at < places.length) return places[at];
    if (this.counting && this.held < HELD) return null;
    return places[(at + places.length) % places.length];
  }

  /** `3 of 1,204`, `1,204+ …`, `no line`, or what is wrong. @param {Place|null} current the match that is shown */
  words(current) {
    if (!this.query) return "";
    if (this.error || this.trouble) return this.error || this.trouble;
    if (!this.total) return this.counting ? "…" : "no line";
    const at = current ? this.index(current) : -1;
    const isThere = current && at < this.places().length && this.compare(this.places()[at], current) === 0;
    if (!isThere && !this.counting) return count(this.total, "line");
    return `${isThere ? `${figure(at + 1)} of ` : ""}${figure(this.total)}${this.counting ? "+ …" : ""}`;
  }
}

/** `1,204` @param {number} number */
const figure = (number) => count(number, "line").split(" ")[0];

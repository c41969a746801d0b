// @ts-check
// The live connection: an EventSource with a watch of its own, long polling where a proxy holds the stream back, and one
// cursor for both. It says what it is doing, and never shows an event twice or past a hole.

import { delay, Sequence } from "./sequence.js";

const HEARTBEAT = 15_000;
const SILENCE = 2.5 * HEARTBEAT;
const FIRST_WORD = 5_000;
const STREAM_AGAIN = 120_000;
const OLD = 3_000;
const REFUSALS = 3;
const KINDS = ["build", "step", "log", "progress", "cut", "group", "annotation"];
const OVER = new Set(["ended", "gone", "denied", "stuck"]);

/**
 * @typedef {{name: "connecting"|"live"|"catching"|"away"|"reconnecting"|"polling"|"offline"|"ended"|"gone"|"denied"|"stuck",
 *   detail: string}} State  away: the board is there, and its database is not
 * @typedef {{id: number, kind: string, data: any}} Happening
 * @typedef {{
 *   events: string, poll: string, world: string, cursor: number, dense: boolean,
 *   onEvent: (event: Happening) => void, onState: (state: State) => void, onReset: () => void,
 *   clock?: () => number,
 * }} Options  dense: ids have no gaps but at a `cut`. clock: the server's time in milliseconds
 */

export class Connection {
  /** @param {Options} options @param {any} [world] what it touches: EventSource, fetch, timers, chance */
  constructor(options, world = globalThis) {
    this.options = options;
    this.world = world;
    this.sequence = new Sequence(options.cursor, options.dense);
    /** @type {State} */
    this.state = { name: "connecting", detail: "" };
    /** @type {EventSource|null} */
    this.source = null;
    /** @type {AbortController|null} */
    this.polling = null;
    this.failures = 0;
    /** How often in a row a question was answered and the stream was not. */
    this.refusals = 0;
    /** The last answer to a question was that the database is away. */
    this.away = false;
    this.heardAt = 0;
    this.openedAt = 0;
    /** @type {Record<string, any>} */
    this.timers = {};
  }

  /** `settled`: the build was over when the page was rendered; one question tells whether anything is missing. */
  start(settled = false) {
    this.timers.watch = this.world.setInterval(() => this.watch(), 1000);
    if (settled) this.ask();
    else this.open();
  }

  /** Seconds since anything was heard; null: nothing yet. */
  silence() {
    return this.heardAt ? Math.max(this.world.Date.now() - this.heardAt, 0) / 1000 : null;
  }

  get over() {
    return OVER.has(this.state.name);
  }

  /** The page is looked at again, or the network is back: make sure that this is live. */
  wake() {
    if (this.over) return;
    const silent = this.world.Date.now() - Math.max(this.heardAt, this.openedAt);
    const heard = this.state.name === "live" || this.state.name === "away";
    if (!heard ? !this.source || silent > FIRST_WORD : silent > HEARTBEAT + FIRST_WORD) {
      this.failures = 0;
      this.open();
    }
  }

  /** The page is left. */
  sleep() {
    if (this.over) return;
    this.close();
    this.say("offline");
  }

  /** The browser says that the network is gone, which is not true of a board on the same machine: ask. */
  doubt() {
    if (this.over) return;
    this.close();
    this.failures = Math.max(this.failures, 1);
    this.say("offline", "no network");
    this.ask();
  }

  open() {
    this.close();
    this.openedAt = this.world.Date.now();
    if (this.state.name !== "connecting") this.say("reconnecting");
    const source = new this.world.EventSource(this.address(this.options.events));
    this.source = source;
    for (const kind of KINDS) {
      source.addEventListener(kind, (/** @type {MessageEvent} */ message) => this.stored(source, kind, message));
    }
    const on = (/** @type {string} */ kind, /** @type {(data: any) => void} */ work) =>
      source.addEventListener(kind, (/** @type {MessageEvent} */ message) => {
        if (source !== this.source) return;
        this.heard();
        work(parsed(message.data));
      });
    on("ping", ({ head, stale }) => {
      const behind = this.options.dense && head > this.sequence.cursor;
      this.say(stale !== undefined ? "away" : behind ? "catching" : "live");
    });
    on("reset", () => this.reset());
    on("restart", () => this.say("reconnecting"));
    on("problem", ({ cause }) =>
      cause === "database" ? this.say("away") : this.say("reconnecting", "something failed at the server"),
    );
    on("denied", () => {
      this.close();
      this.say("reconnecting");
      this.ask(); // signed out, or no longer allowed, or signed in anew meanwhile
    });
    on("end", () => this.finish("ended"));
    source.addEventListener("open", () => source === this.source && this.expectWord());
    source.addEventListener("error", () => this.failed(source));
    this.expectWord();
  }

  /** @param {EventSource} source @param {string} kind @param {MessageEvent} message */
  stored(source, kind, message) {
    if (source !== this.source) return;
    this.heard();
    const id = Number(message.lastEventId);
    if (this.take({ id, kind, data: parsed(message.data) }) === "gap") this.open();
  }

  /** @param {Happening} event */
  take(event) {
    const verdict = this.sequence.take(event.id, event.kind);
    if (verdict === "new") {
      const at = event.data?.at;
      const clock = this.options.clock;
      if (this.source) this.say(at && clock && clock() - Date.parse(at) > OLD ? "catching" : "live");
      this.after("calm", 400, () => this.state.name === "catching" && this.say(this.polling ? "polling" : "live"));
      this.options.onEvent(event);
    }
    return verdict;
  }

  heard() {
    this.heardAt = this.world.Date.now();
    this.failures = this.refusals = 0;
    this.forget("word");
  }

  /** A stream that was opened and says nothing is held back on its way: poll with the same cursor. */
  expectWord() {
    this.after("word", FIRST_WORD, () => {
      if (!this.source) return;
      this.close();
      this.poll("a proxy holds back the stream");
    });
  }

  /** @param {EventSource} source */
  failed(source) {
    if (source !== this.source) return;
    this.forget("word");
    if (source.readyState === 2) {
      this.close();
      this.ask(); // the browser gave up and cannot say why
    } else if (this.state.name !== "away") {
      this.say("reconnecting"); // it comes back by itself, at the pace that the server has asked for
    }
  }

  watch() {
    if (this.over) return;
    const silent = this.world.Date.now() - Math.max(this.heardAt, this.openedAt);
    if (this.source && silent > SILENCE) {
      this.close();
      this.say("reconnecting");
      this.ask();
    }
    this.options.onState(this.state);
  }

  /** One question without waiting: what is it that keeps the stream away? */
  async ask() {
    const answer = await this.fetchEvents(0);
    if (answer === "over" || answer === "stale") return;
    if (answer === "failed") this.later(() => this.ask());
    else if (++this.refusals > REFUSALS) this.poll("the stream cannot be opened");
    else this.after("again", this.failures++ ? delay(this.failures, this.world.Math.random()) : 50, () => this.open());
  }

  /** @param {string} why */
  async poll(why) {
    const began = this.world.Date.now();
    if (!this.away) this.say("polling", why);
    while (!this.over && !this.source && this.world.Date.now() - began < STREAM_AGAIN) {
      const asked = this.world.Date.now();
      const before = this.sequence.cursor;
      const answer = await this.fetchEvents(25);
      if (answer === "over" || answer === "stale") return;
      if (answer === "failed") {
        this.later(() => this.poll(why));
        return;
      }
      this.heard();
      if (!this.away) this.say("polling", why);
      const { cursor } = this.sequence;
      if (cursor === before && this.world.Date.now() - asked < 1_000) {
        this.later(() => this.poll(why)); // an answer that did not wait: whoever gave it is about to go
        return;
      }
    }
    if (!this.over && !this.source) this.open();
  }

  /**
   * A page of events from the cursor, taken. `over`: nothing more comes; `stale`: another way was begun meanwhile.
   * @param {number} wait seconds @returns {Promise<"more"|"failed"|"over"|"stale">}
   */
  async fetchEvents(wait) {
    this.polling?.abort();
    const mine = new this.world.AbortController();
    this.polling = mine;
    const limit = this.world.setTimeout(() => mine.abort(), (wait + 10) * 1000);
    let page;
    try {
      const answer = await this.world.fetch(this.address(this.options.poll, wait), {
        signal: mine.signal,
        headers: { Accept: "application/json" },
        cache: "no-store",
      });
      if (this.polling !== mine) return "stale";
      if (answer.status === 401 || answer.status === 403) return this.finish("denied");
      if (answer.status === 404) return this.finish("gone");
      page = await answer.json();
      if (!answer.ok) throw new Error(`status ${answer.status}`);
    } catch (error) {
      if (this.polling !== mine) return "stale";
      this.polling = null;
      this.away = page?.cause === "database";
      if (this.away) this.heardAt = this.world.Date.now();
      this.say(this.away ? "away" : this.failures > 0 ? "offline" : "reconnecting");
      return "failed";
    } finally {
      this.world.clearTimeout(limit);
    }
    if (this.polling !== mine) return "stale";
    this.heardAt = this.world.Date.now();
    this.away = page.stale !== undefined;
    if (page.reset) {
      this.reset();
      return "over";
    }
    for (const event of page.events) if (this.take(event) === "gap") this.sequence.forgive(event.id), this.take(event);
    if (page.final && this.sequence.cursor >= page.head) return this.finish("ended");
    if (this.away) this.say("away");
    else if (this.sequence.cursor < page.head) this.say("catching", `${page.head - this.sequence.cursor} to go`);
    return "more";
  }

  /** @param {() => void} work */
  later(work) {
    this.failures += 1;
    this.after("again", delay(this.failures, this.world.Math.random()), work);
  }

  reset() {
    this.finish("stuck");
    this.options.onReset();
  }

  /** @param {State["name"]} name @returns {"over"} */
  finish(name) {
    this.close();
    this.say(name);
    this.world.clearInterval(this.timers.watch);
    return "over";
  }

  close() {
    this.source?.close();
    this.source = null;
    this.polling?.abort();
    this.polling = null;
    for (const name of ["word", "again", "calm"]) this.forget(name);
  }

  /** @param {State["name"]} name */
  say(name, detail = "") {
    if (name === this.state.name && detail === this.state.detail) return;
    this.state = { name, detail };
    this.options.onState(this.state);
  }

  /** @param {string} url @param {number} [wait] */
  address(url, wait) {
    const query = `after=${this.sequence.cursor}&world=${encodeURIComponent(this.options.world)}`;
    return `${url}?${query}${wait === undefined ? "" : `&wait=${wait}`}`;
  }

  /** @param {string} name @param {number} milliseconds @param {() => void} work */
  after(name, milliseconds, work) {
    this.forget(name);
    this.timers[name] = this.world.setTimeout(work, milliseconds);
  }

  /** @param {string} name */
  forget(name) {
    this.world.clearTimeout(this.timers[name]);
    delete this.timers[name];
  }
}

/** @param {string} text */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}

// @ts-check
// The live connection: an EventSource with a watch of its own, long polling where a proxy holds the stream back, glances
// while the tab is hidden, and one cursor for all. It says what it is doing, and never shows an event twice or past a hole.

import { FIRST_WORD, HEARTBEAT, Heartbeat } from "./heartbeat.js";
import { Lateness } from "./lateness.js";
import { HELD_BACK, Polling } from "./polling.js";
import { Question } from "./question.js";
import { GRACE, Rest } from "./rest.js";
import { delay, Sequence } from "./sequence.js";
import { Timers } from "./timers.js";
import { Wire } from "./wire.js";

const SILENCE = 2.5 * HEARTBEAT;
const OLD = 3_000;
const LATE = 1_000;
const BREAKS = 3;
const GLANCED = "build,step";
const OVER = new Set(["ended", "gone", "denied", "stuck"]);

/**
 * @typedef {{name: "connecting"|"live"|"silent"|"catching"|"away"|"reconnecting"|"polling"|"offline"|"resting"|"ended"
 *   |"gone"|"denied"|"stuck", detail: string}} State  away: the board is there, and its database is not. resting: hidden
 * @typedef {import("./question.js").Happening} Happening
 * @typedef {{
 *   events: string, poll: string, world: string, cursor: number, dense: boolean,
 *   onEvent: (event: Happening) => void, onState: (state: State) => void, onReset: () => void,
 *   clock?: () => number, onClock?: (served: string, within: number) => void,
 * }} Options  dense: ids have no gaps but at a `cut`. clock: the server's time in milliseconds. onClock: the server told
 *   it, at most so many milliseconds ago
 */

export class Connection {
  /** @param {Options} options @param {any} [world] what it touches: EventSource, fetch, timers, chance */
  constructor(options, world = globalThis) {
    this.options = options;
    this.world = world;
    this.sequence = new Sequence(options.cursor, options.dense);
    this.pulse = new Heartbeat(() => world.Date.now());
    this.timers = new Timers(world);
    this.polling = new Polling(this);
    this.rest = new Rest(this);
    this.lateness = new Lateness();
    /** @type {State} */
    this.state = { name: "connecting", detail: "" };
    /** @type {Wire|null} */
    this.wire = null;
    /** @type {Question|null} */
    this.asking = null;
    this.hidden = false;
    this.failures = 0;
    /** How often in a row the stream broke before it had more than a first word. */
    this.breaks = 0;
    /** How far the glances have come. */
    this.glanced = options.cursor;
  }

  /**
   * `settled`: the build was over when the page was rendered; one question tells whether anything is missing.
   * `hidden`: the tab was opened behind another one.
   */
  start(settled = false, hidden = false) {
    this.ticks = this.world.setInterval(() => this.watch(), 1000);
    this.hidden = hidden;
    if (settled) this.polling.ask();
    else if (hidden) this.rest.begin();
    else this.open();
  }

  /** Seconds since anything was heard; null: nothing yet. */
  silence() {
    return this.pulse.silence();
  }

  get over() {
    return OVER.has(this.state.name);
  }

  // --- What happens to the page ---

  /** It is looked at (again). */
  show() {
    this.hidden = false;
    this.timers.forget("rest");
    // A hidden tab's timers are slow, which is no sleep: the next look is not to open a second stream for it.
    if (this.pulse.tick() && !this.over) this.resume();
    else this.wake();
  }

  /** Its tab is behind another one. */
  hide() {
    if (this.over || this.hidden) return;
    this.hidden = true;
    this.timers.after("rest", GRACE, () => this.over || this.rest.begin());
  }

  /** It is looked at, or the network is back: make sure that this is live. */
  wake() {
    if (this.over) return;
    if (this.hidden) {
      if (this.rest.on) this.rest.soon(0);
      return;
    }
    if (this.rest.on || (this.polling.why && !this.wire)) this.resume();
    else {
      const heard = ["live", "silent", "away"].includes(this.state.name);
      const silent = this.pulse.silent();
      if (!heard ? !this.wire || silent > FIRST_WORD : silent > HEARTBEAT + FIRST_WORD) this.resume();
    }
  }

  /** Begin anew, by the way that was good last. */
  resume() {
    if (this.rest.on) this.say("connecting");
    this.rest.end();
    this.failures = 0;
    if (!this.polling.why) this.open();
    else {
      this.close();
      this.polling.poll(this.polling.why);
    }
  }

  /** The page is left. */
  sleep() {
    if (this.over) return;
    this.rest.end();
    this.close();
    this.say("offline");
  }

  /** The browser says that the network is gone, which is not true of a board on the same machine: ask. */
  doubt() {
    if (this.over || this.rest.on) return;
    this.close();
    this.failures = Math.max(this.failures, 1);
    this.say("offline", "no network");
    this.polling.ask();
  }

  watch() {
    if (this.over) return;
    const slept = this.pulse.tick();
    if (this.hidden) return;
    if (slept) this.resume();
    else if (this.wire && this.pulse.silent() > SILENCE) {
      this.close();
      this.say("reconnecting");
      this.polling.ask();
    } else if (this.state.name === "live" && this.pulse.silent() > HEARTBEAT + FIRST_WORD) {
      this.say("silent");
      this.polling.suspect();
    }
    this.options.onState(this.state);
  }

  // --- The stream ---

  open() {
    this.close();
    if (this.state.name !== "connecting") this.say("reconnecting");
    this.wire = this.newWire();
    this.expectWord();
  }

  newWire() {
    this.pulse.opened();
    this.lateness = new Lateness();
    return new Wire(this.world, this.address(this.options.events), {
      stored: (wire, event) => {
        if (!this.adopts(wire, "")) return;
        this.heard(true);
        this.weigh(event.data?.at);
        if (this.take(event) === "gap") this.open();
      },
      said: (wire, kind, data) => {
        if (!this.adopts(wire, kind)) return;
        this.weigh(data.now);
        if (wire.words === 1 && data.now) this.options.onClock?.(data.now, this.pulse.sinceOpened());
        this.heard(kind === "ping" && wire.words > 1); // whoever breaks after a first word has not come back yet
        this.told(kind, data);
      },
      opened: (wire) => {
        this.lateness = new Lateness();
        if (wire === this.wire) this.expectWord();
      },
      broke: (wire, forGood) => this.broke(wire, forGood),
    });
  }

  /** A word has come; is it late? @param {string|undefined} said when it was said */
  weigh(said) {
    if (said && this.lateness.hear(Date.parse(said), this.world.Date.now()) > LATE) this.polling.suspect();
  }

  /** @param {string} kind @param {any} data */
  told(kind, { head, stale, cause }) {
    if (kind === "ping") {
      const behind = this.options.dense && head > this.sequence.cursor;
      this.say(stale !== undefined ? "away" : behind ? "catching" : "live");
    } else if (kind === "reset") this.reset();
    else if (kind === "restart") this.say("reconnecting");
    else if (kind === "problem") {
      this.breaks = 0; // the server says itself when to come back
      if (cause === "database") this.say("away");
      else this.say("reconnecting", "something failed at the server");
    } else if (kind === "denied") {
      this.close();
      this.say("reconnecting");
      this.polling.ask(); // signed out, or no longer allowed, or signed in anew meanwhile
    } else if (kind === "end") this.finish("ended");
  }

  /** Whether to listen to it. @param {Wire} wire @param {string} kind of a control event */
  adopts(wire, kind) {
    if (wire === this.polling.trial && this.polling.passes(kind)) {
      this.polling.trial = null;
      this.close();
      this.wire = wire;
    }
    return wire === this.wire;
  }

  /** @param {boolean} sure that it works, and does not only begin */
  heard(sure) {
    this.pulse.heard();
    this.polling.refusals = 0;
    if (sure) this.failures = this.breaks = 0;
    this.timers.forget("word");
  }

  /** A stream that was opened and says nothing is held back on its way: poll with the same cursor. */
  expectWord() {
    this.timers.after("word", FIRST_WORD, () => {
      if (!this.wire) return;
      this.close();
      this.polling.poll(HELD_BACK);
    });
  }

  /** @param {Wire} wire @param {boolean} forGood */
  broke(wire, forGood) {
    if (wire === this.polling.trial) this.polling.endTrial();
    if (wire !== this.wire) return;
    this.timers.forget("word");
    if (wire.lasted) this.failures = this.breaks = 0;
    if (forGood || ++this.breaks >= BREAKS) {
      this.close();
      this.polling.ask(); // the browser gave up, or would ask on for ever at the same pace, and cannot say why
    } else if (this.state.name !== "away") {
      this.say("reconnecting"); // it comes back by itself, at the pace that the server has asked for
    }
  }

  // --- Events ---

  /** @param {Happening} event */
  take(event) {
    const verdict = this.sequence.take(event.id, event.kind);
    if (verdict === "new" || verdict === "seen") {
      const at = event.data?.at;
      const clock = this.options.clock;
      if (this.wire) this.say(at && clock && clock() - Date.parse(at) > OLD ? "catching" : "live");
      this.timers.after("calm", 400, () => this.state.name === "catching" && this.calm());
      if (verdict === "new") this.options.onEvent(event);
    }
    return verdict;
  }

  calm() {
    if (this.wire) this.say("live");
    else this.say("polling", this.polling.why);
  }

  // --- Questions ---

  /** How things stand, for a hidden tab: of a build all but its log, for which the cursor waits. */
  async glance() {
    const { dense } = this.options;
    this.glanced = Math.max(this.glanced, this.sequence.cursor);
    const answer = await this.question(dense ? `&wait=0&kinds=${GLANCED}` : "&wait=0", 0, this.glanced);
    if (!answer || "failed" in answer) return answer;
    for (const event of answer.page.events) {
      if (!dense) this.take(event);
      else if (this.sequence.glimpse(event.id, event.kind)) this.options.onEvent(event);
    }
    this.glanced = Math.max(this.sequence.cursor, answer.page.upto ?? 0);
    return answer;
  }

  /**
   * Null: it is over, or another question was asked meanwhile.
   * @param {string} more of the address @param {number} wait seconds
   */
  async question(more, wait, cursor = this.sequence.cursor) {
    this.asking?.abort();
    const mine = new Question(this.world, this.address(this.options.poll, more, cursor), wait);
    this.asking = mine;
    const answer = await mine.answer();
    if (this.asking !== mine) return null;
    this.asking = null;
    if ("over" in answer) {
      if (answer.over === "reset") this.reset();
      else this.finish(answer.over);
      return null;
    }
    return answer;
  }

  /** @param {() => void} work */
  later(work) {
    this.failures += 1;
    this.timers.after("again", delay(this.failures, this.world.Math.random()), work);
  }

  // --- The end ---

  reset() {
    this.finish("stuck");
    this.options.onReset();
  }

  /** @param {State["name"]} name */
  finish(name) {
    this.close();
    this.rest.end();
    this.timers.forget("rest");
    this.say(name);
    this.world.clearInterval(this.ticks);
  }

  close() {
    this.wire?.close();
    this.polling.close();
    this.asking?.abort();
    this.wire = this.asking = null;
    this.timers.forget("word", "again", "calm", "glance", "compare");
  }

  /** @param {State["name"]} name */
  say(name, detail = "") {
    if (name === this.state.name && detail === this.state.detail) return;
    this.state = { name, detail };
    this.options.onState(this.state);
  }

  /** @param {string} url @param {string} [more] */
  address(url, more = "", cursor = this.sequence.cursor) {
    return `${url}?after=${cursor}&world=${encodeURIComponent(this.options.world)}${more}`;
  }
}

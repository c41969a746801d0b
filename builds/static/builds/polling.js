// @ts-check
// Questions in place of a stream: what keeps it away, and, where a proxy holds it back, long polls from the same cursor.

import { FIRST_WORD } from "./heartbeat.js";
import { delay } from "./sequence.js";

/** When a stream is tried again: soon, since a server that was slow for once is no proxy; then now and then. */
const STREAM_SOON = 20_000;
const STREAM_AGAIN = 120_000;
const REFUSALS = 3;
const WAIT = 25;
/** After an answer with news, so that a build that prints ten times a second is not asked about ten times a second. */
const PACE = 250;
const SUSPICION = 300;
export const HELD_BACK = "a proxy holds back the stream";

export class Polling {
  /** @param {import("./stream.js").Connection} connection */
  constructor(connection) {
    this.connection = connection;
    /** Why streams do not arrive here; empty: they do. */
    this.why = "";
    /** @type {import("./wire.js").Wire|null} a stream that is tried beside the polls */
    this.trial = null;
    /** How often that was. */
    this.trials = 0;
    /** How often a stream under suspicion was found to be good. */
    this.fruitless = 0;
    /** How often in a row a question was answered and the stream was not. */
    this.refusals = 0;
    /** The last answer was that the database is away. */
    this.away = false;
  }

  /** One question without waiting: what is it that keeps the stream away? */
  async ask() {
    const { connection } = this;
    const answer = await this.fetch(0);
    if (answer === "over") return;
    if (answer === "failed") connection.later(() => this.ask());
    else if (++this.refusals > REFUSALS) this.poll("the stream cannot be opened", true);
    else {
      const rest = connection.failures++ ? delay(connection.failures, connection.world.Math.random()) : 50;
      connection.timers.after("again", rest, () => connection.open());
    }
  }

  /**
   * A word was late, or is overdue: does a question bring what the stream does not? A proxy may pass on what fills its
   * buffer, and so let through the first words, or a gulp now and then.
   */
  suspect() {
    const { timers } = this.connection;
    if (!timers.has("compare")) timers.after("compare", SUSPICION * 2 ** Math.min(this.fruitless, 8), () => this.compare());
  }

  async compare() {
    const { connection } = this;
    const { wire } = connection;
    const answer = wire && (await connection.question("&wait=0", 0));
    const held = answer && "page" in answer && answer.page.events.find((event) => event.id > connection.sequence.cursor);
    this.fruitless += 1;
    if (!held || wire !== connection.wire) return;
    connection.timers.after("compare", 1_000, () => {
      if (connection.sequence.cursor >= held.id) return; // it was only on its way
      this.fruitless = 0;
      connection.close();
      this.poll(HELD_BACK);
    });
  }

  /**
   * @param {string} why said once a poll was answered: what does not answer at all is no proxy that holds a stream back
   * @param {boolean} [answered] one was
   */
  async poll(why, answered = false) {
    const { connection } = this;
    this.why = why;
    if (!this.trial && !connection.timers.has("trial")) this.endTrial();
    if (answered && !this.away) connection.say("polling", why);
    for (let wait = answered ? WAIT : 0; ; wait = WAIT) {
      const asked = connection.world.Date.now();
      const before = connection.sequence.cursor;
      const answer = await this.fetch(wait);
      if (answer === "over") return;
      if (answer === "failed") return connection.later(() => this.poll(why));
      connection.heard(true);
      if (!this.away) connection.say("polling", why);
      if (wait && connection.sequence.cursor > before) {
        return connection.timers.after("again", PACE, () => this.poll(why, true));
      }
      if (wait && connection.world.Date.now() - asked < 1_000) {
        return connection.later(() => this.poll(why, true)); // it did not wait: whoever answered is about to go
      }
    }
  }

  /**
   * A page of events from the cursor, taken. `over`: nothing more comes, or another way was begun meanwhile.
   * @param {number} wait seconds @returns {Promise<"more"|"failed"|"over">}
   */
  async fetch(wait) {
    const { connection } = this;
    const { sequence } = connection;
    const answer = await connection.question(`&wait=${wait}`, wait);
    if (!answer) return "over";
    if ("failed" in answer) {
      this.away = answer.away;
      if (this.away) connection.pulse.heard();
      if (this.away) connection.say("away");
      else connection.say(connection.failures > 0 ? "offline" : "reconnecting", answer.failed);
      return "failed";
    }
    connection.pulse.heard();
    const { page } = answer;
    this.away = page.stale !== undefined;
    for (const event of page.events) {
      if (connection.take(event) !== "gap") continue;
      sequence.forgive(event.id); // there is no more of it to be had
      connection.take(event);
    }
    if (page.final && sequence.cursor >= page.head) {
      connection.finish("ended");
      return "over";
    }
    if (this.away) connection.say("away");
    else if (sequence.cursor < page.head) connection.say("catching", `${page.head - sequence.cursor} to go`);
    return "more";
  }

  /** Whether streams arrive meanwhile, beside the polls: no line waits for the answer. */
  tryStream() {
    this.trials += 1;
    this.trial = this.connection.newWire();
    this.connection.timers.after("trial", FIRST_WORD, () => this.endTrial());
  }

  /** The stream on trial has said something. True: it was a word of a good one, which takes the place of the polls. @param {string} kind */
  passes(kind) {
    const good = kind === "" || kind === "ping";
    if (good) {
      this.why = "";
      this.trials = 0;
    }
    if (!good) this.endTrial();
    return good;
  }

  endTrial() {
    const { timers, world } = this.connection;
    this.trial?.close();
    this.trial = null;
    const rest = this.trials ? STREAM_AGAIN : STREAM_SOON;
    timers.after("trial", rest * (0.75 + world.Math.random() / 2), () => this.tryStream());
  }

  close() {
    this.trial?.close();
    this.trial = null;
    this.connection.timers.forget("trial");
  }
}

// @ts-check
// A hidden tab: its stream is closed, since a browser has six connections for all tabs over HTTP/1.1. Now and then it
// glances at how the build stands, without its log, so that title and icon are right; the log waits for the stream.

import { delay } from "./sequence.js";

/** A tab that is hidden for less keeps its stream: looking at another one and back costs nothing. */
export const GRACE = 5_000;
/** Milliseconds between two glances: anything from the first to the second. */
const GLANCE = [15_000, 30_000];
/** Of a tab that is to tell when the build ends. */
const CLOSE_GLANCE = [4_000, 6_000];

export class Rest {
  /** @param {import("./stream.js").Connection} connection */
  constructor(connection) {
    this.connection = connection;
    this.on = false;
    this.closely = false;
    this.failures = 0;
  }

  begin() {
    this.on = true;
    this.failures = 0;
    this.connection.close();
    this.connection.say("resting");
    this.soon();
  }

  end() {
    this.on = false;
    this.connection.timers.forget("glance");
  }

  /** Whether the end of the build is to be noticed soon. @param {boolean} closely */
  watch(closely) {
    this.closely = closely;
    if (this.on) this.soon();
  }

  /** @param {number} [milliseconds] */
  soon(milliseconds) {
    const [least, most] = this.closely ? CLOSE_GLANCE : GLANCE;
    const { timers, world } = this.connection;
    timers.after("glance", milliseconds ?? least + world.Math.random() * (most - least), () => this.glance());
  }

  async glance() {
    const { connection } = this;
    const answer = await connection.glance();
    if (!this.on || !answer) return; // it is over, or it is looked at again
    if ("failed" in answer) {
      this.failures += 1;
      this.soon(Math.max(GLANCE[0], delay(this.failures, connection.world.Math.random())));
      return;
    }
    this.failures = 0;
    if (answer.page.final) return; // the rest of the log is for whoever looks
    if (connection.glanced < answer.page.head) this.soon(1_000);
    else this.soon();
  }
}

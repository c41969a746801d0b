// @ts-check
// When the server was last heard, by a clock that may be set and a machine that may sleep. Pure, but for that clock.

/** The server says something at least so often. */
export const HEARTBEAT = 15_000;
/** A stream that was opened has its first word by then. */
export const FIRST_WORD = 5_000;
const SLEPT = 10_000;

export class Heartbeat {
  /** @param {() => number} clock milliseconds */
  constructor(clock) {
    this.clock = clock;
    this.heardAt = 0;
    this.openedAt = 0;
    this.tickedAt = clock();
  }

  heard() {
    this.heardAt = this.clock();
  }

  opened() {
    this.openedAt = this.clock();
  }

  sinceOpened() {
    return this.clock() - this.openedAt;
  }

  /** Milliseconds since a word, or since the stream was opened, if that was later. */
  silent() {
    return this.clock() - Math.max(this.heardAt, this.openedAt);
  }

  /** Seconds since a word; null: there was none. */
  silence() {
    return this.heardAt ? Math.max(this.clock() - this.heardAt, 0) / 1000 : null;
  }

  /**
   * Called each second. True: it was not, for long; the machine slept, the page was frozen, or the clock was set ahead.
   * Whatever was open before may be dead without having said so.
   */
  tick() {
    const now = this.clock();
    const gap = now - this.tickedAt;
    this.tickedAt = now;
    if (gap < 0) {
      // The clock was set back: what was heard a moment ago is not to be in the future, where silence is not noticed.
      if (this.heardAt) this.heardAt += gap;
      if (this.openedAt) this.openedAt += gap;
    }
    return gap > SLEPT;
  }
}

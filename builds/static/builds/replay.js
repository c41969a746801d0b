// @ts-check
// A finished build, played again from the times at which its lines were stored. Pure: the caller says how much time has
// passed, and hands over lines' times as far as they are here.

/**
 * @typedef {{started: number|null, finished: number|null, total: number}} StepSpan  milliseconds since 1970; total: lines
 * @typedef {(step: number, line: number) => number|null|undefined} TimeOf  null: not stored any more; undefined: not here yet
 */

/** Lines that are looked at in one go: a flood must not hold the page. */
const MOST = 20_000;

export class Replay {
  /** @param {StepSpan[]} steps @param {TimeOf} timeOf */
  constructor(steps, timeOf) {
    this.steps = steps;
    this.timeOf = timeOf;
    const begins = steps.flatMap(({ started }) => (started === null ? [] : [started]));
    const ends = steps.flatMap(({ finished }) => (finished === null ? [] : [finished]));
    this.began = Math.min(...begins);
    this.ends = Math.max(...ends, this.began);
    /** Where it is. */
    this.moment = this.began;
    /** By step: how many lines have been printed by then. */
    this.counts = steps.map(() => 0);
    /** The line whose time is waited for. @type {{step: number, line: number}|null} */
    this.awaits = null;
    /** How many moments were asked for. */
    this.sought = 0;
  }

  get isOver() {
    return this.moment >= this.ends && this.counts.every((count, step) => count >= this.steps[step].total);
  }

  /** So much of its own time passes; less, where the next line is not here yet. @param {number} milliseconds */
  advance(milliseconds) {
    const goal = Math.min(this.moment + Math.max(milliseconds, 0), this.ends);
    this.awaits = null;
    this.moment = this.counts.reduce((moment, _, step) => Math.min(moment, this.print(step, goal)), goal);
  }

  /** @param {number} step @param {number} goal @returns {number} how far it came */
  print(step, goal) {
    const { started, finished, total } = this.steps[step];
    if (started === null || started > goal) return goal;
    let last = Math.max(this.moment, started);
    for (let room = MOST; this.counts[step] < total; room -= 1) {
      const line = this.counts[step] + 1;
      const at = this.timeOf(step, line);
      if (at === undefined) {
        this.awaits ??= { step, line };
        return Math.min(last, goal);
      }
      if (at !== null && at > goal && !(finished !== null && goal >= this.ends)) break;
      if (!room) return Math.min(last, goal);
      if (at !== null) last = Math.max(last, at);
      this.counts[step] = line;
    }
    return goal;
  }

  /** To any moment: lines are found by halving. False: another one was asked for meanwhile. Where `find` fails it stays.
   * @param {number} moment @param {(step: number, line: number) => Promise<number|null>} find a line's time, wherever it is */
  async seek(moment, find) {
    const mine = ++this.sought;
    const goal = Math.min(Math.max(moment, this.began), this.ends);
    const counts = [];
    for (const { started, total } of this.steps) {
      let low = 0;
      let high = started === null || started > goal ? 0 : goal >= this.ends ? total : -1;
      if (high < 0) {
        high = total;
        while (low < high) {
          const middle = (low + high + 1) >> 1;
          const at = await find(counts.length, middle);
          if (mine !== this.sought) return false;
          if (at === null || at <= goal) low = middle;
          else high = middle - 1;
        }
      } else low = high;
      counts.push(low);
    }
    this.moment = goal;
    this.counts = counts;
    this.awaits = null;
    return true;
  }

  /** How the step stood then. @param {number} step @param {string} status in the end */
  statusOf(step, status) {
    const { started, finished } = this.steps[step];
    if (started === null) return status === "skipped" && this.moment < this.ends ? "pending" : status;
    if (this.moment < started) return "pending";
    return finished !== null && this.moment < finished ? "running" : status;
  }
}

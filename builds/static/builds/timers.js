// @ts-check
// Timers by name: setting one again moves it.

/** Milliseconds: an answer that takes longer will not come. */
export const PATIENCE = 30_000;

export class Timers {
  /** @param {{setTimeout: Function, clearTimeout: Function}} world */
  constructor(world) {
    this.world = world;
    /** @type {Map<string, any>} */
    this.set = new Map();
  }

  /** @param {string} name @param {number} milliseconds @param {() => void} work */
  after(name, milliseconds, work) {
    this.forget(name);
    const run = () => {
      this.set.delete(name);
      work();
    };
    this.set.set(name, this.world.setTimeout(run, milliseconds));
  }

  /** @param {string} name */
  has(name) {
    return this.set.has(name);
  }

  /** @param {string[]} names */
  forget(...names) {
    for (const name of names) {
      this.world.clearTimeout(this.set.get(name));
      this.set.delete(name);
    }
  }
}

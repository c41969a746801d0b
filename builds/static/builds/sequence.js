// @ts-check
// Which event is new, which is known, and where one is missing. Pure.

export class Sequence {
  /** @param {number} cursor the last id that the page has @param {boolean} dense ids have no gaps but at a `cut` */
  constructor(cursor, dense) {
    this.cursor = cursor;
    this.dense = dense;
    /** An id that came behind the same gap twice: what is missing there is of a kind this page does not know. */
    this.gapAt = 0;
  }

  /** @param {number} id @param {string} kind @returns {"new"|"known"|"gap"} */
  take(id, kind) {
    if (!Number.isSafeInteger(id) || id <= this.cursor) return "known";
    if (this.dense && id !== this.cursor + 1 && kind !== "cut" && id !== this.gapAt) {
      this.gapAt = id;
      return "gap";
    }
    this.cursor = id;
    return "new";
  }

  /** Take `id` when it comes next, whatever is missing before it. @param {number} id */
  forgive(id) {
    this.gapAt = id;
  }
}

/**
 * Milliseconds to wait before try number `failures`: doubling from half a second to thirty seconds, with jitter.
 * @param {number} failures @param {number} chance 0–1
 */
export function delay(failures, chance) {
  return Math.min(30_000, 500 * 2 ** Math.min(failures, 10)) * (0.5 + chance / 2);
}

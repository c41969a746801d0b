// @ts-check
// Which event is new, which is known, and where one is missing. Pure.

export class Sequence {
  /** @param {number} cursor the last id that the page has @param {boolean} dense ids have no gaps but at a `cut` */
  constructor(cursor, dense) {
    this.cursor = cursor;
    this.dense = dense;
    /** Of the kinds in `glimpsed`, all up to this id are known. */
    this.ahead = cursor;
    /** @type {Set<string>} */
    this.glimpsed = new Set();
    /** An id that came behind the same gap twice: what is missing there is of a kind this page does not know. */
    this.gapAt = 0;
  }

  /**
   * `seen`: the cursor moves on, and the event itself was known from a glance.
   * @param {number} id @param {string} kind @returns {"new"|"known"|"gap"|"seen"}
   */
  take(id, kind) {
    if (!Number.isSafeInteger(id) || id <= this.cursor) return "known";
    if (this.dense && id !== this.cursor + 1 && kind !== "cut" && id !== this.gapAt) {
      this.gapAt = id;
      return "gap";
    }
    this.cursor = id;
    return id <= this.ahead && this.glimpsed.has(kind) ? "seen" : "new";
  }

  /** An event ahead of the cursor, of a kind that is asked for alone. Whether it is new. @param {number} id @param {string} kind */
  glimpse(id, kind) {
    if (!Number.isSafeInteger(id) || id <= Math.max(this.cursor, this.ahead)) return false;
    this.glimpsed.add(kind);
    this.ahead = id;
    return true;
  }

  /** Take `id` when it comes next, whatever is missing before it. @param {number} id */
  forgive(id) {
    this.gapAt = id;
  }
}

/**
 * Milliseconds to wait before try number `failures`: anything from half a second to a bound, which doubles up to thirty
 * seconds. All of it is chance, so that those who were cut off together do not come back together.
 * @param {number} failures @param {number} chance 0–1
 */
export function delay(failures, chance) {
  const bound = Math.min(30_000, 500 * 2 ** Math.min(failures, 10));
  return 500 + chance * (bound - 500);
}

// @ts-check
// One question to the address of the long poll, and which of a few things the answer is. It also tells what keeps a
// stream away, since an EventSource cannot.

/**
 * @typedef {{id: number, kind: string, data: any}} Happening
 * @typedef {{events: Happening[], head: number, final: boolean, stale?: number, upto?: number}} Page
 * @typedef {{page: Page} | {over: "denied"|"gone"|"reset"} | {failed: string, away: boolean}} Answer
 *   failed: why, in words, where that is known. away: the board is there, and its database is not
 */

/** An answer that takes so much longer than it was asked to wait will not come. */
const PATIENCE = 10;

export class Question {
  /** @param {any} world what it touches: fetch, timers @param {string} url @param {number} wait seconds */
  constructor(world, url, wait) {
    this.world = world;
    this.url = url;
    this.wait = wait;
    /** @type {AbortController} */
    this.control = new world.AbortController();
  }

  abort() {
    this.control.abort();
  }

  /** @returns {Promise<Answer>} */
  async answer() {
    const limit = this.world.setTimeout(() => this.abort(), (this.wait + PATIENCE) * 1000);
    try {
      const answer = await this.world.fetch(this.url, {
        signal: this.control.signal,
        headers: { Accept: "application/json" },
        cache: "no-store",
      });
      return told(answer.status, await answer.json().catch(() => null));
    } catch {
      return { failed: "", away: false };
    } finally {
      this.world.clearTimeout(limit);
    }
  }
}

/** Pure. @param {number} status @param {any} body JSON; null: it was none @returns {Answer} */
export function told(status, body) {
  if (status === 401 || status === 403) return { over: "denied" };
  if (status === 404 || status === 410) return { over: "gone" };
  if (status === 429) return { failed: "too many streams are open", away: false };
  if (status >= 300) return { failed: `the server answers ${status}`, away: body?.cause === "database" };
  if (body?.reset) return { over: "reset" };
  if (body?.denied) return { failed: "", away: false }; // the next one is refused, and that tells how
  if (!Array.isArray(body?.events)) return { failed: "something else answers in the board's place", away: false };
  return { page: body };
}

// @ts-check
// The lines that this page has, by step and number: a bounded memory of blocks, filled by the stream and by number from
// the server. Of what was fetched or heard longest ago, the least recently shown goes.

import { PATIENCE } from "./timers.js";

const BLOCK = 500;
const MOST_BLOCKS = 120;
const MOST_CHARACTERS = 24_000_000;
const AT_ONCE = 2;
const REST = 1_000;
const REFUSALS = new Set([401, 403, 404, 410]);

/**
 * @typedef {import("./ansi.js").Run} Run
 * @typedef {{text: string, at: string, open: boolean, gone?: boolean, runs?: Run[]}} Line  gone: not stored any more;
 *   runs: the text's, once it was drawn
 * @typedef {{step: number, at: number, lines: Map<number, Line>, size: number, used: number}} Block
 * @typedef {{from: number, to: number, lines: (string|null)[], at: (string|null)[], total: number, open: boolean,
 *   cuts?: import("./outline.js").Cut[], pruned_at?: string}} Answer
 */

export class Pages {
  /**
   * @param {{url: string, names: string[], total: (step: number) => number, arrived: (step: number, answer: Answer) => void, failed: () => void}} options
   *   total: how many lines the step has, as far as is known here; arrived: lines came from the server, and are here; failed: they did not, and will be asked for again
   * @param {any} [world] what it touches: fetch, timers
   */
  constructor(options, world = globalThis) {
    this.options = options;
    this.world = world;
    /** @type {Map<string, Block>} */
    this.blocks = new Map();
    this.size = 0;
    this.clock = 0;
    /** @type {Map<string, AbortController>} */
    this.asking = new Map();
    /** By who waits for them. @type {Map<string, {step: number, first: number, last: number}[]>} */
    this.wishes = new Map();
    /** @type {{step: number, at: number}[]} blocks to be asked for, the most wanted first */
    this.wanted = [];
    this.failures = 0;
    /** The board will not answer this page any more: it is signed out, or the build is gone. */
    this.isRefused = false;
    this.restUntil = 0;
  }

  /** @param {number} step @param {number} line @returns {Line|undefined} */
  get(step, line) {
    const block = this.blocks.get(`${step}:${Math.floor((line - 1) / BLOCK)}`);
    if (!block) return undefined;
    block.used = ++this.clock;
    return block.lines.get(line);
  }

  /** @param {number} step @param {number} line @param {Line} next @param {boolean} [heard] by the stream: it is the newest */
  put(step, line, next, heard = false) {
    const at = Math.floor((line - 1) / BLOCK);
    const key = `${step}:${at}`;
    let block = this.blocks.get(key);
    if (!block) {
      block = { step, at, lines: new Map(), size: 0, used: 0 };
      this.blocks.set(key, block);
      block.used = ++this.clock;
      this.evict();
    }
    const known = block.lines.get(line);
    // What was fetched may be older than what the stream has brought meanwhile.
    if (known && !heard && !known.gone && (!known.open || (next.open && next.at <= known.at))) return;
    const change = next.text.length - (known?.text.length || 0);
    block.lines.set(line, next);
    block.size += change;
    this.size += change;
  }

  /** Of the lines `first` to `last`: the stretches that are not here, in order. @param {number} step @param {number} first
   * @param {number} last @returns {[number, number][]} */
  absent(step, first, last) {
    const held = [...this.blocks.values()]
      .filter((block) => block.step === step && block.at * BLOCK < last && (block.at + 1) * BLOCK >= first)
      .flatMap((block) => [...block.lines].filter(([number, line]) => number >= first && number <= last && !line.gone))
      .map(([number]) => number)
      .sort((a, b) => a - b);
    /** @type {[number, number][]} */
    const found = [];
    let next = first;
    for (const number of held) {
      if (number > next) found.push([next, number - 1]);
      next = number + 1;
    }
    if (next <= last) found.push([next, last]);
    return found;
  }

  /** An open line that ended unheard is not open any more. @param {number} step @param {number} upto */
  close(step, upto) {
    for (const block of this.blocks.values()) {
      if (block.step !== step) continue;
      for (const [number, line] of block.lines) if (line.open && number <= upto) block.lines.set(number, { ...line, open: false });
    }
  }

  evict() {
    while (this.blocks.size > MOST_BLOCKS || (this.size > MOST_CHARACTERS && this.blocks.size > 4)) {
      const [key, oldest] = [...this.blocks].reduce((one, other) => (other[1].used < one[1].used ? other : one));
      this.blocks.delete(key);
      this.size -= oldest.size;
    }
  }

  /** These lines are to be here soon, and no others: what nobody waits for any more is not fetched to its end.
   * @param {{step: number, first: number, last: number}[]} stretches the most wanted first
   * @param {"view"|"replay"} [who] waits for them: each has its own */
  want(stretches, who = "view") {
    this.wishes.set(who, stretches);
    this.wanted = [];
    const keys = new Set();
    for (const { step, first, last } of [...this.wishes.values()].flat()) {
      for (let at = Math.floor((first - 1) / BLOCK); at <= Math.floor((last - 1) / BLOCK); at += 1) {
        const key = `${step}:${at}`;
        if (keys.has(key)) continue;
        keys.add(key);
        this.wanted.push({ step, at });
      }
    }
    for (const [key, asked] of this.asking) {
      if (keys.has(key)) continue;
      this.asking.delete(key);
      asked.abort();
    }
    this.askNext();
  }

  askNext() {
    if (this.isRefused) return;
    const rest = this.restUntil - this.world.Date.now();
    if (rest > 0) {
      this.timer ??= this.world.setTimeout(() => {
        this.timer = undefined;
        this.askNext();
      }, rest);
      return;
    }
    for (const { step, at } of this.wanted) {
      if (this.asking.size >= AT_ONCE) return;
      if (!this.asking.has(`${step}:${at}`)) this.ask(step, at);
    }
  }

  /** @param {number} step @param {number} at */
  async ask(step, at) {
    const key = `${step}:${at}`;
    const mine = new this.world.AbortController();
    this.asking.set(key, mine);
    const first = at * BLOCK + 1;
    const limit = this.world.setTimeout(() => mine.abort(), PATIENCE);
    try {
      const query = new URLSearchParams({ step: this.options.names[step], from: String(first), to: String(first + BLOCK - 1) });
      const answer = await this.world.fetch(`${this.options.url}?${query}`, {
        headers: { Accept: "application/json" },
        signal: mine.signal,
      });
      this.isRefused = REFUSALS.has(answer.status);
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      const page = await answer.json();
      if (this.asking.get(key) !== mine) return;
      this.failures = 0;
      this.take(step, page);
      this.giveUp(step, first);
    } catch {
      if (this.asking.get(key) !== mine) return; // nobody waits for it
      this.failures += 1;
      this.restUntil = this.world.Date.now() + Math.min(REST * 2 ** (this.failures - 1), 30_000);
      this.asking.delete(key);
      this.options.failed();
      this.askNext();
      return;
    } finally {
      this.world.clearTimeout(limit);
    }
    this.asking.delete(key);
    this.wanted = this.wanted.filter((one) => one.step !== step || one.at !== at);
    this.askNext();
  }

  /** Of a block that was answered: what is not here now will not come. Its log was pruned, or the board was restored.
   * @param {number} step @param {number} first */
  giveUp(step, first) {
    const last = Math.min(first + BLOCK - 1, this.options.total(step));
    for (let line = first; line <= last; line += 1) {
      if (!this.get(step, line)) this.put(step, line, { text: "", at: "", open: false, gone: true });
    }
  }

  /** @param {number} step @param {Answer} answer */
  take(step, answer) {
    answer.lines.forEach((text, index) => {
      const open = answer.open && index === answer.lines.length - 1;
      this.put(step, answer.from + index, { text: text ?? "", at: answer.at[index] || "", open, gone: text === null });
    });
    this.options.arrived(step, answer);
  }
}

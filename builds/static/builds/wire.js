// @ts-check
// One EventSource: what it brings, as kind, data and number.

const STORED = ["build", "step", "log", "progress", "cut", "group", "annotation", "artifact", "tests"];
const CONTROL = ["ping", "reset", "restart", "problem", "denied", "end"];
const LASTS = 2_000;

/**
 * @typedef {{
 *   stored: (wire: Wire, event: import("./question.js").Happening) => void,
 *   said: (wire: Wire, kind: string, data: any) => void,
 *   opened: (wire: Wire) => void,
 *   broke: (wire: Wire, forGood: boolean) => void,
 * }} Listener  forGood: the browser has given up, and cannot say why; otherwise it comes back by itself
 */

export class Wire {
  /** @param {any} world what it touches: EventSource, the clock @param {string} url @param {Listener} listener */
  constructor(world, url, listener) {
    /** How many events it has brought. */
    this.words = 0;
    this.world = world;
    this.openedAt = world.Date.now();
    const source = new world.EventSource(url);
    /** @type {EventSource} */
    this.source = source;
    const on = (/** @type {string} */ kind, /** @type {(message: any) => void} */ work) => source.addEventListener(kind, work);
    for (const kind of STORED) {
      on(kind, (message) => {
        this.words += 1;
        listener.stored(this, { id: Number(message.lastEventId), kind, data: parsed(message.data) });
      });
    }
    for (const kind of CONTROL) {
      on(kind, (message) => {
        this.words += 1;
        listener.said(this, kind, parsed(message.data));
      });
    }
    on("open", () => {
      this.words = 0; // it may have come back by itself
      this.openedAt = world.Date.now();
      listener.opened(this);
    });
    on("error", () => listener.broke(this, source.readyState === 2));
  }

  /** Whether it was good for a while: a proxy that cuts each silence is no server that cannot keep a stream. */
  get lasted() {
    return this.words > 0 && this.world.Date.now() - this.openedAt > LASTS;
  }

  close() {
    this.source.close();
  }
}

/** @param {string} text */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}

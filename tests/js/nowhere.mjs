// A world that the test turns: a server that is not there, an EventSource, a fetch, timers, a clock.

import { Connection } from "../../builds/static/builds/stream.js";

class FakeSource {
  constructor(url) {
    this.url = url;
    this.readyState = 0;
    this.listeners = {};
    this.closed = false;
  }
  addEventListener(kind, work) {
    (this.listeners[kind] ||= []).push(work);
  }
  close() {
    this.readyState = 2;
    this.closed = true;
  }
  send(kind, data = {}, lastEventId = "") {
    for (const work of this.listeners[kind] || []) work({ data: JSON.stringify(data), lastEventId: String(lastEventId) });
  }
}

/**
 * A connection, and the world around it. `pass`: time goes by. `jump`: the
 * clock is set, or the machine slept, which looks the same.
 */
export function setUp({ cursor = 0, dense = true, answers = [] } = {}) {
  let time = 1_000_000;
  let next = 1;
  const timers = new Map();
  const sources = [];
  const asked = [];
  const world = {
    EventSource: class extends FakeSource {
      constructor(url) {
        super(url);
        sources.push(this);
      }
    },
    AbortController,
    Date: { now: () => time },
    Math: { random: () => 0.5 },
    setTimeout: (work, wait) => (timers.set(next, { work, at: time + wait }), next++),
    clearTimeout: (id) => timers.delete(id),
    setInterval: (work, every) => (timers.set(next, { work, at: time + every, every }), next++),
    clearInterval: (id) => timers.delete(id),
    fetch: async (url, { signal }) => {
      asked.push(url);
      const answer = answers.length ? answers.shift() : "never";
      if (answer === "never") return new Promise(() => {});
      if (answer === "silence") return new Promise((_, reject) => signal.addEventListener("abort", reject));
      if (answer === "down") throw new TypeError("refused");
      return { status: answer.status || 200, ok: !answer.status || answer.status < 300, json: async () => answer };
    },
  };
  const events = [];
  const kinds = [];
  const states = [];
  let resets = 0;
  const connection = new Connection(
    {
      events: "/e/",
      poll: "/e.json",
      world: "w 1",
      cursor,
      dense,
      onEvent: (event) => (events.push(event.id), kinds.push(event.kind)),
      onState: (state) => states.at(-1) !== state.name && states.push(state.name),
      onReset: () => (resets += 1),
    },
    world,
  );
  const pass = async (seconds) => {
    const end = time + seconds * 1000;
    for (;;) {
      const due = [...timers].filter(([, timer]) => timer.at <= end).sort((a, b) => a[1].at - b[1].at)[0];
      if (!due) break;
      const [id, timer] = due;
      time = Math.max(time, timer.at);
      if (timer.every) timer.at = time + timer.every;
      else timers.delete(id);
      timer.work();
      for (let turn = 0; turn < 24; turn++) await null;
    }
    time = end;
    for (let turn = 0; turn < 24; turn++) await null;
  };
  const jump = (seconds) => {
    for (const timer of timers.values()) timer.at += seconds * 1000; // what is left of each stays
    time += seconds * 1000;
  };
  return { connection, sources, asked, events, kinds, states, pass, jump, timers, resets: () => resets };
}

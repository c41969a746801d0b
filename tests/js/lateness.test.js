// @ts-check
// Words that come in gulps, told from words that come as they are said, whatever the clocks say.
import assert from "node:assert/strict";
import { test } from "node:test";

import { Lateness } from "../../builds/static/builds/lateness.js";
import { setUp } from "./nowhere.mjs";

test("words that come as they are said are not late, however wrong the clock is", () => {
  for (const wrong of [0, 3_600_000, -3_600_000]) {
    const lateness = new Lateness();
    for (let at = 0; at < 60_000; at += 500) assert.ok(lateness.hear(at, at + wrong + (at % 300)) <= 300);
  }
});

test("a gulp is seen at its first arrival, and at each later one", () => {
  const lateness = new Lateness();
  assert.equal(lateness.hear(1_000, 3_000), 0); // the first word, held back for two seconds
  for (let at = 1_000; at <= 2_900; at += 100) assert.equal(lateness.hear(at, 3_000), at - 1_000);
  assert.equal(lateness.hear(3_000, 5_000), 1_900);
});

test("what was stored before the stream began is not late, nor is what has no time", () => {
  const lateness = new Lateness();
  lateness.hear(100_000, 100_000);
  assert.equal(lateness.hear(5_000, 100_000), 0);
  assert.equal(lateness.hear(NaN, 100_000), 0);
});

const stamp = (/** @type {number} */ ms) => new Date(ms).toISOString();

test("a proxy that passes on gulps is found out within some seconds", async () => {
  const news = { events: [{ id: 4, kind: "log", data: {} }], head: 4, final: false };
  const { connection, sources, events, pass } = setUp({ answers: [news, news] });
  connection.start();
  sources[0].send("open");
  await pass(2);
  sources[0].send("ping", { head: 0, now: stamp(1_000_000) });
  for (const id of [1, 2, 3]) sources[0].send("log", { at: stamp(1_000_000 + id * 600) }, id);
  await pass(1.5);
  assert.ok(sources[0].closed);
  assert.deepEqual([connection.state.name, events], ["polling", [1, 2, 3, 4]]);
});

test("a server that is slow for a moment is asked seldom, and keeps its stream", async () => {
  const { connection, sources, asked, pass } = setUp({ answers: Array(200).fill({ events: [], head: 0, final: false }) });
  connection.start();
  sources[0].send("ping", { head: 0, now: stamp(1_000_000) });
  for (let id = 1; id <= 120; id++) {
    await pass(1);
    sources[0].send("log", { at: stamp(1_000_000 + id * 1_000 - 2_000) }, id);
  }
  assert.equal(sources[0].closed, false);
  assert.ok(asked.length <= 9, `${asked.length} questions in two minutes`);
});

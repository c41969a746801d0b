// A build played again: every line in its time, none before, none lost, also where lines come late.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Replay } from "../../builds/static/builds/replay.js";

/** Two steps: 10 lines a second apart from 1000 ms on, then 5 at once at 20,000 ms. */
const STEPS = [
  { started: 0, finished: 12_000, total: 10 },
  { started: 12_000, finished: 21_000, total: 5 },
  { started: null, finished: null, total: 0 },
];
const time = (step, line) => (step === 0 ? line * 1_000 : 20_000);

test("lines come in their time", () => {
  const replay = new Replay(STEPS, time);
  assert.deepEqual(replay.counts, [0, 0, 0]);
  replay.advance(999);
  assert.deepEqual(replay.counts, [0, 0, 0]);
  replay.advance(1);
  assert.deepEqual(replay.counts, [1, 0, 0]);
  replay.advance(60 * 100);
  assert.deepEqual(replay.counts, [7, 0, 0]);
  assert.deepEqual([0, 1, 2].map((step) => replay.statusOf(step, ["passed", "failed", "skipped"][step])), ["running", "pending", "pending"]);
  replay.advance(13_000);
  assert.deepEqual(replay.counts, [10, 5, 0]);
  assert.equal(replay.statusOf(1, "failed"), "running");
  replay.advance(1e9);
  assert.ok(replay.isOver);
  assert.equal(replay.moment, 21_000);
  assert.equal(replay.statusOf(1, "failed"), "failed");
  assert.equal(replay.statusOf(2, "skipped"), "skipped");
});

test("it waits for a line that is not here", () => {
  let here = 3;
  const replay = new Replay(STEPS, (step, line) => (step === 0 && line > here ? undefined : time(step, line)));
  replay.advance(8_000);
  assert.deepEqual(replay.counts, [3, 0, 0]);
  assert.equal(replay.moment, 3_000);
  assert.deepEqual(replay.awaits, { step: 0, line: 4 });
  here = 10;
  replay.advance(0);
  replay.advance(1_000);
  assert.deepEqual(replay.counts, [4, 0, 0]);
  assert.equal(replay.awaits, null);
});

test("lines that are not stored any more take no time, and late ones are there in the end", () => {
  const late = [{ started: 0, finished: 5_000, total: 3 }];
  const replay = new Replay(late, (_, line) => (line === 2 ? null : line === 3 ? 9_000 : 1_000));
  replay.advance(2_000);
  assert.deepEqual(replay.counts, [2]);
  replay.advance(9_000);
  assert.ok(replay.isOver);
  assert.deepEqual(replay.counts, [3]);
});

test("any moment is found by halving", async () => {
  const many = [{ started: 0, finished: 1_000_000, total: 1_000_000 }];
  const replay = new Replay(many, (_, line) => line);
  let asked = 0;
  await replay.seek(734_512.5, async (_, line) => ((asked += 1), line));
  assert.deepEqual(replay.counts, [734_512]);
  assert.ok(asked <= 21);
  await replay.seek(2e9, async () => assert.fail("the end needs no question"));
  assert.deepEqual(replay.counts, [1_000_000]);
  await replay.seek(-5, async (_, line) => line);
  assert.deepEqual(replay.counts, [0]);
});

test("of two seeks the newer one counts, also where the older one is answered last", async () => {
  const replay = new Replay([{ started: 0, finished: 1_000, total: 100 }], (_, line) => line * 10);
  let answer = (/** @type {number} */ _at) => {};
  const older = replay.seek(100, () => new Promise((resolve) => (answer = resolve)));
  assert.equal(await replay.seek(700, async (_, line) => line * 10), true);
  answer(500);
  assert.equal(await older, false);
  assert.deepEqual([replay.moment, replay.counts], [700, [70]]);
});

test("where a line's time cannot be had it stays where it was", async () => {
  const replay = new Replay([{ started: 0, finished: 1_000, total: 100 }], (_, line) => line * 10);
  replay.advance(200);
  await assert.rejects(replay.seek(700, () => Promise.reject(new Error("status 503"))), /503/);
  assert.deepEqual([replay.moment, replay.counts], [200, [20]]);
});

// Lines in memory: what is newest wins, what is not wanted is not fetched, what fails is asked for again.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Pages } from "../../builds/static/builds/pages.js";

function line(text, at = "2026-01-01T00:00:00Z", open = false) {
  return { text, at, open };
}

/** A server that answers when it is told to. */
function bench() {
  const asked = [];
  const timers = [];
  let moment = 0;
  const world = {
    Date: { now: () => moment },
    AbortController,
    setTimeout: (work, wait) => timers.push({ work, at: moment + wait }),
    fetch: (url, { signal }) =>
      new Promise((resolve, reject) => {
        const from = Number(new URL(url, "http://x").searchParams.get("from"));
        const lines = Array.from({ length: 500 }, (_, index) => `line ${from + index}`);
        const answer = { from, to: from + 499, lines, at: lines.map(() => "2026-01-01T00:00:00Z"), total: 9_000, open: false };
        signal.addEventListener("abort", () => reject(new Error("aborted")));
        asked.push({
          from,
          signal,
          answer: (more = {}) => resolve({ ok: true, json: async () => ({ ...answer, ...more }) }),
          fail: () => reject(new Error("away")),
        });
      }),
  };
  const arrived = [];
  const failed = [];
  const pages = new Pages(
    { url: "/log/", names: ["a", "b"], arrived: (step, answer) => arrived.push([step, answer.from]), failed: () => failed.push(1) },
    world,
  );
  const pass = async (milliseconds = 0) => {
    moment += milliseconds;
    for (const timer of timers.splice(0)) (timer.at <= moment ? timer.work() : timers.push(timer));
    for (let turn = 0; turn < 10; turn += 1) await null;
  };
  return { pages, asked, arrived, failed, pass };
}

test("what was put is there", () => {
  const { pages } = bench();
  pages.put(0, 501, line("x"));
  assert.equal(pages.get(0, 501)?.text, "x");
  assert.equal(pages.get(1, 501), undefined);
});

test("the stream's word is newer than what was fetched", () => {
  const { pages } = bench();
  pages.put(0, 1, line("whole"), true);
  pages.put(0, 1, line("wh", undefined, true));
  assert.equal(pages.get(0, 1)?.text, "whole");
  pages.put(0, 2, line("wh", undefined, true), true);
  pages.put(0, 2, line("whole"));
  assert.equal(pages.get(0, 2)?.text, "whole");
});

test("blocks are asked for once, two at a time, and those that nobody wants any more are given up", async () => {
  const { pages, asked, arrived, pass } = bench();
  pages.want([{ step: 0, first: 1, last: 1_600 }]);
  pages.want([{ step: 0, first: 1, last: 1_600 }]);
  assert.deepEqual(asked.map(({ from }) => from), [1, 501]);
  asked[0].answer();
  await pass();
  assert.deepEqual(asked.map(({ from }) => from), [1, 501, 1001]);
  pages.want([{ step: 0, first: 8_001, last: 8_010 }]);
  await pass();
  assert.ok(asked[1].signal.aborted && asked[2].signal.aborted);
  assert.equal(asked[3].from, 8_001);
  asked[3].answer();
  await pass();
  assert.deepEqual(arrived, [[0, 1], [0, 8_001]]);
  assert.equal(pages.get(0, 8_003)?.text, "line 8003");
  assert.equal(pages.get(0, 600), undefined);
});

test("what fails is asked for again, ever more slowly", async () => {
  const { pages, asked, failed, pass } = bench();
  pages.want([{ step: 0, first: 1, last: 10 }]);
  for (const wait of [1_000, 2_000, 4_000]) {
    asked.at(-1)?.fail();
    const before = asked.length;
    await pass();
    await pass(wait - 1);
    assert.equal(asked.length, before);
    await pass(1);
    assert.equal(asked.length, before + 1);
  }
  assert.equal(failed.length, 3);
  asked.at(-1)?.answer();
  await pass();
  assert.equal(pages.get(0, 10)?.text, "line 10");
  assert.equal(pages.failures, 0);
});

test("memory is bounded: what was shown longest ago goes", () => {
  const { pages } = bench();
  for (let number = 1; number <= 200_000; number += 500) {
    pages.put(0, number, line("y".repeat(100)), true);
    pages.get(0, 1);
  }
  assert.ok(pages.blocks.size <= 120);
  assert.ok(pages.get(0, 1), "looked at all the time");
  assert.ok(pages.get(0, 199_501), "the newest");
  assert.equal(pages.get(0, 1_001), undefined);
  let sum = 0;
  for (const block of pages.blocks.values()) for (const one of block.lines.values()) sum += one.text.length;
  assert.equal(pages.size, sum);
});

test("what is not here, in stretches", () => {
  const { pages } = bench();
  for (const number of [3, 4, 700]) pages.put(0, number, line("z"));
  pages.put(0, 5, { text: "", at: "", open: false, gone: true });
  assert.deepEqual(pages.absent(0, 1, 800), [[1, 2], [5, 699], [701, 800]]);
  assert.deepEqual(pages.absent(0, 3, 4), []);
});

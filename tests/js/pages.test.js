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
    setTimeout: (work, wait) => {
      const timer = { work, at: moment + wait };
      timers.push(timer);
      return timer;
    },
    clearTimeout: (timer) => timers.includes(timer) && timers.splice(timers.indexOf(timer), 1),
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
          refuse: (status) => resolve({ ok: false, status }),
          fail: () => reject(new Error("away")),
        });
      }),
  };
  const arrived = [];
  const failed = [];
  const pages = new Pages(
    { url: "/log/", names: ["a", "b"], total: () => 9_000, arrived: (step, answer) => arrived.push([step, answer.from]), failed: () => failed.push(1) },
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

test("what an answer leaves out is gone, and not asked for again", async () => {
  const { pages, asked, pass } = bench();
  const stretch = [{ step: 0, first: 8_990, last: 9_000 }];
  pages.put(0, 8_995, line("heard"), true);
  pages.want(stretch);
  asked[0].answer({ lines: [], at: [], to: 8_500, total: 0, pruned_at: "2026-01-02T00:00:00Z" });
  await pass();
  assert.deepEqual([8_995, 8_996, 9_000, 9_001].map((number) => pages.get(0, number)?.gone), [undefined, true, true, undefined]);
  assert.equal(pages.get(0, 8_995)?.text, "heard");
  pages.put(0, 9_000, line("come after all"), true);
  assert.equal(pages.get(0, 9_000)?.text, "come after all");
  assert.equal(asked.length, 1);
});

test("who is refused asks no more", async () => {
  const { pages, asked, failed, pass } = bench();
  pages.want([{ step: 0, first: 1, last: 10 }]);
  asked[0].refuse(401);
  await pass();
  await pass(60_000);
  pages.want([{ step: 0, first: 4_000, last: 4_010 }]);
  assert.deepEqual([asked.length, failed.length, pages.isRefused], [1, 1, true]);
});

test("an answer that never comes is given up, and asked for again", async () => {
  const { pages, asked, pass } = bench();
  pages.want([{ step: 0, first: 1, last: 10 }]);
  await pass(30_000);
  assert.ok(asked[0].signal.aborted);
  await pass(1_000);
  asked[1].answer();
  await pass();
  assert.equal(pages.get(0, 10)?.text, "line 10");
  assert.ok(!asked[1].signal.aborted);
});

test("a replay waits for lines of its own", async () => {
  const { pages, asked, pass } = bench();
  pages.want([{ step: 0, first: 1, last: 10 }]);
  pages.want([{ step: 1, first: 4_000, last: 4_010 }], "replay");
  pages.want([{ step: 0, first: 1, last: 10 }]);
  await pass();
  assert.deepEqual(asked.map(({ signal }) => signal.aborted), [false, false]);
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

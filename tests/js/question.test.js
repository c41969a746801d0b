// @ts-check
// What an answer to the long poll's address tells.
import assert from "node:assert/strict";
import { test } from "node:test";

import { Question, told } from "../../builds/static/builds/question.js";

test("what keeps a stream away is told apart", () => {
  const page = { events: [], head: 0, final: false };
  for (const [status, body, expected] of /** @type {[number, any, any][]} */ ([
    [200, page, { page }],
    [200, { ...page, reset: true }, { over: "reset" }],
    [200, { ...page, denied: true }, { failed: "", away: false }],
    [200, null, { failed: "something else answers in the board's place", away: false }],
    [200, { hello: 1 }, { failed: "something else answers in the board's place", away: false }],
    [401, {}, { over: "denied" }],
    [403, null, { over: "denied" }],
    [404, {}, { over: "gone" }],
    [429, {}, { failed: "too many streams are open", away: false }],
    [502, null, { failed: "the server answers 502", away: false }],
    [503, { cause: "database" }, { failed: "the server answers 503", away: true }],
  ])) {
    assert.deepEqual(told(status, body), expected, `${status} ${JSON.stringify(body)}`);
  }
});

test("whoever does not answer in time, or cannot be reached, has failed", async () => {
  /** @type {(() => void)[]} */
  const timers = [];
  const world = {
    AbortController,
    setTimeout: (/** @type {() => void} */ work) => timers.push(work),
    clearTimeout: () => {},
    fetch: (/** @type {string} */ _, /** @type {{signal: AbortSignal}} */ { signal }) =>
      new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(new Error("aborted")))),
  };
  const answer = new Question(world, "/e.json", 0).answer();
  timers[0]();
  assert.deepEqual(await answer, { failed: "", away: false });
});

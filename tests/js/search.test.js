// @ts-check
// The search's core against a server that is not there: a fetch and a clock that the test turns.
import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

import { HELD, Search } from "../../builds/static/builds/search.js";

/** @type {{url: URL, signal: AbortSignal, answer: (body: any, status?: number) => Promise<void>, fail: () => Promise<void>}[]} */
let asked = [];
let changes = 0;
/** @type {Search} */
let search;
const settle = () => new Promise((resolve) => setImmediate(resolve));

beforeEach(() => {
  asked = [];
  changes = 0;
  mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_000_000 });
  mock.method(globalThis, "fetch", (/** @type {string} */ path, /** @type {{signal: AbortSignal}} */ { signal }) => {
    return new Promise((resolve, reject) => {
      signal.addEventListener("abort", () => reject(new Error("aborted")));
      asked.push({
        url: new URL(path, "http://board"),
        signal,
        answer: (body, status = 200) => (resolve({ ok: status < 300, status, json: async () => body }), settle()),
        fail: () => (reject(new TypeError("refused")), settle()),
      });
    });
  });
  search = new Search({ url: "/builds/1/search/", names: ["one", "two"], changed: () => (changes += 1) });
});
afterEach(() => {
  search.stop();
  mock.timers.reset();
  mock.restoreAll();
});

const error = { q: "error", regex: false, case: true };
const hit = (/** @type {string} */ step, /** @type {number} */ line) => ({ step, line, spans: [[0, line]] });
const slice = (/** @type {any[]} */ matches, more = {}) => ({
  matches,
  lines: matches.length,
  unfinished: [],
  next: "e9.0",
  more: false,
  final: false,
  head: 9,
  ...more,
});

test("slices are asked for one behind the other, and what they find stands in the order of the log", async () => {
  search.ask(error);
  assert.equal(search.words(null), "…");
  assert.deepEqual(Object.fromEntries(asked[0].url.searchParams), { q: "error", regex: "0", case: "1" });
  await asked[0].answer(slice([hit("two", 1), hit("one", 7)], { more: true, next: "e5.2" }));
  assert.equal(search.words(null), "2+ …");
  assert.equal(asked[1].url.searchParams.get("from"), "e5.2");
  await asked[1].answer(slice([hit("one", 3)], { next: null, final: true }));
  assert.equal(search.words(null), "3 lines");
  assert.deepEqual(search.places(), [{ step: "one", line: 3 }, { step: "one", line: 7 }, { step: "two", line: 1 }]);
  assert.deepEqual(search.spans("one", 7), [[0, 7]]);
  assert.equal(search.spans("two", 7), undefined);
  assert.equal(search.words({ step: "one", line: 7 }), "2 of 3");
  assert.equal(search.words({ step: "one", line: 8 }), "3 lines");
  assert.ok(changes >= 3);
  search.grown();
  mock.timers.tick(5_000);
  assert.equal(asked.length, 2, "the build is over: nothing comes any more");
});

test("on and back, from the line in view, and round the end only where the end is known", async () => {
  search.ask(error);
  await asked[0].answer(slice([hit("one", 3), hit("one", 7)], { more: true }));
  const at = (/** @type {any} */ place) => place && `${place.step}:${place.line}`;
  const from = (/** @type {number} */ line) => ({ step: "one", line });
  assert.equal(at(search.beside(from(3), false)), "one:7");
  assert.equal(at(search.beside(from(3), false, true)), "one:3", "the line in view itself");
  assert.equal(at(search.beside(from(4), false, true)), "one:7");
  assert.equal(at(search.beside(from(7), true)), "one:3");
  assert.equal(at(search.beside(from(5), true, true)), "one:3");
  assert.equal(search.beside(from(7), false), null, "there may be more");
  assert.equal(search.beside(from(3), true), null);
  await asked[1].answer(slice([]));
  assert.equal(at(search.beside(from(7), false)), "one:3");
  assert.equal(at(search.beside(from(3), true)), "one:7");
  assert.equal(at(search.beside({ step: "two", line: 1 }, false, true)), "one:3");
});

test("another query ends the request in flight, and its answer is nobody's", async () => {
  search.ask(error);
  search.ask({ ...error });
  assert.equal(asked.length, 1, "the same query is asked once");
  search.ask({ q: "other", regex: true, case: false });
  assert.equal(asked[0].signal.aborted, true);
  await settle();
  assert.equal(search.words(null), "…");
  await asked[1].answer(slice([hit("one", 1)]));
  assert.equal(search.total, 1);
  search.ask(null);
  assert.deepEqual([search.words(null), search.total, search.spans("one", 1)], ["", 0, undefined]);
  assert.equal(asked.length, 2);
});

test("new lines are searched once a second at most, from where it was", async () => {
  search.ask(error);
  search.grown(); // while it is asked
  await asked[0].answer(slice([], { next: "e4.0" }));
  for (let n = 0; n < 50; n += 1) search.grown();
  assert.equal(asked.length, 1);
  mock.timers.tick(999);
  assert.equal(asked.length, 1);
  mock.timers.tick(1);
  assert.equal(asked.length, 2);
  assert.equal(asked[1].url.searchParams.get("from"), "e4.0");
  await asked[1].answer(slice([hit("one", 4)], { next: "e6.0" }));
  mock.timers.tick(60_000);
  assert.equal(asked.length, 2, "where nothing grows, nothing is asked");
  search.grown();
  mock.timers.tick(0);
  assert.equal(asked.length, 3, "after a rest at once");
});

test("a line that stands unfinished counts as it is, and once it is whole no second time", async () => {
  search.ask(error);
  await asked[0].answer(slice([hit("one", 1)], { unfinished: [hit("one", 2)] }));
  assert.deepEqual([search.total, search.places().length, search.spans("one", 2)], [2, 2, [[0, 2]]]);
  search.grown();
  mock.timers.tick(1_000);
  await asked[1].answer(slice([{ step: "one", line: 2, spans: [[4, 9]] }]));
  assert.deepEqual([search.total, search.places().length, search.spans("one", 2)], [2, 2, [[4, 9]]]);
  search.grown();
  mock.timers.tick(1_000);
  await asked[2].answer(slice([], { unfinished: [hit("two", 1)] }));
  search.grown();
  mock.timers.tick(1_000);
  await asked[3].answer(slice([]));
  assert.deepEqual([search.total, search.spans("two", 1)], [2, undefined], "it went on, and matches no more");
});

test("so many places are held, and the count goes on", async () => {
  search.ask(error);
  for (let n = 0; n < HELD / 1000 + 1; n += 1) {
    const matches = Array.from({ length: 1000 }, (_, at) => hit("one", n * 1000 + at + 1));
    await asked[n].answer(slice(matches, { more: true }));
  }
  const last = asked.at(-1);
  assert.equal(last?.url.searchParams.get("positions"), "0");
  assert.equal(asked[HELD / 1000 - 1].url.searchParams.get("positions"), null);
  await last?.answer(slice([], { lines: 123_456 }));
  assert.equal(search.places().length, HELD);
  assert.equal(search.words({ step: "one", line: 20 }), "20 of 144,456");
  assert.deepEqual(search.beside({ step: "one", line: HELD }, false), { step: "one", line: 1 });
});

test("what is wrong with the query is said, and asked no more", async () => {
  search.ask({ q: "(", regex: true, case: false });
  await asked[0].answer({ detail: "q: this parenthesis is not closed, at character 1: (." }, 400);
  assert.equal(search.words(null), "This parenthesis is not closed, at character 1: (.");
  search.grown();
  mock.timers.tick(60_000);
  assert.equal(asked.length, 1);
  search.ask(error);
  await asked[1].answer({ detail: "There is no build 1 that you may see." }, 404);
  assert.match(search.words(null), /that you may see/);
});

test("a database that is away, and a network that is not there, are asked again", async () => {
  search.ask(error);
  await asked[0].answer(slice([hit("one", 1)], { more: true, next: "e2.0" }));
  await asked[1].answer({ detail: "The database cannot be reached just now." }, 503);
  assert.equal(search.words(null), "The database cannot be reached just now.");
  mock.timers.tick(3_000);
  await asked[2].fail();
  assert.match(search.words(null), /No answer just now/);
  mock.timers.tick(3_000);
  assert.equal(asked[3].url.searchParams.get("from"), "e2.0", "from where it was");
  await asked[3].answer(slice([hit("one", 5)]));
  assert.equal(search.words(null), "2 lines");
});

test("a refusal is final, whatever its body", async () => {
  for (const status of [400, 401, 403, 404, 410]) {
    for (const body of [{ detail: "No." }, null, { detail: { of: "another kind" } }]) {
      search.ask({ ...error, q: `${status} ${JSON.stringify(body)}` });
      const count = asked.length;
      await asked[count - 1].answer(body, status);
      assert.equal(search.words(null), body?.detail === "No." ? "No." : `The search was refused (${status}).`);
      search.grown();
      mock.timers.tick(600_000);
      assert.equal(asked.length, count);
    }
  }
});

test("it is asked again ever less often while nothing answers, and at the usual pace when something did", async () => {
  mock.method(Math, "random", () => 1);
  search.ask(error);
  /** @type {number[]} */
  const waited = [];
  for (let n = 0; n < 8; n += 1) {
    await asked[n].answer({}, n % 2 ? 503 : 429);
    const from = Date.now();
    while (asked.length === n + 1) mock.timers.tick(100);
    waited.push(Date.now() - from);
  }
  assert.deepEqual(waited, [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
  await asked[8].answer(slice([hit("one", 1)], { more: true }));
  await asked[9].fail();
  mock.timers.tick(1_000);
  assert.equal(asked.length, 11);
});

test("while nobody looks nothing is asked, and it goes on when somebody does", async () => {
  let hidden = false;
  search = new Search({ url: "/builds/1/search/", names: ["one"], changed: () => {}, hidden: () => hidden });
  search.shown();
  search.ask(error);
  await asked[0].fail();
  hidden = true;
  mock.timers.tick(3_600_000);
  search.grown();
  mock.timers.tick(3_600_000);
  assert.equal(asked.length, 1);
  hidden = false;
  search.shown();
  search.shown();
  assert.equal(asked.length, 2);
  await asked[1].answer(slice([hit("one", 1)], { next: null }));
  assert.equal(search.words(null), "1 line");
  hidden = true;
  search.ask({ ...error, q: "x" });
  assert.deepEqual([asked.length, search.words(null)], [2, "…"]);
  search.ask(null);
  hidden = false;
  search.shown();
  assert.equal(asked.length, 2);
});

test("an answer that does not come is given up, and asked for again", async () => {
  const limit = new AbortController();
  mock.method(AbortSignal, "timeout", (/** @type {number} */ milliseconds) => {
    assert.equal(milliseconds, 30_000);
    return limit.signal;
  });
  search.ask(error);
  limit.abort();
  await settle();
  assert.match(search.words(null), /No answer just now/);
  mock.timers.tick(3_000);
  assert.equal(asked.length, 2);
});

test("a log that was compacted meanwhile is searched again, and one that was pruned says so", async () => {
  search.ask(error);
  await asked[0].answer(slice([hit("one", 1)], { more: true }));
  await asked[1].answer(slice([], { reset: true, next: null }));
  assert.equal(asked[2].url.searchParams.get("from"), null);
  assert.equal(search.words(null), "…");
  await asked[2].answer(slice([], { reset: true, next: null }));
  assert.equal(asked.length, 3, "and not in a circle");
  mock.timers.tick(3_000);
  await asked[3].answer(slice([hit("one", 1)], { next: null, final: true }));
  assert.equal(search.words(null), "1 line");
  search.ask({ ...error, q: "x" });
  await asked[4].answer(slice([], { pruned_at: "2026-01-01T00:00:00Z", next: null }));
  assert.equal(search.words(null), "The log was pruned.");
});

test("nothing found is no line", async () => {
  search.ask(error);
  await asked[0].answer(slice([]));
  assert.equal(search.words(null), "no line");
});

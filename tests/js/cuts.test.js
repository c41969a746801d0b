// What is cut of a step's lines, and what the page asks for and marks because of it.
import assert from "node:assert/strict";
import { test } from "node:test";

import { after, askAfter, askBefore, at, before, merge, missing, places, unexplained } from "../../builds/static/builds/cuts.js";

const cut = (line, lines, bytes = lines * 10, reason = "Full.") => ({ line, lines, bytes, reason });
const HOLE = [cut(2_001, 46_000)];

test("cuts that touch are one, those that do not are two, in order", () => {
  assert.deepEqual(merge([cut(11, 10)], [cut(21, 5)]), [cut(11, 15)]);
  assert.deepEqual(merge([cut(31, 5)], [cut(11, 10)]), [cut(11, 10), cut(31, 5)]);
  assert.deepEqual(merge([cut(11, 10), cut(31, 5)], [cut(21, 10)]), [cut(11, 25)]);
  assert.deepEqual(merge([cut(11, 10)], [cut(40, 0)]), [cut(11, 10)], "one that stands for no line is none");
});

test("a later cut takes an earlier one in, and told twice it is told once", () => {
  const known = merge([], [cut(11, 10)]);
  assert.deepEqual(merge(known, [cut(11, 45)]), [cut(11, 45)]);
  assert.deepEqual(merge(merge(known, [cut(11, 45)]), [cut(11, 10)]), [cut(11, 45)]);
  assert.deepEqual(merge(known, known), known);
  assert.deepEqual(known, [cut(11, 10)], "and what was known is not touched");
  assert.deepEqual(merge([cut(11, 5, 50, "")], [cut(16, 5, 50, "Full.")]), [cut(11, 10)]);
});

test("merged cuts have the lines of all, in whatever order they came", () => {
  let seed = 7;
  const dice = (most) => (seed = (seed * 48_271) % 2_147_483_647) % most;
  for (let round = 0; round < 300; round++) {
    const all = Array.from({ length: 1 + dice(6) }, () => cut(1 + dice(40), dice(12)));
    const lines = new Set(all.flatMap((one) => Array.from({ length: one.lines }, (_, index) => one.line + index)));
    const found = all.reduce((known, one) => merge(known, [one]), []);
    for (let number = 1; number < 60; number++) assert.equal(Boolean(at(found, number)), lines.has(number));
    found.forEach((one, index) => index && assert.ok(one.line > found[index - 1].line + found[index - 1].lines));
    assert.equal(missing(found, 1, 60), lines.size);
  }
});

test("the next line is behind a cut, and so is the one before", () => {
  assert.equal(at(HOLE, 2_000), undefined);
  assert.equal(at(HOLE, 48_000), HOLE[0]);
  assert.equal(at(HOLE, 48_001), undefined);
  assert.deepEqual([after(HOLE, 1_999), after(HOLE, 2_000), after(HOLE, 30_000)], [2_000, 48_001, 48_001]);
  assert.deepEqual([before(HOLE, 48_002), before(HOLE, 48_001), before([cut(1, 9)], 10)], [48_001, 2_000, 0]);
});

test("how many are missing of a stretch", () => {
  assert.equal(missing(HOLE, 1, 50_000), 46_000);
  assert.equal(missing(HOLE, 2_000, 2_003), 3);
  assert.equal(missing(HOLE, 48_001, 50_000), 0);
});

test("loading goes over a cut in one step, and never into one", () => {
  assert.deepEqual(askAfter(HOLE, 2_000, 500), [48_001, 48_500]);
  assert.deepEqual(askAfter(HOLE, 1_800, 500), [1_801, 2_000]);
  assert.deepEqual(askAfter([], 20, 500), [21, 520]);
  assert.deepEqual(askBefore(HOLE, 48_001, 500), [1_501, 2_000]);
  assert.deepEqual(askBefore(HOLE, 48_101, 500), [48_001, 48_100]);
  assert.deepEqual(askBefore(HOLE, 301, 500), [1, 300]);
  assert.deepEqual(askBefore(HOLE, 30_000, 250), [1_751, 2_000], "around an address inside of it");
  assert.deepEqual(askAfter(HOLE, 30_000, 250), [48_001, 48_250]);
  assert.deepEqual(askBefore([cut(1, 9)], 5, 250)[1], 0, "nothing is before it");
});

test("a mark stands between lines, at the edges of a window, and alone", () => {
  const [one] = HOLE;
  assert.deepEqual(places(HOLE, [1_999, 2_000, 48_001], 48_001), [[2_000, one]]);
  assert.deepEqual(places(HOLE, [1_999, 2_000], 50_000), [[2_000, one]]);
  assert.deepEqual(places(HOLE, [48_001, 48_002], 50_000), [[0, one]]);
  assert.deepEqual(places(HOLE, [100, 101], 50_000), [], "not in sight");
  assert.deepEqual(places(HOLE, [], 48_000), [[0, one]], "a step whose end was cut");
  assert.deepEqual(places(HOLE, [], 50_000), []);
});

test("lines of a cut that were on the screen stay there, and the mark comes after them", () => {
  assert.deepEqual(places([cut(11, 45)], [9, 10, 11, 12, 56], 56), [[12, cut(11, 45)]]);
  assert.deepEqual(places([cut(11, 45)], [10, 30, 31], 60), [[10, cut(11, 45)], [31, cut(11, 45)]]);
});

test("lines that are not stored and of which nothing is said are passed over, too", () => {
  const known = [cut(3, 2)];
  assert.deepEqual(unexplained(known, 1, ["a", null, null, null, null, "b"]), [cut(2, 1, 0, ""), cut(5, 1, 0, "")]);
  assert.deepEqual(unexplained(known, 1, ["a", "b", null, null]), []);
});

test("a hole that nothing explains is not hidden", () => {
  assert.deepEqual(places([], [1, 5], 5), [[1, { line: 2, lines: 3, bytes: 0, reason: "" }]]);
});

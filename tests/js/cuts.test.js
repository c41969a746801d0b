// What is cut of a step's lines.
import assert from "node:assert/strict";
import { test } from "node:test";

import { at, merge, missing, unexplained } from "../../builds/static/builds/cuts.js";

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

test("how many are missing of a stretch", () => {
  assert.equal(missing(HOLE, 1, 50_000), 46_000);
  assert.equal(missing(HOLE, 2_000, 2_003), 3);
  assert.equal(missing(HOLE, 48_001, 50_000), 0);
});

test("lines that are not stored and of which nothing is said are passed over, too", () => {
  const known = [cut(3, 2)];
  assert.deepEqual(unexplained(known, 1, ["a", null, null, null, null, "b"]), [cut(2, 1, 0, ""), cut(5, 1, 0, "")]);
  assert.deepEqual(unexplained(known, 1, ["a", "b", null, null]), []);
});

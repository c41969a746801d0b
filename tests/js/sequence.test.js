// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";

import { delay, Sequence } from "../../builds/static/builds/sequence.js";

test("each event is new once", () => {
  const sequence = new Sequence(41, true);
  assert.equal(sequence.take(42, "log"), "new");
  assert.equal(sequence.take(42, "log"), "known");
  assert.equal(sequence.take(41, "log"), "known");
  assert.equal(sequence.cursor, 42);
});

test("a missing id is a gap, and moves no cursor", () => {
  const sequence = new Sequence(0, true);
  assert.equal(sequence.take(1, "build"), "new");
  assert.equal(sequence.take(3, "log"), "gap");
  assert.equal(sequence.cursor, 1);
  assert.equal(sequence.take(2, "log"), "new");
  assert.equal(sequence.take(3, "log"), "new");
});

test("the same gap twice is a kind that this page does not know", () => {
  const sequence = new Sequence(0, true);
  assert.equal(sequence.take(2, "log"), "gap");
  assert.equal(sequence.take(2, "log"), "new");
});

test("only a cut may jump, and the board always may", () => {
  const build = new Sequence(5, true);
  assert.equal(build.take(90, "cut"), "new");
  assert.equal(build.take(91, "log"), "new");
  const board = new Sequence(5, false);
  assert.equal(board.take(90, "build"), "new");
  assert.equal(board.take(80, "build"), "known");
});

test("an id that is no number is never taken", () => {
  const sequence = new Sequence(0, true);
  for (const id of [NaN, -1, 0, 1.5, Infinity]) assert.equal(sequence.take(id, "log"), "known");
});

test("tries come ever slower, never at once, never beyond thirty seconds", () => {
  for (let failures = 1; failures < 60; failures++) {
    assert.ok(delay(failures, 0) >= 500);
    assert.ok(delay(failures, 1) <= 30_000);
    assert.ok(delay(failures, 0) < delay(failures, 1));
  }
  assert.equal(delay(60, 1), 30_000);
});

// A scroller that is shorter than its log: both ways agree, the ends are the ends, and it never goes backwards.

import assert from "node:assert/strict";
import { test } from "node:test";
import { LIMIT, scrollerHeight, scrollOf, topOf } from "../../builds/static/builds/scale.js";

test("a log that fits is as high as it is", () => {
  assert.equal(scrollerHeight(1234), 1234);
  assert.equal(scrollOf(777, 1234, 1234), 777);
  assert.equal(topOf(777, 1234, 1234), 777);
});

test("of one that does not, every place has a place on the bar, in order, and back", () => {
  const total = 20_000_000;
  assert.equal(scrollerHeight(total), LIMIT);
  let before = -1;
  for (let top = 0; top <= total; top += 9_973) {
    const scroll = scrollOf(top, total);
    assert.ok(scroll > before && scroll <= LIMIT);
    assert.ok(Math.abs(topOf(scroll, total) - top) < 0.01);
    before = scroll;
  }
  assert.equal(scrollOf(0, total), 0);
  assert.equal(scrollOf(total, total), LIMIT);
});

test("near the ends a pixel is a pixel", () => {
  const total = 50_000_000;
  assert.equal(scrollOf(100_000, total), 100_000);
  assert.equal(scrollOf(total - 100_000, total), LIMIT - 100_000);
});

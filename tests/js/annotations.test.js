// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";

import { heading, indexFor, LEVELS, more, MOST, place } from "../../builds/static/builds/annotations.js";

/** @param {string} level @param {number} number @returns {any} */
const one = (level, number) => ({ level, number });

test("errors come first, and then what was printed first", () => {
  const shown = [one("error", 2), one("error", 5), one("warning", 1), one("notice", 3)];
  assert.equal(indexFor(shown, one("error", 6)), 2);
  assert.equal(indexFor(shown, one("error", 4)), 1);
  assert.equal(indexFor(shown, one("warning", 7)), 3);
  assert.equal(indexFor(shown, one("notice", 8)), 4);
  assert.equal(indexFor([], one("notice", 1)), 0);
});

test("what is there is not added again", () => {
  assert.equal(indexFor([one("error", 2), one("warning", 1)], one("warning", 1)), -1);
  assert.equal(indexFor([one("error", 2)], one("error", 2)), -1);
});

test("in whatever order they come, the list is the same", () => {
  const all = LEVELS.flatMap((level, rank) => [1, 2, 3].map((number) => one(level, number * 3 - rank)));
  for (let shift = 0; shift < all.length; shift++) {
    /** @type {any[]} */
    const list = [];
    for (const next of [...all.slice(shift), ...all.slice(0, shift), ...all]) {
      const at = indexFor(list, next);
      if (at >= 0) list.splice(at, 0, next);
    }
    const sorted = [...all].sort((a, b) => LEVELS.indexOf(a.level) - LEVELS.indexOf(b.level) || a.number - b.number);
    assert.deepEqual(list, sorted);
  }
});

test("the heading counts by level, and says where it cannot know all", () => {
  assert.equal(heading({ error: 2, warning: 1, notice: 0 }, false), "2 errors, 1 warning");
  assert.equal(heading({ error: MOST, warning: 0, notice: 3 }, false), "100 or more errors, 3 notices");
  assert.equal(heading({ error: MOST, warning: 0, notice: 0 }, true), "100 errors");
  assert.equal(heading({ error: 0, warning: 0, notice: 0 }, true), "");
});

test("what is not kept is told", () => {
  assert.equal(more({ error: MOST, warning: 3, notice: 0 }), "");
  assert.equal(more({ error: 2531, warning: MOST + 1, notice: 0 }), "and 2,431 more errors, 1 more warning");
});

test("a place is as much as is known of it", () => {
  assert.equal(place("a.c", 3, 5), "a.c:3:5");
  assert.equal(place("a.c", 3, null), "a.c:3");
  assert.equal(place("a.c", null, 5), "a.c");
  assert.equal(place("", 3, 5), "");
});

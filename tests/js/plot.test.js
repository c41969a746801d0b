// @ts-check
// Which build a place in a plot belongs to, and where keys lead.
import assert from "node:assert/strict";
import { test } from "node:test";

import { moved, nearest } from "../../builds/static/builds/plot.js";

const points = (/** @type {number[]} */ ...places) => places.map((x) => ({ x }));

test("the nearest of two neighbours, and of two as near the newer one", () => {
  const found = points(10, 20, 40);
  assert.deepEqual([0, 10, 14.9, 15, 15.1, 29.9, 30, 40, 100].map((x) => nearest(found, x)), [0, 0, 0, 1, 1, 1, 2, 2, 2]);
});

test("one point is always the nearest, and of none there is none", () => {
  assert.deepEqual([-5, 50, 105].map((x) => nearest(points(95.8), x)), [0, 0, 0]);
  assert.equal(nearest([], 50), -1);
});

test("it is the nearest whatever the places are", () => {
  let seed = 7;
  const random = () => (seed = (seed * 16807) % 2147483647) / 2147483647;
  for (let round = 0; round < 300; round++) {
    const found = points(...Array.from({ length: 1 + Math.floor(random() * 60) }, () => random() * 100).sort((a, b) => a - b));
    const x = random() * 120 - 10;
    const least = Math.min(...found.map((point) => Math.abs(point.x - x)));
    assert.equal(Math.abs(found[nearest(found, x)].x - x), least);
  }
});

test("arrows go from build to build and stop at the ends", () => {
  assert.equal(moved("ArrowLeft", 5, 50), 4);
  assert.equal(moved("ArrowRight", 5, 50), 6);
  assert.equal(moved("ArrowLeft", 0, 50), 0);
  assert.equal(moved("ArrowRight", 49, 50), 49);
  assert.deepEqual(["Home", "End", "PageUp", "PageDown"].map((key) => moved(key, 20, 50)), [0, 49, 30, 10]);
  assert.equal(moved("PageDown", 3, 50), 0);
});

test("from nowhere every way leads to the newest, and Escape back to nowhere", () => {
  assert.deepEqual(["ArrowLeft", "ArrowRight", "PageUp", "End"].map((key) => moved(key, -1, 50)), [49, 49, 49, 49]);
  assert.equal(moved("Home", -1, 50), 0);
  assert.equal(moved("Escape", 20, 50), -1);
  assert.equal(moved("ArrowLeft", -1, 0), -1);
});

test("other keys are not taken", () => {
  for (const key of ["Tab", "a", "Enter", " ", "F5", "constructor"]) assert.equal(moved(key, 3, 50), null);
});

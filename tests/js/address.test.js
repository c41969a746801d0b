import assert from "node:assert/strict";
import { test } from "node:test";
import { addressOf, placeOf } from "../../builds/static/builds/address.js";

const TOTALS = [10, 0, 500];

test("a line, a stretch, a step", () => {
  assert.deepEqual(placeOf("#3:118", TOTALS), { step: 2, first: 118, last: 118 });
  assert.deepEqual(placeOf("#3:118-140", TOTALS), { step: 2, first: 118, last: 140 });
  assert.deepEqual(placeOf("#3:L140-L118", TOTALS), { step: 2, first: 118, last: 140 });
  assert.deepEqual(placeOf("#step-2", TOTALS), { step: 1, first: 0, last: 0 });
});

test("L counts through the whole log", () => {
  assert.deepEqual(placeOf("#L10", TOTALS), { step: 0, first: 10, last: 10 });
  assert.deepEqual(placeOf("#L11", TOTALS), { step: 2, first: 1, last: 1 });
  assert.deepEqual(placeOf("#L20-L30", TOTALS), { step: 2, first: 10, last: 20 });
  assert.deepEqual(placeOf("#L9-L30", TOTALS), { step: 0, first: 9, last: 10 });
  assert.equal(placeOf("#L511", TOTALS), null);
});

test("what is no address is none", () => {
  for (const hash of ["", "#", "#12", "#0:1", "#4:1", "#1:0", "#1:x", "#step-9", "#step-0", "#main", "#1:2:3", "#L0"]) {
    assert.equal(placeOf(hash, TOTALS), null, hash);
  }
});

test("there and back", () => {
  for (const hash of ["#3:118", "#3:118-140", "#step-2"]) {
    assert.equal(addressOf(/** @type {any} */ (placeOf(hash, TOTALS))), hash);
  }
});

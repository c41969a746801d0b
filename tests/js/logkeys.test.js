// The keys of a build's page, as far as they are pure.

import assert from "node:assert/strict";
import test from "node:test";

import { stepBeside } from "../../builds/static/builds/logkeys.js";

test("forwards is the next step, backwards this one's beginning and then the one before", () => {
  assert.equal(stepBeside(0, 40, 3, 1), 1);
  assert.equal(stepBeside(2, 1, 3, 1), 2);
  assert.equal(stepBeside(1, 40, 3, -1), 1);
  assert.equal(stepBeside(1, 1, 3, -1), 0);
  assert.equal(stepBeside(1, 0, 3, -1), 0);
  assert.equal(stepBeside(0, 0, 3, -1), 0);
});

import assert from "node:assert/strict";
import { test } from "node:test";
import { divided, plainOf, runs } from "../../builds/static/builds/ansi.js";

test("hits divide runs, and nothing is lost or doubled", () => {
  const found = runs("ab\x1b[31mcdef\x1b[0mgh");
  const parts = divided(found, [[1, 4], [6, 8]]);
  assert.equal(plainOf(parts), "abcdefgh");
  assert.deepEqual(
    parts.map(({ text, classes, hit }) => [text, classes, Boolean(hit)]),
    [["a", "", false], ["b", "", true], ["cd", "c1", true], ["ef", "c1", false], ["gh", "", true]],
  );
  assert.deepEqual(divided(found, []), found);
  assert.equal(plainOf(divided(found, [[0, 99]])), "abcdefgh");
});

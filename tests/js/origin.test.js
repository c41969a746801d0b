// When a build's commit becomes known, its page fetches parts of itself; other steps are another page.

import assert from "node:assert/strict";
import { test } from "node:test";

import { stale } from "../../builds/static/builds/origin.js";

const build = (commit, ...names) => ({ commit, steps: names.map((name) => ({ name })) });

test("a commit that becomes known has parts of the page fetched", () => {
  assert.equal(stale(build("", "check out", "a"), build("abc", "check out", "a")), "parts");
  assert.equal(stale(build("abc", "check out", "a"), build("abc", "check out", "a")), "");
});

test("other steps than were expected are another page", () => {
  assert.equal(stale(build("abc", "check out"), build("abc", "check out", "a")), "page");
  assert.equal(stale(build("abc", "check out", "a", "b"), build("abc", "check out", "b", "a")), "page");
  assert.equal(stale(build("abc", "check out", "a"), build("abc", "check out")), "page");
});

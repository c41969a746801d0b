// @ts-check
// Which key a press means, where a walk goes, what a filter's address is, and what the button over held rows says.
import assert from "node:assert/strict";
import { test } from "node:test";

import { queryOf } from "../../builds/static/builds/filter.js";
import { isField, pressed } from "../../builds/static/builds/keys.js";
import { said } from "../../builds/static/builds/merge.js";
import { step } from "../../builds/static/builds/walk.js";

const KEYS = [{ key: "j", repeats: true }, { key: "n" }, { key: "N" }, { key: "?" }];
const PRESS = { ctrlKey: false, altKey: false, metaKey: false, repeat: false, isComposing: false, defaultPrevented: false };
const press = (/** @type {string} */ key, more = {}) => pressed(KEYS, { ...PRESS, key, target: { localName: "body" }, ...more });

test("a key means what it is bound to, and its capital something else", () => {
  assert.equal(press("n"), KEYS[1]);
  assert.equal(press("N"), KEYS[2]);
  assert.equal(press("x"), null);
});

test("no key fires with a modifier, while text is composed, or when another has taken it", () => {
  for (const name of ["ctrlKey", "altKey", "metaKey", "isComposing", "defaultPrevented"]) {
    assert.equal(press("n", { [name]: true }), null, name);
  }
});

test("no key fires while one types", () => {
  for (const localName of ["input", "textarea", "select"]) assert.equal(press("n", { target: { localName } }), null);
  assert.equal(press("n", { target: { localName: "div", isContentEditable: true } }), null);
  assert.equal(press("n", { target: { localName: "a" } }), KEYS[1]);
  for (const type of ["checkbox", "submit"]) assert.equal(press("n", { target: { localName: "input", type } }), KEYS[1]);
  assert.equal(isField(null), false);
});

test("a key that is held down goes on only where that makes sense", () => {
  assert.equal(press("j", { repeat: true }), KEYS[0]);
  assert.equal(press("n", { repeat: true }), null);
});

test("a walk begins at an end and stops at the other", () => {
  assert.deepEqual([step(-1, 3, 1), step(0, 3, 1), step(2, 3, 1)], [0, 1, 2]);
  assert.deepEqual([step(-1, 3, -1), step(2, 3, -1), step(0, 3, -1)], [2, 1, 0]);
  assert.equal(step(-1, 0, 1), 0);
});

test("the address of a filter is the one that the server would shorten the form's to", () => {
  assert.equal(queryOf([["number", "4"], ["project", ""], ["branch", " "]]), "");
  assert.equal(queryOf([["status", "failed"], ["status", "lost"], ["branch", " a b&c "]]), "?status=failed&status=lost&branch=a+b%26c");
  assert.equal(queryOf([["when", "dates"], ["from", "2026-11-01"], ["to", ""]]), "?from=2026-11-01");
  assert.equal(queryOf([["when", "7d"], ["from", "2026-11-01"]]), "?when=7d");
});

test("what waits is counted by the rows that are new", () => {
  assert.equal(said(["build-1"], ["build-4", "build-3", "build-2", "build-1"]), "3 new");
  assert.equal(said(["build-1", "build-2"], ["build-2", "build-1"]), "Put in order");
});

// What is said of a silence that lasts.

import assert from "node:assert/strict";
import { test } from "node:test";

import { lasting, Silence, told } from "../../builds/static/builds/silence.js";

const AT = Date.parse("2026-03-01T12:00:00Z");
const seconds = (/** @type {number} */ after) => new Date(AT + after * 1000).toISOString();

function build(status = "running", elapsed = 0) {
  return /** @type {any} */ ({
    status,
    started_at: seconds(-elapsed),
    steps: [
      { name: "fetch", status: "passed", started_at: seconds(-elapsed) },
      { name: "compile", status: "running", started_at: seconds(0) },
    ],
  });
}

test("counts from the last line of the step that runs", () => {
  const heard = { step: "compile", line: 84, since: AT + 10_000 };
  assert.equal(lasting(build(), heard, AT + 14_000), null);
  assert.deepEqual(lasting(build(), heard, AT + 52_000), { text: "42 s in compile, after line 84", anchor: "#2:84" });
});

test("a step that has printed nothing yet counts from its begin, whatever was heard before", () => {
  const said = { text: "6.0 s in compile, before its first line", anchor: "#step-2" };
  assert.deepEqual(lasting(build(), null, AT + 6_000), said);
  assert.deepEqual(lasting(build(), { step: "fetch", line: 3, since: AT }, AT + 6_000), said);
});

test("in a long build a short silence is none", () => {
  assert.equal(lasting(build("running", 1000), null, AT + 30_000), null);
  assert.notEqual(lasting(build("running", 1000), null, AT + 60_000), null);
});

test("what does not run is not silent", () => {
  for (const status of ["queued", "passed", "failed"]) assert.equal(lasting(build(status), null, AT + 60_000), null);
});

test("of those that are over the three longest are told, where they are long beside the build", () => {
  const past = [6, 40, 7, 90, 8].map((length, at) => ({ step: "compile", line: at + 1, seconds: length }));
  assert.deepEqual(told(past, 100).map((one) => one.seconds), [90, 40, 8]);
  assert.deepEqual(told(past, 1_000).map((one) => one.seconds), [90]);
  assert.deepEqual(told(past, 10_000), []);
});

test("between two lines, before the first and after the last; what comes twice counts once", () => {
  const root = /** @type {any} */ ({ querySelector: () => null });
  const heard = new Silence(root, build());
  const log = (/** @type {number} */ line, /** @type {number} */ after, text = "x") =>
    heard.hear({ step: "compile", line, text, at: seconds(after) });
  log(1, 10, "a\nb"); // lines 1 and 2, after ten seconds
  log(3, 12);
  log(3, 30); // the same line, written bit by bit
  log(4, 37);
  log(4, 37);
  assert.deepEqual(heard.past, [
    { step: "compile", line: 0, seconds: 10 },
    { step: "compile", line: 3, seconds: 7 },
  ]);
});

test("out of touch nobody says that a silence lasts", () => {
  const link = { textContent: "", setAttribute: () => {} };
  const item = { dataset: {}, firstElementChild: link, hidden: true };
  const section = { hidden: true, querySelector: () => item, querySelectorAll: () => [] };
  const heard = new Silence(/** @type {any} */ ({ querySelector: () => section }), build());
  heard.show(build(), AT + 60_000);
  assert.equal(item.hidden, false);
  heard.show(build(), AT + 60_000, false);
  assert.equal(item.hidden, true);
});

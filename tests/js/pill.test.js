// @ts-check
// What the pill says of each state of the connection.
import assert from "node:assert/strict";
import { test } from "node:test";

import { describe, hears } from "../../builds/static/builds/pill.js";

test("each state has a word, and the time of the last word only where it tells something", () => {
  const said = (/** @type {any} */ name, detail = "") => {
    const { word, detail: more } = describe({ name, detail }, 3.7);
    return [word, more].join(": ");
  };
  assert.equal(said("live"), "Live: heard 3 s ago");
  assert.equal(said("away"), "Database away: what is shown may be old");
  assert.equal(said("offline", "no network"), "Offline: no network");
  assert.equal(said("polling", "a proxy holds back the stream"), "Polling: a proxy holds back the stream");
  assert.equal(said("ended"), "Complete: ");
  assert.equal(said("silent"), "Silent: last heard 3 s ago");
  assert.equal(said("offline"), "Offline: last heard 3 s ago");
  assert.equal(said("reconnecting", "the server answers 502"), "Reconnecting: the server answers 502");
  assert.equal(said("resting"), "Resting: the tab is hidden");
  assert.equal(describe({ name: "offline", detail: "" }, 125).detail, "last heard 2 m 05 s ago");
});

test("whoever may not see it any more is given a way on, also where there is little room", () => {
  for (const name of ["denied", "gone"]) {
    assert.match(describe({ name: /** @type {any} */ (name), detail: "" }, null).css, /\blinked\b/);
  }
});

test("whoever hears nothing knows nothing of what goes on", () => {
  for (const name of ["live", "polling", "catching", "resting"]) assert.ok(hears(/** @type {any} */ ({ name, detail: "" })), name);
  for (const name of ["silent", "away", "reconnecting", "offline"]) assert.ok(!hears(/** @type {any} */ ({ name, detail: "" })), name);
});

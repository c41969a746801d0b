// Why a build failed is asked for again while the server is busy, a few times, and not at once.

import assert from "node:assert/strict";
import { test } from "node:test";

import { ask } from "../../builds/static/builds/failure.js";

/** A server that answers with these statuses, one after the other; "down": not at all. */
function world(...statuses) {
  const asked = [];
  const waits = [];
  return {
    asked,
    waits,
    Math: { random: () => 0.5 },
    setTimeout: (work, wait) => {
      waits.push(wait);
      work();
    },
    fetch: async (address) => {
      asked.push(address);
      const status = statuses.length > 1 ? statuses.shift() : statuses[0];
      if (status === "down") throw new TypeError("refused");
      const headers = { get: (name) => (name === "Retry-After" && status === 503 ? "2" : null) };
      return { ok: status === 200, status, headers, text: async () => "<main></main>" };
    },
  };
}

test("a server that is busy is asked again, later each time", async () => {
  const there = world(503, 503, 200);
  assert.equal(await ask("/d/", there), "<main></main>");
  assert.deepEqual(there.asked, ["/d/", "/d/", "/d/"]);
  assert.deepEqual(there.waits, [3000, 6000]);
});

test("it is not asked for ever", async () => {
  const there = world(503);
  assert.equal(await ask("/d/", there), null);
  assert.equal(there.asked.length, 6);
  assert.equal(there.waits.length, 5);
});

test("what is refused, or not reached, is not asked for again", async () => {
  for (const answer of [404, 500, "down"]) {
    const there = world(answer);
    assert.equal(await ask("/d/", there), null);
    assert.deepEqual([there.asked.length, there.waits], [1, []]);
  }
});

// @ts-check
// The connection against a server that is not there: an EventSource, a fetch and a clock that the test turns.
import assert from "node:assert/strict";
import { test } from "node:test";

import { setUp } from "./nowhere.mjs";

test("it opens at the page's cursor and is live at the first word", () => {
  const { connection, sources } = setUp({ cursor: 7 });
  connection.start();
  assert.equal(sources[0].url, "/e/?after=7&world=w%201");
  sources[0].send("ping");
  assert.equal(connection.state.name, "live");
});

test("events are handed on once, in order", () => {
  const { connection, sources, events } = setUp();
  connection.start();
  for (const id of [1, 2, 2, 1, 3]) sources[0].send("log", {}, id);
  assert.deepEqual(events, [1, 2, 3]);
});

test("a gap opens the stream again from the last good cursor", () => {
  const { connection, sources, events } = setUp();
  connection.start();
  sources[0].send("log", {}, 1);
  sources[0].send("log", {}, 3);
  assert.ok(sources[0].closed);
  assert.equal(sources[1].url, "/e/?after=1&world=w%201");
  sources[0].send("log", {}, 2); // a word from the old one is not heard
  for (const id of [2, 3]) sources[1].send("log", {}, id);
  assert.deepEqual(events, [1, 2, 3]);
});

test("silence after opening means polling, with the same cursor", async () => {
  const { connection, sources, asked, events, pass } = setUp({
    answers: [{ events: [{ id: 1, kind: "log", data: {} }], head: 1, final: false }],
  });
  connection.start();
  sources[0].send("open");
  await pass(5.1);
  assert.ok(sources[0].closed);
  assert.equal(asked[0], "/e.json?after=0&world=w%201&wait=0");
  assert.deepEqual(events, [1]);
  assert.equal(connection.state.name, "polling");
  assert.equal(asked[1], "/e.json?after=1&world=w%201&wait=25");
});

test("two heartbeats and a half without a word: it asks, and opens again", async () => {
  const { connection, sources, asked, pass } = setUp({ answers: Array(2).fill({ events: [], head: 0, final: false }) });
  connection.start();
  sources[0].send("ping");
  await pass(36);
  assert.equal(sources.length, 1);
  await pass(3);
  assert.equal(asked.length, 2, "once at the first missed heartbeat, whether anything is held back, and once now");
  assert.equal(sources.length, 2);
});

test("a browser that comes back by itself is left alone", async () => {
  const { connection, sources, asked, pass } = setUp();
  connection.start();
  sources[0].send("ping");
  sources[0].readyState = 0;
  sources[0].send("error");
  await pass(10);
  assert.equal(connection.state.name, "reconnecting");
  assert.deepEqual([sources.length, asked.length], [1, 0]);
  sources[0].send("ping");
  assert.equal(connection.state.name, "live");
});

for (const [status, name] of [
  [401, "denied"],
  [403, "denied"],
  [404, "gone"],
]) {
  test(`status ${status} stops it for good`, async () => {
    const { connection, sources, asked, pass } = setUp({ answers: [{ status }] });
    connection.start();
    sources[0].readyState = 2;
    sources[0].send("error");
    await pass(300);
    assert.equal(connection.state.name, name);
    assert.deepEqual([sources.length, asked.length], [1, 1]);
    connection.wake();
    assert.equal(sources.length, 1);
  });
}

test("a server that is away is asked ever more slowly, and said to be away", async () => {
  const { connection, sources, asked, states, pass } = setUp({ answers: Array(100).fill("down") });
  connection.start();
  sources[0].readyState = 2;
  sources[0].send("error");
  await pass(60);
  assert.ok(asked.length >= 4 && asked.length <= 9, `${asked.length} tries in a minute`);
  assert.deepEqual(states, ["connecting", "reconnecting", "offline"]);
});

test("once the server is back, the stream goes on from the cursor", async () => {
  const { connection, sources, events, pass } = setUp({
    answers: ["down", { status: 503 }, { events: [{ id: 1, kind: "log", data: {} }], head: 1, final: false }],
  });
  connection.start();
  sources[0].readyState = 2;
  sources[0].send("error");
  await pass(10);
  assert.deepEqual(events, [1]);
  assert.equal(sources.at(-1).url, "/e/?after=1&world=w%201");
});

test("a final build that has been shown whole is complete after one question", async () => {
  const { connection, sources, asked, pass } = setUp({ cursor: 9, answers: [{ events: [], head: 9, final: true }] });
  connection.start(true);
  await pass(100);
  assert.equal(connection.state.name, "ended");
  assert.deepEqual([sources.length, asked.length], [0, 1]);
});

test("end ends it, denied stops it, reset asks for the page once", async () => {
  for (const [kind, name, times] of [
    ["end", "ended", 0],
    ["denied", "denied", 0],
    ["reset", "stuck", 1],
  ]) {
    const { connection, sources, resets, timers, pass } = setUp({ answers: [{ status: 401 }] });
    connection.start();
    sources[0].send(kind);
    await pass(0);
    assert.equal(connection.state.name, name);
    assert.equal(resets(), times);
    assert.ok(sources[0].closed);
    assert.equal(timers.size, 0, "nothing ticks on");
  }
});

test("who was denied and is let in again goes on", async () => {
  const { connection, sources, asked, pass } = setUp({ answers: [{ events: [], head: 0, final: false }] });
  connection.start();
  sources[0].send("denied");
  await pass(2);
  assert.deepEqual([sources.length, asked.length, connection.over], [2, 1, false]);
});

test("a stream that is refused while questions are answered: it polls, and tries the stream again later", async () => {
  const { connection, sources, states, pass } = setUp({
    answers: [...Array(4).fill({ events: [], head: 0, final: false }), "never"],
  });
  connection.start();
  for (let tries = 0; tries < 4; tries++) {
    sources.at(-1).readyState = 2;
    sources.at(-1).send("error");
    await pass(4.5);
  }
  assert.equal(connection.state.name, "polling");
  assert.equal(sources.length, 4);
  assert.deepEqual(states, ["connecting", "polling"]);
});

test("whoever has less than the server is catching up, not live", () => {
  const { connection, sources } = setUp({ cursor: 3 });
  connection.start();
  sources[0].send("ping", { head: 5 });
  assert.equal(connection.state.name, "catching");
  sources[0].send("log", {}, 4);
  sources[0].send("log", {}, 5);
  assert.equal(connection.state.name, "live");
  const board = setUp({ cursor: 3, dense: false }); // its head counts builds that this reader may not see
  board.connection.start();
  board.sources[0].send("ping", { head: 5 });
  assert.equal(board.connection.state.name, "live");
});

test("polls that are answered at once with nothing are not repeated at once", async () => {
  const { connection, sources, asked, pass } = setUp({
    answers: Array(1000).fill({ events: [], head: 0, final: false }),
  });
  connection.start();
  sources[0].send("open");
  await pass(15);
  assert.ok(asked.length >= 3 && asked.length <= 20, `${asked.length} polls in ten seconds`);
});

test("a page that was left closes its stream, and opens it again when it is looked at", () => {
  const { connection, sources } = setUp();
  connection.start();
  sources[0].send("log", {}, 1);
  connection.sleep();
  assert.ok(sources[0].closed);
  connection.wake();
  assert.equal(sources[1].url, "/e/?after=1&world=w%201");
});

test("without a network it asks on, and a board on the same machine is live again at once", async () => {
  const { connection, sources, asked, pass } = setUp({ answers: ["down", "down", { events: [], head: 0, final: false }] });
  connection.start();
  sources[0].send("ping");
  connection.doubt();
  assert.ok(sources[0].closed);
  await pass(2);
  assert.equal(connection.state.name, "offline");
  await pass(10);
  assert.deepEqual([asked.length, sources.length], [3, 2]);
  sources[1].send("ping");
  assert.equal(connection.state.name, "live");
});

test("ids of a board may jump", () => {
  const { connection, sources, events } = setUp({ dense: false });
  connection.start();
  for (const id of [4, 9, 9, 12]) sources[0].send("build", {}, id);
  assert.deepEqual(events, [4, 9, 12]);
});

test("a kind that the page does not know stops nothing", () => {
  const { connection, sources, events } = setUp();
  connection.start();
  sources[0].send("log", {}, 1);
  sources[0].send("log", {}, 3); // 2 was of an unknown kind
  sources[1].send("log", {}, 3);
  assert.deepEqual(events, [1, 3]);
  assert.equal(sources.length, 2);
});

test("a ping that tells of an outage is shown until a ping or an event tells of its end", () => {
  const { connection, sources, states } = setUp();
  connection.start();
  sources[0].send("ping", { head: 0 });
  sources[0].send("ping", { head: 0, stale: 4 });
  assert.equal(connection.state.name, "away");
  connection.wake();
  assert.equal(sources.length, 1, "the stream is good: it is not opened again");
  sources[0].send("ping", { head: 0 });
  sources[0].send("ping", { head: 0, stale: 9 });
  sources[0].send("log", {}, 1);
  assert.deepEqual(states, ["live", "away", "live", "away", "live"]);
});

test("a stream that cannot be had for the database says so while the browser comes back", async () => {
  const { connection, sources, asked, pass } = setUp();
  connection.start();
  sources[0].send("problem", { cause: "database" });
  sources[0].readyState = 0;
  sources[0].send("error");
  await pass(5);
  assert.deepEqual([connection.state.name, asked.length], ["away", 0]);
  sources[0].send("ping", { head: 0 });
  assert.equal(connection.state.name, "live");
});

test("polls during an outage say so, ever more slowly, and go on afterwards", async () => {
  const outage = { status: 503, cause: "database", detail: "…" };
  const { connection, sources, asked, events, pass } = setUp({
    answers: [
      { events: [], head: 0, final: false, stale: 3 },
      ...Array(5).fill(outage),
      { events: [{ id: 1, kind: "log", data: {} }], head: 1, final: false },
    ],
  });
  connection.start();
  sources[0].send("open");
  await pass(10);
  assert.equal(connection.state.name, "away");
  assert.ok(asked.length <= 5, `${asked.length} polls in ten seconds`);
  await pass(60);
  assert.deepEqual(events, [1]);
  assert.equal(connection.state.name, "polling");
});

// @ts-check
// Polls in place of a stream that is held back, and the way from them to a stream again.
import assert from "node:assert/strict";
import { test } from "node:test";

import { delay } from "../../builds/static/builds/sequence.js";
import { setUp } from "./nowhere.mjs";

const nothing = { events: [], head: 0, final: false };

test("a stream is tried again beside the polls, and takes their place at its first word", async () => {
  const { connection, sources, asked, states, pass } = setUp({ answers: [nothing] });
  connection.start();
  await pass(5.1);
  assert.equal(connection.state.name, "polling");
  await pass(22);
  assert.equal(sources.length, 2);
  assert.equal(asked.length, 2, "the poll waits on beside it");
  sources[1].send("ping", { head: 0 });
  assert.equal(connection.state.name, "live");
  assert.deepEqual(states.filter((name) => name === "live").length, 1);
  sources[1].send("log", {}, 1);
  assert.equal(connection.sequence.cursor, 1);
});

test("a stream on trial that says nothing is closed, and costs no line", async () => {
  const page = (/** @type {number} */ id) => ({ events: [{ id, kind: "log", data: {} }], head: id, final: false });
  const { connection, sources, events, pass } = setUp({ answers: [nothing, ...Array.from({ length: 40 }, (_, at) => page(at + 1))] });
  connection.start();
  await pass(16);
  assert.deepEqual(events, Array.from({ length: 40 }, (_, at) => at + 1));
  await pass(240);
  assert.ok(sources.length >= 2);
  assert.ok(sources.slice(0, -1).every((source) => source.closed));
  assert.notEqual(connection.state.name, "live");
});

test("a proxy that lets the first words through and holds back the rest is found out at the first missed heartbeat", async () => {
  const news = { events: [{ id: 2, kind: "log", data: {} }], head: 2, final: false };
  const { connection, sources, events, pass } = setUp({ answers: [news, news] });
  connection.start();
  sources[0].send("ping");
  sources[0].send("log", {}, 1);
  await pass(23);
  assert.ok(sources[0].closed);
  assert.deepEqual([connection.state.name, events], ["polling", [1, 2]]);
});

test("of a build that prints on and on it asks four times a second, and misses nothing", async () => {
  const page = (/** @type {number} */ id) => ({ events: [{ id, kind: "log", data: {} }], head: id + 9, final: false });
  const { connection, asked, events, pass } = setUp({ answers: Array.from({ length: 999 }, (_, at) => page(at + 1)) });
  connection.start();
  await pass(15);
  assert.ok(asked.length >= 35 && asked.length <= 45, `${asked.length} polls in ten seconds`);
  assert.deepEqual(events, asked.map((_, at) => at + 1));
});

test("a server that answers nothing at all is not said to be behind a proxy", async () => {
  const { connection, states, pass } = setUp({ answers: Array(50).fill("silence") });
  connection.start();
  await pass(60);
  assert.ok(!states.includes("polling"), String(states));
});

test("a browser that comes back for ever in vain is helped: the question tells what it is", async () => {
  const { connection, sources, asked, pass } = setUp({ answers: [{ status: 502 }, { status: 401 }] });
  connection.start();
  sources[0].send("ping");
  for (let tries = 0; tries < 3; tries++) sources[0].send("error");
  await pass(0);
  assert.ok(sources[0].closed);
  assert.deepEqual([connection.state.name, connection.state.detail], ["reconnecting", "the server answers 502"]);
  await pass(10);
  assert.deepEqual([connection.state.name, asked.length], ["denied", 2]);
});

test("a stream that breaks after each first word is opened ever more slowly", async () => {
  const { connection, sources, pass } = setUp({ answers: Array(100).fill(nothing) });
  connection.start();
  for (let second = 0; second < 120; second++) {
    const source = sources.at(-1);
    if (!source.closed) {
      source.send("open");
      source.send("ping", { head: 0 });
      source.send("error");
    }
    await pass(1);
  }
  assert.ok(sources.length < 15, `${sources.length} streams in two minutes`);
});

test("a proxy that cuts each silence of ten seconds: the browser comes back at its own pace, for hours", async () => {
  const { connection, sources, asked, states, pass } = setUp();
  connection.start();
  for (let turn = 0; turn < 60; turn++) {
    sources[0].send("open");
    sources[0].send("ping", { head: 0 });
    assert.equal(connection.state.name, "live");
    await pass(10);
    sources[0].send("error");
    await pass(2);
  }
  assert.deepEqual([sources.length, asked.length], [1, 0]);
  assert.deepEqual([...new Set(states)], ["live", "reconnecting"]);
});

test("an event resets the pace, an opening does not", () => {
  const { connection, sources } = setUp();
  connection.start();
  connection.failures = 5;
  sources[0].send("open");
  sources[0].send("ping", { head: 0 });
  assert.equal(connection.failures, 5);
  sources[0].send("log", {}, 1);
  assert.equal(connection.failures, 0);
});

test("full jitter: those who were cut off together come back spread over the whole wait", () => {
  for (const failures of [3, 6, 20]) {
    const waits = Array.from({ length: 101 }, (_, at) => delay(failures, at / 100));
    assert.equal(waits[0], 500);
    assert.ok(Math.max(...waits) === Math.min(30_000, 500 * 2 ** failures));
    assert.ok(Math.abs(waits[50] - (waits[0] + waits[100]) / 2) < 1);
  }
});

// @ts-check
// A hidden tab: no stream, now and then a glance at how things stand, and the log from where it was left.
import assert from "node:assert/strict";
import { test } from "node:test";

import { setUp } from "./nowhere.mjs";

const log = (/** @type {number} */ id) => ({ id, kind: "log", data: {} });
const build = (/** @type {number} */ id) => ({ id, kind: "build", data: {} });

test("flipping through tabs costs nothing", async () => {
  const { connection, sources, asked, pass } = setUp();
  connection.start();
  sources[0].send("ping");
  for (let turn = 0; turn < 10; turn++) {
    connection.hide();
    await pass(3);
    connection.show();
    await pass(1);
    sources[0].send("ping");
  }
  assert.deepEqual([sources.length, asked.length, sources[0].closed], [1, 0, false]);
});

test("hidden for longer it has no stream, and glances without the log", async () => {
  const { connection, sources, asked, events, pass } = setUp({
    answers: [{ events: [build(5)], head: 9, upto: 9, final: false }],
  });
  connection.start();
  sources[0].send("log", {}, 1);
  connection.hide();
  await pass(6);
  assert.ok(sources[0].closed);
  assert.equal(connection.state.name, "resting");
  await pass(24);
  assert.equal(asked[0], "/e.json?after=1&world=w%201&wait=0&kinds=build,step");
  assert.deepEqual(events, [1, 5]);
  await pass(24);
  assert.equal(asked[1], "/e.json?after=9&world=w%201&wait=0&kinds=build,step");
});

test("looked at again the stream goes on from where the log was left: each line once, nothing goes back", async () => {
  const { connection, sources, events, pass } = setUp({
    answers: [{ events: [{ id: 4, kind: "step", data: {} }, build(5)], head: 9, upto: 9, final: false }],
  });
  connection.start();
  sources[0].send("log", {}, 1);
  connection.hide();
  await pass(29);
  connection.show();
  assert.equal(sources[1].url, "/e/?after=1&world=w%201");
  assert.equal(connection.state.name, "connecting");
  sources[1].send("ping", { head: 10 });
  assert.equal(connection.state.name, "catching");
  for (const id of [2, 3]) sources[1].send("log", {}, id);
  sources[1].send("step", {}, 4);
  sources[1].send("build", {}, 5);
  for (const id of [6, 7, 8, 9]) sources[1].send("log", {}, id);
  sources[1].send("build", {}, 10);
  assert.deepEqual(events, [1, 4, 5, 2, 3, 6, 7, 8, 9, 10]);
  assert.equal(connection.state.name, "live");
});

test("a tab that only has to go past what it glanced at is live, and not for ever catching up", async () => {
  const { connection, sources, pass } = setUp({ answers: [{ events: [build(1)], head: 1, upto: 1, final: false }] });
  connection.start();
  sources[0].send("ping", { head: 0 });
  connection.hide();
  await pass(29);
  connection.show();
  sources[1].send("ping", { head: 1 });
  sources[1].send("build", {}, 1);
  assert.equal(connection.state.name, "live");
});

test("a tab that is to tell of the end looks every few seconds, and none looks on after it", async () => {
  const { connection, asked, pass } = setUp({
    answers: [...Array(4).fill({ events: [], head: 0, upto: 0, final: false }), { events: [build(1)], head: 1, upto: 1, final: true }],
  });
  connection.start(false, true);
  connection.rest.watch(true);
  await pass(22);
  assert.equal(asked.length, 4);
  await pass(600);
  assert.equal(asked.length, 5);
  assert.equal(connection.state.name, "resting");
});

test("hidden for so long that its timers come once a minute, it opens one stream when it is looked at", async () => {
  const { connection, sources, pass, jump } = setUp({ answers: Array(20).fill({ events: [], head: 0, upto: 0, final: false }) });
  connection.start();
  sources[0].send("ping");
  connection.hide();
  await pass(6);
  for (let minute = 0; minute < 6; minute += 1) {
    jump(59);
    await pass(1);
  }
  jump(40);
  connection.show();
  assert.equal(sources.length, 2);
  await pass(2);
  sources[1].send("ping");
  await pass(3);
  assert.deepEqual([sources.length, sources[1].closed, connection.state.name], [2, false, "live"]);
});

test("a machine that slept within the grace of a hidden tab has a new stream when it is looked at", async () => {
  const { connection, sources, pass, jump } = setUp();
  connection.start();
  sources[0].send("ping");
  connection.hide();
  await pass(2);
  jump(15);
  connection.show();
  assert.deepEqual([sources.length, sources[0].closed], [2, true]);
  await pass(2);
  assert.equal(sources.length, 2);
});

test("a tab that was opened behind another has no stream before it is looked at", async () => {
  const { connection, sources, pass } = setUp();
  connection.start(false, true);
  await pass(10);
  assert.equal(sources.length, 0);
  connection.show();
  assert.equal(sources.length, 1);
});

test("a hidden board takes its events as ever, from one cursor", async () => {
  const { connection, sources, asked, events, pass } = setUp({
    dense: false,
    answers: [{ events: [build(7)], head: 7, final: false }],
  });
  connection.start();
  sources[0].send("ping");
  connection.hide();
  await pass(29);
  assert.equal(asked[0], "/e.json?after=0&world=w%201&wait=0");
  connection.show();
  assert.deepEqual([events, sources[1].url], [[7], "/e/?after=7&world=w%201"]);
});

test("a server that is away is asked by hidden tabs no more often, and whoever looks finds out at once", async () => {
  const { connection, sources, asked, pass } = setUp({ answers: Array(100).fill("down") });
  connection.start();
  sources[0].send("ping");
  connection.hide();
  await pass(305);
  assert.ok(asked.length >= 8 && asked.length <= 21, `${asked.length} glances in five minutes`);
  connection.show();
  assert.equal(sources.length, 2);
});

test("signed out, or gone: a hidden tab stops as any other", async () => {
  for (const [status, name] of [[401, "denied"], [404, "gone"]]) {
    const { connection, asked, timers, pass } = setUp({ answers: [{ status }] });
    connection.start();
    connection.hide();
    await pass(600);
    assert.deepEqual([connection.state.name, asked.length, timers.size], [name, 1, 0]);
  }
});

test("back from the history it is live at once, whichever of the two events comes first", () => {
  for (const order of [["hide", "wake", "show"], ["hide", "show", "wake"], ["show"]]) {
    const { connection, sources } = setUp();
    connection.start();
    sources[0].send("ping");
    connection.sleep();
    assert.ok(sources[0].closed);
    for (const step of order) connection[step]();
    assert.equal(sources.length, 2, String(order));
  }
});

test("where streams are held back a tab that is looked at again polls at once", async () => {
  const { connection, sources, asked, pass } = setUp({
    answers: [{ events: [], head: 0, final: false }, "never", { events: [log(1)], head: 1, final: false }],
  });
  connection.start();
  await pass(6);
  assert.equal(connection.state.name, "polling");
  connection.hide();
  await pass(6);
  connection.show();
  await pass(0);
  assert.equal(connection.state.name, "polling");
  assert.deepEqual([sources.length, asked.length], [1, 4]);
});

// @ts-check
// Silence, sleep, and clocks that are set.
import assert from "node:assert/strict";
import { test } from "node:test";

import { Heartbeat } from "../../builds/static/builds/heartbeat.js";
import { setUp } from "./nowhere.mjs";

test("silence counts from the last word, or from the opening where that was later", () => {
  let time = 50_000;
  const pulse = new Heartbeat(() => time);
  assert.equal(pulse.silence(), null);
  pulse.opened();
  time += 4_000;
  assert.equal(pulse.silent(), 4_000);
  pulse.heard();
  time += 2_000;
  assert.deepEqual([pulse.silent(), pulse.silence()], [2_000, 2]);
});

test("a clock that is set back by a day hides no silence", () => {
  let time = 100_000_000;
  const pulse = new Heartbeat(() => time);
  pulse.heard();
  time += 1_000;
  pulse.tick();
  time -= 86_400_000;
  assert.equal(pulse.tick(), false);
  for (let second = 0; second < 40; second++) {
    time += 1_000;
    assert.equal(pulse.tick(), false);
  }
  assert.ok(pulse.silent() >= 40_000, `${pulse.silent()} ms of silence were noticed`);
});

test("whoever was not called for long has slept", () => {
  let time = 0;
  const pulse = new Heartbeat(() => time);
  time += 1_000;
  assert.equal(pulse.tick(), false);
  time += 3_600_000;
  assert.equal(pulse.tick(), true);
  time += 1_000;
  assert.equal(pulse.tick(), false);
});

test("a machine that slept opens its stream again within two seconds, though it broke without a word", async () => {
  const { connection, sources, pass, jump } = setUp();
  connection.start();
  sources[0].send("ping");
  sources[0].send("log", {}, 1);
  await pass(3);
  jump(8 * 3600);
  await pass(2);
  assert.ok(sources[0].closed);
  assert.equal(sources[1].url, "/e/?after=1&world=w%201");
  sources[1].send("ping", { head: 1 });
  assert.equal(connection.state.name, "live");
});

test("a clock that is set back keeps the watch: silence is said, and then something is done", async () => {
  const { connection, sources, asked, pass, jump } = setUp();
  connection.start();
  sources[0].send("ping");
  await pass(2);
  jump(-86_400);
  await pass(20);
  assert.equal(connection.state.name, "silent");
  await pass(20);
  assert.equal(asked.length, 2);
});

test("one missed heartbeat is said, and the next word takes it back", async () => {
  const { connection, sources, states, pass } = setUp();
  connection.start();
  sources[0].send("ping");
  await pass(21);
  assert.equal(connection.state.name, "silent");
  assert.ok(Math.floor(connection.silence() || 0) >= 20);
  sources[0].send("ping");
  assert.deepEqual(states, ["live", "silent", "live"]);
});

test("pings each fifteen seconds are an hour of live, and no request", async () => {
  const { connection, sources, asked, states, pass } = setUp();
  connection.start();
  for (let turn = 0; turn < 240; turn++) {
    sources[0].send("ping");
    await pass(15);
  }
  assert.deepEqual([sources.length, asked.length, states.length], [1, 0, 1]);
});

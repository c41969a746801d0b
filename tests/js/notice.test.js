// @ts-check
// "Notify me": asked for by the button alone, remembered for its build, and said in words where it cannot be.
import assert from "node:assert/strict";
import { test } from "node:test";

import { offerNotice, said } from "../../builds/static/builds/notice.js";

const running = /** @type {any} */ ({ id: 42, project: "compiler", status: "running", reason: "", started_at: "2026-01-01T00:00:00Z", finished_at: null });
const failed = { ...running, status: "failed", reason: "Exit code 2.", finished_at: "2026-01-01T00:03:05Z" };

/** @param {any} [options] */
function setUp({ permission = "default", answer = "granted", stored = "", secure = true, throws = false } = {}) {
  /** @type {any[]} */
  const told = [];
  let asked = 0;
  let focused = 0;
  const kept = new Map(stored ? [["notify", stored]] : []);
  class Notification {
    static permission = permission;
    static async requestPermission() {
      asked += 1;
      Notification.permission = answer;
    }
    /** @param {string} title @param {any} options */
    constructor(title, options) {
      if (throws) throw new TypeError("Illegal constructor");
      told.push({ title, options, notice: this });
    }
    close() {}
  }
  const browser = {
    isSecureContext: secure,
    Notification: /** @type {any} */ (Notification),
    focus: () => (focused += 1),
    localStorage: {
      getItem: (/** @type {string} */ key) => kept.get(key) ?? null,
      setItem: (/** @type {string} */ key, /** @type {string} */ value) => kept.set(key, value),
    },
  };
  const button = /** @type {any} */ ({
    dataset: { name: "Compiler" },
    hidden: true,
    disabled: false,
    textContent: "",
    attributes: {},
    addEventListener(/** @type {string} */ _, /** @type {() => void} */ work) {
      this.click = work;
    },
    setAttribute(/** @type {string} */ name, /** @type {string} */ value) {
      this.attributes[name] = value;
    },
  });
  /** @type {boolean[]} */
  const watched = [];
  const offer = (build = running) => offerNotice(button, build, (on) => watched.push(on), browser);
  return { browser, button, told, kept, watched, offer, asked: () => asked, focused: () => focused };
}

test("it says which build ended, how, and after how long", () => {
  assert.equal(said(failed, "Compiler"), "Build 42 of Compiler failed after 3 m 05 s");
  assert.equal(said({ ...failed, status: "passed" }, "A"), "Build 42 of A passed after 3 m 05 s");
  assert.equal(said({ ...failed, status: "lost" }, "A"), "Build 42 of A was lost after 3 m 05 s");
  assert.equal(said({ ...failed, status: "cancelled", started_at: null }, "A"), "Build 42 of A was cancelled");
});

test("nobody is asked before the button is pressed; then once, and the end is told once", async () => {
  const { button, told, kept, watched, offer, asked, focused } = setUp();
  const hear = offer();
  assert.deepEqual([button.hidden, button.textContent, asked()], [false, "Notify me", 0]);
  await button.click();
  assert.deepEqual([button.textContent, button.attributes["aria-pressed"], asked()], ["Will notify", "true", 1]);
  assert.equal(kept.get("notify"), "[42]");
  hear(running);
  hear(failed);
  hear(failed);
  assert.equal(told.length, 1);
  assert.equal(told[0].title, "Build 42 of Compiler failed after 3 m 05 s");
  assert.deepEqual(told[0].options, { body: "Exit code 2.", tag: "build-42" });
  told[0].notice.onclick();
  assert.equal(focused(), 1);
  assert.deepEqual([button.hidden, kept.get("notify"), watched.at(-1)], [true, "[]", false]);
});

test("it is remembered for its build alone, and taken back by the same button", async () => {
  const { button, told, watched, offer } = setUp({ permission: "granted", stored: "[7,42]" });
  const hear = offer();
  assert.deepEqual([button.textContent, watched.at(-1)], ["Will notify", true]);
  await button.click();
  assert.deepEqual([button.textContent, watched.at(-1)], ["Notify me", false]);
  hear(failed);
  assert.equal(told.length, 0);
  const other = setUp({ permission: "granted", stored: "[7]" });
  other.offer();
  assert.equal(other.button.textContent, "Notify me");
});

test("where it cannot be, the button says why", async () => {
  const refused = setUp({ answer: "denied" });
  refused.offer();
  await refused.button.click();
  assert.deepEqual([refused.button.disabled, refused.button.textContent], [true, "Notifications are blocked"]);
  const blocked = setUp({ permission: "denied" });
  blocked.offer();
  assert.equal(blocked.button.textContent, "Notifications are blocked");
  const insecure = setUp({ secure: false });
  insecure.offer();
  assert.equal(insecure.button.textContent, "Notifications need HTTPS");
  const without = setUp();
  without.browser.Notification = undefined;
  without.offer();
  assert.equal(without.button.textContent, "No notifications in this browser");
  const phone = setUp({ permission: "granted", stored: "[42]", throws: true });
  phone.offer()(failed);
  assert.deepEqual([phone.button.hidden, phone.button.textContent], [false, "The browser did not notify"]);
});

test("a build that is over, or a page without the button, has nothing to tell of", () => {
  const { button, offer } = setUp();
  offer(failed)(failed);
  assert.equal(button.hidden, true);
  offerNotice(null, running, () => {})(failed);
});

test("a memory that is broken, or full of others, is no matter", async () => {
  for (const stored of ["{", "5", "null", JSON.stringify(Array.from({ length: 200 }, (_, at) => at + 1000))]) {
    const { button, kept, offer } = setUp({ permission: "granted", stored });
    offer();
    await button.click();
    const now = JSON.parse(kept.get("notify") || "");
    assert.ok(now.includes(42) && now.length <= 50);
  }
});

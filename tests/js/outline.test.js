// Rows of a log, by height and by number: against a plain list of them.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Outline } from "../../builds/static/builds/outline.js";

const SIZES = { head: 28, line: 20, cut: 20 };

/** A repeatable generator of numbers below `most`. */
function dice(seed) {
  return (most) => {
    seed = (seed * 1103515245 + 12345) & 0x7fffffff;
    return (seed >> 8) % most;
  };
}

/** Every row by walking, as `kind step:line`. */
function all(outline) {
  outline.layOut();
  const found = [];
  for (let row = outline.rowAt(0); row; row = outline.after(row)) found.push(row);
  return found;
}

const keys = (outline) => all(outline).map((row) => row.key);

test("a step's lines follow on its heading", () => {
  const outline = new Outline(2, SIZES);
  outline.reach(0, 2);
  assert.deepEqual(keys(outline), ["head 0:0", "line 0:1", "line 0:2", "head 1:0"]);
  assert.equal(outline.height, 28 + 40 + 28);
});

test("a folded step is its heading, and opening a line of it unfolds it", () => {
  const outline = new Outline(1, SIZES);
  outline.reach(0, 3);
  outline.fold(0, true);
  assert.deepEqual(keys(outline), ["head 0:0"]);
  outline.unfold(0, 2);
  assert.equal(keys(outline).length, 4);
});

test("a cut of forty thousand lines is one row", () => {
  const outline = new Outline(1, SIZES);
  outline.reach(0, 50_000);
  outline.cut(0, { line: 3, lines: 40_000, bytes: 9, reason: "" }, [[3, 40_002]]);
  assert.deepEqual(keys(outline).slice(0, 5), ["head 0:0", "line 0:1", "line 0:2", "cut 0:3", "line 0:40003"]);
  outline.layOut();
  assert.equal(outline.rowFor(0, 30_000).key, "cut 0:3");
  assert.equal(outline.missing, 40_000);
});

test("of a cut only what this page has not is a row, and the row knows the whole", () => {
  const outline = new Outline(1, SIZES);
  outline.reach(0, 60);
  const cut = { line: 11, lines: 45, bytes: 450, reason: "It was long." };
  outline.cut(0, cut, [[41, 55]]);
  assert.deepEqual(keys(outline).slice(40, 43), ["line 0:40", "cut 0:41", "line 0:56"]);
  const gap = outline.gapAt(0, 50);
  assert.equal(gap.lines, 15);
  assert.deepEqual(outline.whole(0, gap), cut);
  assert.equal(outline.missing, 45);
});

test("a group that ended is folded, one that goes on is not, and a choice stays", () => {
  const outline = new Outline(1, SIZES);
  outline.reach(0, 9);
  outline.group(0, { number: 1, name: "deps", line: 2, last: 5 });
  outline.group(0, { number: 2, name: "more", line: 7, last: null });
  assert.deepEqual(keys(outline), ["head 0:0", "line 0:1", "group 0:2", "line 0:6", "group 0:7", "line 0:8", "line 0:9"]);
  outline.unfold(0, 4);
  assert.ok(keys(outline).includes("line 0:4"));
  outline.group(0, { number: 1, name: "deps", line: 2, last: 5 });
  assert.ok(keys(outline).includes("line 0:4"));
});

test("whatever is folded, cut or wrapped: every height leads to its row, and every row has its height", () => {
  for (let seed = 1; seed <= 60; seed += 1) {
    const roll = dice(seed);
    const outline = new Outline(1 + roll(4), SIZES);
    outline.parts.forEach((part, step) => {
      outline.reach(step, roll(4_000));
      for (let at = 1, number = 1; at < part.total; number += 1) {
        at += 1 + roll(600);
        const span = 1 + roll(300);
        if (roll(3) === 0) outline.cut(step, { line: at, lines: span, bytes: 1, reason: "" }, [[at, at + span - 1]]);
        else if (roll(2)) outline.group(step, { number, name: "g", line: at, last: roll(4) ? at + span : null });
        at += span;
      }
      if (roll(5) === 0) outline.fold(step, true);
    });
    outline.layOut();
    for (const row of all(outline)) if (roll(50) === 0) outline.grow(row, 20 * (1 + roll(6)));
    const rows = all(outline);
    let top = 0;
    for (const row of rows) {
      assert.equal(row.top, top, `seed ${seed}, ${row.key}`);
      top += row.height;
    }
    assert.equal(outline.height, top);
    for (let tries = 0; tries < 100; tries += 1) {
      const row = rows[roll(rows.length)];
      assert.equal(outline.rowAt(row.top + roll(row.height)).key, row.key, `seed ${seed}`);
      const found = outline.rowFor(row.step, row.line);
      assert.deepEqual([found.key, found.top], [row.key, row.top], `seed ${seed}`);
    }
  }
});

test("above the top is the first row, below the bottom the last", () => {
  const outline = new Outline(1, SIZES);
  outline.reach(0, 5);
  outline.layOut();
  assert.equal(outline.rowAt(-100).key, "head 0:0");
  assert.equal(outline.rowAt(1e9).key, "line 0:5");
});

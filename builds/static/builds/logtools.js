// @ts-check
// How the reader wants the log: which times stand beside the lines, and whether long lines wrap. Remembered.

import { remembered, remember } from "./memory.js";

/** @type {"start"|"clock"|"none"} */
let times = "start";

/** @param {import("./log.js").LogView} log */
export function equip(log) {
  const select = /** @type {HTMLSelectElement} */ (document.getElementById("times"));
  const wrap = /** @type {HTMLButtonElement} */ (document.getElementById("wrap"));
  if (!select || !log.heads.length) return; // its log was pruned
  const narrow = matchMedia("(max-width: 40rem)");
  const isWrapped = () => {
    const chosen = remembered("log.wrap");
    return chosen ? chosen === "1" : narrow.matches;
  };
  const show = () => {
    const kept = remembered("log.times");
    times = kept === "clock" || kept === "none" ? kept : "start";
    select.value = times;
    wrap.setAttribute("aria-pressed", String(isWrapped()));
    log.root.classList.toggle("untimed", times === "none");
    log.root.classList.toggle("clocked", times === "clock");
    log.root.classList.toggle("wrap", isWrapped());
    log.resized();
  };
  select.addEventListener("change", () => {
    remember("log.times", select.value);
    show();
  });
  wrap.addEventListener("click", () => {
    remember("log.wrap", isWrapped() ? "0" : "1");
    show();
  });
  narrow.addEventListener("change", show);
  select.hidden = wrap.hidden = false;
  show();
}

/** What stands beside a line: `24.31` seconds since the build began, or `14:03:59.27`. @param {string} at
 * @param {string|null} began */
export function timeOf(at, began) {
  if (!at || times === "none") return "";
  if (times === "clock") return clock(new Date(at));
  return began ? stamp((Date.parse(at) - Date.parse(began)) / 1000) : "";
}

/** @param {Date} date */
export function clock(date) {
  const two = (/** @type {number} */ number) => String(number).padStart(2, "0");
  const parts = [date.getHours(), date.getMinutes(), date.getSeconds()].map(two);
  return `${parts.join(":")}.${two(Math.floor(date.getMilliseconds() / 10))}`;
}

/** As wide as its column at most: the twin of builds/web/logtail.py. @param {number} seconds */
export function stamp(seconds) {
  seconds = Math.max(seconds, 0);
  if (seconds < 1_000) return seconds.toFixed(2);
  return seconds < 10_000 ? seconds.toFixed(1) : seconds.toFixed(0);
}

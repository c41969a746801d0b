// @ts-check
// The server's clock, as far as a page can know it.

let offset = 0;

/** Set by the time that the page was rendered at, against the moment its first byte arrived. @param {string} served */
export function setClock(served) {
  const [entry] = performance.getEntriesByType("navigation");
  const began = /** @type {PerformanceNavigationTiming|undefined} */ (entry)?.responseStart;
  const arrived = performance.timeOrigin + (began || performance.now());
  const found = Date.parse(served) - arrived;
  // A page from the history cache, or a clock that is right to a breath, tells nothing better than the machine's own.
  offset = Number.isFinite(found) && Math.abs(found) > 250 ? found : 0;
}

/**
 * The server said a moment ago what time it has: the machine's own clock may have been set since. `within`: the word is
 * at most so many milliseconds old. @param {string} served @param {number} within
 */
export function hearClock(served, within) {
  const found = Date.parse(served) - Date.now();
  if (within < 2_000 && Math.abs(found - offset) > 1_000 + within) offset = Math.abs(found) > 1_000 + within ? found : 0;
}

/** Milliseconds since 1970 by the server's clock. */
export const now = () => Date.now() + offset;

/**
 * Calls `work` now and every second while the page is visible. `hidden`: and every so many seconds while it is not.
 * @param {() => void} work @param {number} [hidden]
 */
export function everySecond(work, hidden = Infinity) {
  let due = 0;
  work();
  setInterval(() => {
    if (document.hidden && performance.now() < due) return;
    due = performance.now() + hidden * 1000;
    work();
  }, 1000);
  document.addEventListener("visibilitychange", () => document.hidden || work());
}

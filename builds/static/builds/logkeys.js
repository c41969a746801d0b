// @ts-check
// The keys of a build's page: through its log by steps, matches and errors.

/**
 * @typedef {import("./keys.js").Key} Key
 * @typedef {import("./log.js").LogView} LogView
 * @typedef {import("./searchpanel.js").SearchPanel} SearchPanel
 */

/** @param {LogView} log @param {SearchPanel} search @returns {Key[]} */
export function logKeys(log, search) {
  const error = () => {
    const known = document.getElementById("log")?.dataset.firstError;
    const link = /** @type {HTMLAnchorElement|null} */ (document.querySelector("#failure .cause.first a[href*='#']"));
    return known ? `#${known}` : link?.hash; // it failed before one's eyes
  };
  const go = (/** @type {number} */ by) => {
    const { step, line } = log.at();
    log.show(stepBeside(step, line, log.totals().length, by), 0);
  };
  return [
    { key: "/", does: "search in the log", run: () => search.focus() },
    { key: "n", does: "next match", run: () => search.go("next"), repeats: true },
    { key: "N", does: "previous match", run: () => search.go("previous"), repeats: true },
    { key: "j", does: "next step", run: () => go(1), repeats: true },
    { key: "k", does: "this step's beginning, then the previous step", run: () => go(-1), repeats: true },
    { key: "e", does: "first error, of a build that failed", run: () => log.goTo(error() || "") },
    { key: ".", does: "newest line", run: () => newest(log) },
    { key: "f", does: "follow the newest line, or stop", run: () => !log.follow.toggle.hidden && log.follow.toggle.click() },
    { key: "w", does: "wrap long lines, or not", run: () => document.getElementById("wrap")?.click() },
  ];
}

/**
 * The step to go to from line `line` of step `step`: backwards that is first its own beginning. Pure.
 * @param {number} step position @param {number} line @param {number} count of steps @param {number} by 1 or -1
 */
export function stepBeside(step, line, count, by) {
  if (by < 0 && line > 1) return step;
  return Math.min(Math.max(step + by, 0), count - 1);
}

/** @param {LogView} log */
function newest(log) {
  if (log.follow.toggle.hidden) log.toEnd();
  else log.follow.press();
}

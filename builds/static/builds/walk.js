// @ts-check
// Walking through the rows of a page by keyboard: the focus is on a row's link, so that whatever reads the page aloud,
// and the Enter key, know where one is.

/** @typedef {import("./keys.js").Key} Key */

/** The keys that walk through the rows of builds in `main`. @param {HTMLElement} main @returns {Key[]} */
export function walkKeys(main) {
  const rows = () => /** @type {HTMLElement[]} */ ([...main.querySelectorAll(".rows .row[data-key] a")]);
  /** The row that was walked to last, for when the focus is elsewhere. @type {string|undefined} */
  let last;
  const go = (/** @type {number} */ by) => {
    const links = rows();
    const at = links.findIndex((link) => link === document.activeElement);
    const before = links.findIndex((link) => keyOf(link) === last);
    const next = links[at < 0 && before >= 0 ? before : step(at, links.length, by)];
    last = next && keyOf(next);
    next?.focus();
  };
  const open = () => {
    const link = rows().find((one) => one === document.activeElement);
    (link || rows().find((one) => keyOf(one) === last))?.click();
  };
  const home = () => {
    const first = /** @type {HTMLElement|null} */ (main.querySelector(".row.run[data-key] a")) || rows()[0];
    last = first && keyOf(first);
    first?.focus();
  };
  return [
    { key: "j", does: "next build", run: () => go(1), repeats: true },
    { key: "k", does: "previous build", run: () => go(-1), repeats: true },
    { key: "o", also: ["Enter"], does: "open the build", run: open },
    { key: ".", does: "first running build, else the newest", run: home },
  ];
}

/** From row `at` (-1: none yet) of `count` by one: the first and the last are the ends. Pure.
 * @param {number} at @param {number} count @param {number} by */
export function step(at, count, by) {
  if (at < 0) return by > 0 ? 0 : count - 1;
  return Math.min(Math.max(at + by, 0), count - 1);
}

/** @param {Element} link */
const keyOf = (link) => link.closest("[data-key]")?.getAttribute("data-key") || undefined;

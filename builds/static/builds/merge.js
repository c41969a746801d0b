// @ts-check
// Puts a newly rendered page's parts in the place of the old ones, and touches nothing that did not change.

/** @type {Document|null} */
let held = null;

/**
 * Every `data-live` part of `fresh` replaces that of `main`. While the pointer is over a list whose rows would move, the
 * change waits behind a button, but not for ever. @param {HTMLElement} main @param {Document} fresh
 * @param {boolean} [now] whatever the pointer is over
 */
export function merge(main, fresh, now = false) {
  const moves = changedKeys(main, fresh);
  if (!now && moves && main.querySelector(".rows:hover")) {
    hold(main, fresh, moves);
    return;
  }
  release();
  document.title = fresh.title;
  replaceIcon(fresh);
  for (const part of main.querySelectorAll("[data-live]")) {
    const next = fresh.querySelector(`[data-live="${part.getAttribute("data-live")}"]`);
    if (next && !same(part, next)) replacePart(part, next);
  }
}

/** @param {Element} part @param {Element} next */
function replacePart(part, next) {
  const focused = /** @type {HTMLElement|null} */ (part.contains(document.activeElement) ? document.activeElement : null);
  const address = focused?.getAttribute("href");
  const known = new Map([...part.querySelectorAll("[data-key]")].map((row) => [row.getAttribute("data-key"), row]));
  const made = document.importNode(next, true);
  for (const row of made.querySelectorAll("[data-key]")) {
    const old = known.get(row.getAttribute("data-key"));
    if (old && same(old, row)) row.replaceWith(old); // its figures have gone on counting here
  }
  part.replaceChildren(...made.childNodes);
  part.className = made.className;
  if (address) /** @type {HTMLElement|null} */ (part.querySelector(`[href="${CSS.escape(address)}"]`))?.focus();
}

/** Whether both are rendered from the same state: what only counts on by the clock is set aside. */
function same(/** @type {Element} */ one, /** @type {Element} */ other) {
  return still(one) === still(other);
}

/** @param {Element} element */
function still(element) {
  const copy = /** @type {Element} */ (element.cloneNode(true));
  for (const counted of copy.querySelectorAll("[data-since], [data-ago], [data-slot]")) {
    counted.textContent = "";
    counted.removeAttribute("width");
  }
  for (const row of [copy, ...copy.querySelectorAll("[data-build]")]) row.removeAttribute("data-build");
  return copy.outerHTML;
}

/** How many rows would come or go. @param {Element} main @param {Document} fresh */
function changedKeys(main, fresh) {
  const keys = (/** @type {ParentNode} */ root) =>
    [...root.querySelectorAll("[data-live] .rows [data-key]")].map((row) => row.getAttribute("data-key"));
  const [before, after] = [keys(main), keys(fresh)];
  if (before.join() === after.join()) return 0;
  return Math.max(after.filter((key) => !before.includes(key)).length, 1);
}

/** @param {HTMLElement} main @param {Document} fresh @param {number} moves */
function hold(main, fresh, moves) {
  held = fresh;
  const button = document.getElementById("held") || makeButton(main);
  button.textContent = moves === 1 ? "Show the change" : `Show ${moves} changes`;
}

/** @param {HTMLElement} main */
function makeButton(main) {
  const button = document.createElement("button");
  button.id = "held";
  button.type = "button";
  button.className = "btn";
  const show = () => held && merge(main, held, true);
  button.addEventListener("click", show);
  document.querySelector(".top .end")?.prepend(button);
  const since = Date.now();
  const leave = setInterval(() => {
    if (!main.querySelector(".rows:hover") || Date.now() - since > 30_000) {
      clearInterval(leave);
      const waiting = held;
      release();
      if (waiting) merge(main, waiting, true);
    }
  }, 250);
  return button;
}

function release() {
  held = null;
  document.getElementById("held")?.remove();
}

/** @param {Document} fresh */
function replaceIcon(fresh) {
  const [old, next] = [document, fresh].map((page) => page.getElementById("icon"));
  const href = next?.getAttribute("href");
  if (old && href && old.getAttribute("href") !== href) old.setAttribute("href", href);
}

// @ts-check
// Puts a newly rendered page's parts in the place of the old ones, and touches nothing that did not change. What would
// move the row under the pointer waits behind a button; until then rows change where they stand.

/** @type {Document|null} */
let held = null;
/** When the pointer last moved: one that rests for long points at nothing. */
let moved = 0;
globalThis.document?.addEventListener("pointermove", () => (moved = Date.now()), { passive: true });

const REST = 30_000;
/** What a page's rows stand on: whatever of these comes or goes moves what is below it. */
const BLOCKS = ".rows [data-key], .sec, .message, .said, .empty, .quiet, .help, .pager";

/**
 * Every `data-live` part of `fresh` replaces that of `main`. Of the column that the pointer points into, only if no row
 * moves by it. @param {HTMLElement} main @param {Document} fresh @param {boolean} [now] whatever the pointer is over
 */
export function merge(main, fresh, now = false) {
  const list = now ? null : main.querySelector(".rows:hover");
  const pairs = partsOf(main, fresh);
  const near = list ? pairs.filter(([part]) => mayMove(part, list)) : [];
  const waits = near.some(([part, next]) => shape(part).join() !== shape(next).join());
  document.title = fresh.title;
  replaceIcon(fresh);
  keepFocus(main, () => {
    for (const [part, next] of pairs) {
      if (waits && near.some(([one]) => one === part)) changeInPlace(part, fresh);
      else if (!same(part, next)) replacePart(part, next);
    }
  });
  if (waits) hold(main, fresh, said(keysOf(near.map(([part]) => part)), keysOf(near.map(([, next]) => next))));
  else release();
}

/** What the button says. Pure. @param {string[]} before keys of the rows that are shown @param {string[]} after */
export function said(before, after) {
  const fresh = after.filter((key) => !before.includes(key)).length;
  return fresh ? `${fresh} new` : "Put in order";
}

/** @param {HTMLElement} main @param {Document} fresh @returns {[Element, Element][]} */
function partsOf(main, fresh) {
  return [...main.querySelectorAll("[data-live]")].flatMap((part) => {
    const next = fresh.querySelector(`[data-live="${part.getAttribute("data-live")}"]`);
    return next ? [/** @type {[Element, Element]} */ ([part, next])] : [];
  });
}

/** Whether `part` stands in the same column as `list`. @param {Element} part @param {Element} list */
function mayMove(part, list) {
  const [one, other] = [part.getBoundingClientRect(), list.getBoundingClientRect()];
  return one.left < other.right && other.left < one.right;
}

/** @param {Element} root @returns {string[]} */
function shape(root) {
  return [...root.querySelectorAll(BLOCKS)].map((block) => {
    const key = block.getAttribute("data-key");
    return key ? `${key} ${isTall(block)}` : block.className;
  });
}

/** A row's height follows from what it says: one that runs has a bar. @param {Element} row */
const isTall = (row) => row.matches(".run:not(.low), .tall");

/** @param {Element[]} parts */
function keysOf(parts) {
  const rows = parts.flatMap((part) => [...part.querySelectorAll(".rows [data-key]")]);
  return rows.map((row) => row.getAttribute("data-key") || "");
}

/** Each row says what is so now, where it stands and as high as it is. @param {Element} part @param {Document} fresh */
function changeInPlace(part, fresh) {
  for (const row of part.querySelectorAll(".rows [data-key]")) {
    const next = fresh.querySelector(`[data-key="${row.getAttribute("data-key")}"]`);
    if (!next) {
      row.classList.add("gone");
      row.removeAttribute("data-build");
    } else if (!same(row, next)) {
      const made = /** @type {Element} */ (document.importNode(next, true));
      if (isTall(row) !== isTall(made)) made.classList.add(isTall(row) ? "tall" : "low");
      row.replaceWith(made);
    }
  }
}

/** @param {Element} part @param {Element} next */
function replacePart(part, next) {
  const known = new Map([...part.querySelectorAll("[data-key]")].map((row) => [row.getAttribute("data-key"), row]));
  const made = document.importNode(next, true);
  for (const row of made.querySelectorAll("[data-key]")) {
    const old = known.get(row.getAttribute("data-key"));
    if (old && same(old, row)) row.replaceWith(old); // its figures have gone on counting here
  }
  part.replaceChildren(...made.childNodes);
  part.className = made.className;
}

/** Whoever walks through the rows stays on theirs, also when it moves to another list, and on a link whose address
 * changes: such a one says by `rel` which it is.
 * @param {HTMLElement} main @param {() => void} work */
function keepFocus(main, work) {
  const focused = main.contains(document.activeElement) ? document.activeElement : null;
  const same = ["id", "href", "rel"].flatMap((name) => {
    const value = focused?.getAttribute(name);
    return value ? [`[${name}="${CSS.escape(value)}"]`] : [];
  });
  work();
  if (document.activeElement === focused) return;
  const found = same.map((one) => /** @type {HTMLElement|null} */ (main.querySelector(one))).find(Boolean);
  found?.focus({ preventScroll: true });
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

/** @param {HTMLElement} main @param {Document} fresh @param {string} text */
function hold(main, fresh, text) {
  held = fresh;
  const button = document.getElementById("held") || makeButton(main);
  if (button.textContent !== text) button.textContent = text;
}

/** @param {HTMLElement} main */
function makeButton(main) {
  const button = document.createElement("button");
  button.id = "held";
  button.type = "button";
  button.className = "btn";
  button.title = "Rows wait so that none moves under the pointer";
  const show = () => held && merge(main, held, true);
  button.addEventListener("click", show);
  document.querySelector(".top .end")?.prepend(button);
  const since = Date.now();
  const leave = setInterval(() => {
    if (!button.isConnected) clearInterval(leave);
    else if (!main.querySelector(".rows:hover") || Date.now() - Math.max(since, moved) > REST) show();
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

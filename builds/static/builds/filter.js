// @ts-check
// The board's filter while the page is open: each change is a new address, and the page shows what that asks for. A
// build's number is the server's to find: that one is sent as the form stands.

/** @param {HTMLElement} main @param {(fromHistory: boolean) => void} show what the address now asks for */
export function liveFilter(main, show) {
  if (!form()) return;
  main.addEventListener("change", (event) => isOwn(event.target) && apply());
  main.addEventListener("input", (event) => {
    // A suggestion that is picked is no `change` before the field is left.
    const kind = /** @type {InputEvent} */ (event).inputType;
    const { target } = event;
    if (target instanceof HTMLInputElement && target.hasAttribute("list") && (!kind || kind === "insertReplacementText")) apply();
  });
  main.addEventListener("submit", (event) => {
    if (event.target !== form() || new FormData(/** @type {HTMLFormElement} */ (form())).get("number")) return;
    event.preventDefault();
    apply();
  });
  let shown = location.search;
  addEventListener("popstate", () => {
    if (location.search === shown) return; // only an anchor, such as the one that unfolds the form
    shown = location.search;
    show(true);
  });
  document.addEventListener("click", (event) => shutMenus(/** @type {Node} */ (event.target)));
  document.addEventListener("keydown", (event) => event.key === "Escape" && leave());

  function apply() {
    const asked = /** @type {HTMLFormElement} */ (form());
    const fields = new FormData(asked);
    const query = queryOf(/** @type {[string, string][]} */ ([...fields.entries()]));
    const chosen = asked.querySelector("[data-slot=statuses]");
    if (chosen) chosen.textContent = fields.getAll("status").join(", ") || "Any status";
    if (query === location.search) return;
    history.pushState(null, "", location.pathname + query + location.hash);
    shown = location.search;
    show(false);
  }
}

/** Where `/` leads: its first field; where there is little room the form is folded away, and its anchor unfolds it. */
export function enterFilter() {
  const first = /** @type {HTMLInputElement|null|undefined} */ (form()?.querySelector("input"));
  if (first && !first.offsetParent) location.hash = "filter";
  first?.focus();
  first?.select();
}

/** The form as it is in the page that the server rendered for the address; it stays the target of an anchor, and unfolded.
 * @param {Document} fresh */
export function restore(fresh) {
  const next = fresh.getElementById("filter");
  if (next) form()?.replaceChildren(...document.importNode(next, true).childNodes);
}

/** The address of what the fields ask for, as the server would shorten it: `?project=p&status=failed`, or nothing. Pure.
 * @param {[string, string][]} fields */
export function queryOf(fields) {
  const said = fields.filter(([name, value]) => value.trim() && name !== "number");
  const period = said.find(([name]) => name === "when")?.[1] || "";
  const byDays = period === "dates" || !period;
  const kept = said.filter(([name, value]) => (name === "when" ? value !== "dates" : byDays || !["from", "to"].includes(name)));
  const query = new URLSearchParams(kept.map(([name, value]) => [name, value.trim()])).toString();
  return query && `?${query}`;
}

const form = () => /** @type {HTMLFormElement|null} */ (document.getElementById("filter"));

/** @param {EventTarget|null} target */
function isOwn(target) {
  const field = /** @type {HTMLInputElement} */ (target);
  return Boolean(field.form) && field.form === form() && field.name !== "number";
}

/** A menu is open until one is elsewhere. @param {Node} at */
function shutMenus(at) {
  for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(at)) menu.removeAttribute("open");
}

/** Escape: out of the menu, then out of the form, so that the page's keys work again. */
function leave() {
  const at = /** @type {HTMLElement|null} */ (document.activeElement);
  if (!at || !form()?.contains(at)) return;
  const menu = at.closest("details.menu[open]");
  if (menu) {
    menu.removeAttribute("open");
    /** @type {HTMLElement|null} */ (menu.querySelector("summary"))?.focus();
  } else {
    at.blur();
  }
}

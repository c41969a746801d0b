// @ts-check
// What a click does to the log: on a step's heading, a group's name, a line's number; and on a link to where one is already.

/** @param {HTMLElement} root @param {import("./log.js").LogView} view */
export function listenForClicks(root, view) {
  root.addEventListener("click", (event) => clicked(event, view));
  document.addEventListener("click", (event) => !root.contains(/** @type {Node} */ (event.target)) && linked(event, view));
}

/** @param {MouseEvent} event @param {import("./log.js").LogView} view */
function clicked(event, view) {
  const target = /** @type {HTMLElement} */ (event.target);
  const heading = /** @type {HTMLElement|null} */ (target.closest(".fold"));
  const group = /** @type {HTMLElement|null} */ (target.closest(".grpname"));
  const number = /** @type {HTMLAnchorElement|null} */ (target.closest(".ln > a"));
  if (heading) view.toggle(Number(heading.dataset.step));
  else if (group) view.toggleGroup(Number(group.dataset.step), Number(group.dataset.group));
  else if (number && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    view.pick(number.hash, event.shiftKey);
  }
}

/** A link to where the address is already: the browser does nothing, and the reader has scrolled away.
 * @param {MouseEvent} event @param {import("./log.js").LogView} view */
function linked(event, view) {
  const link = /** @type {Element} */ (event.target).closest?.("a");
  if (link?.hash && link.href === location.href && !event.defaultPrevented) view.goTo(link.hash);
}

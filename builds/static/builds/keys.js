// @ts-check
// The keys of a page: what each does, and the dialog that lists them. A page binds its own with `bindKeys`; `?` comes
// with them where the page has the dialog (templates/builds/keys.html).

import { remember, remembered } from "./memory.js";

/**
 * @typedef {object} Key
 * @property {string} key as in `KeyboardEvent.key`: `j`, `N`, `/`
 * @property {string} does in a few words, for the list
 * @property {(event: KeyboardEvent) => void} run
 * @property {boolean} [repeats] it goes on while the key is held down
 * @property {string[]} [also] other keys that the browser itself gives the same meaning, for the list
 */

/**
 * @typedef {{key: string, ctrlKey: boolean, altKey: boolean, metaKey: boolean, repeat: boolean, isComposing: boolean,
 *   defaultPrevented: boolean, target: unknown}} Press
 */

const FIELDS = new Set(["input", "textarea", "select"]);
/** Inputs that take no letters. A box that is no longer shown keeps the focus for a moment. */
const SILENT = new Set(["button", "checkbox", "color", "file", "image", "radio", "reset", "submit"]);

/** Listens for `keys` as long as the page is there. @param {Key[]} keys */
export function bindKeys(keys) {
  const dialog = /** @type {HTMLDialogElement|null} */ (document.getElementById("keys"));
  const help = { key: "?", does: "this list", run: () => dialog?.showModal() };
  const all = dialog ? [...keys, help] : keys;
  if (dialog) list(dialog, all);
  const box = /** @type {HTMLInputElement|null} */ (document.getElementById("keys-on"));
  if (box) box.checked = remembered("keys") !== "0";
  box?.addEventListener("change", () => remember("keys", box.checked ? "1" : "0"));
  addEventListener("storage", ({ key, newValue }) => box && key === "keys" && (box.checked = newValue !== "0")); // of another tab
  document.addEventListener("keydown", (event) => {
    const found = document.querySelector("dialog[open]") ? null : pressed(!box || box.checked ? all : [help], event);
    if (!found) return;
    event.preventDefault();
    found.run(event);
  });
}

/** Which of `keys` is meant; none while one types, and none with a modifier, which are the browser's own. Pure.
 * @template {Pick<Key, "key"|"repeats">} K @param {K[]} keys @param {Press} event @returns {K|null} */
export function pressed(keys, event) {
  if (event.defaultPrevented || event.isComposing || event.ctrlKey || event.altKey || event.metaKey) return null;
  if (isField(event.target)) return null;
  const found = keys.find((one) => one.key === event.key);
  return found && (!event.repeat || found.repeats) ? found : null;
}

/** Whether what is typed goes into `target`. @param {unknown} target */
export function isField(target) {
  const element = /** @type {HTMLElement|null} */ (target);
  if (!element) return false;
  const { type } = /** @type {HTMLInputElement} */ (element);
  return element.isContentEditable || (FIELDS.has(element.localName) && !SILENT.has(type));
}

/** @param {HTMLDialogElement} dialog @param {Key[]} keys */
function list(dialog, keys) {
  const entries = keys.flatMap(({ key, also = [], does }) => {
    const term = document.createElement("dt");
    term.append(...[key, ...also].flatMap((one, at) => [at ? " or " : "", cap(one)]));
    const meaning = document.createElement("dd");
    meaning.textContent = does;
    return [term, meaning];
  });
  dialog.querySelector("dl")?.replaceChildren(...entries);
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close()); // beside it
  const hint = document.getElementById("keys-hint");
  if (!hint) return;
  hint.hidden = false;
  hint.addEventListener("click", () => dialog.showModal());
}

/** @param {string} key */
function cap(key) {
  const made = document.createElement("kbd");
  made.textContent = key;
  return made;
}

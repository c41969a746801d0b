// @ts-check
// What both kinds of live pages share: opening the connection, and minding the page's own comings and goings.

import { hearClock, now, setClock } from "./clock.js";
import { showPill } from "./pill.js";
import { Connection } from "./stream.js";

/**
 * @param {HTMLElement} main carries cursor, world and addresses in its data attributes
 * @param {{dense: boolean, settled?: boolean, onEvent: (event: import("./stream.js").Happening) => void,
 *   onOver?: () => void}} options
 */
export function goLive(main, { dense, settled = false, onEvent, onOver }) {
  const { cursor, world, events, poll, login, now: served } = /** @type {Record<string, string>} */ ({ ...main.dataset });
  setClock(served);
  /** @type {() => void} */
  let show = () => {};
  const connection = new Connection({
    events,
    poll,
    world,
    cursor: Number(cursor),
    dense,
    clock: now,
    onClock: hearClock,
    onEvent,
    onState: () => {
      show();
      if (connection.over) onOver?.();
    },
    onReset: reloadOnce,
  });
  show = showPill(connection, login);
  const look = () => (document.hidden ? connection.hide() : connection.show());
  addEventListener("pagehide", () => connection.sleep());
  addEventListener("pageshow", (event) => event.persisted && look()); // from the history: its stream was closed
  addEventListener("online", () => connection.wake());
  addEventListener("offline", () => connection.doubt());
  document.addEventListener("visibilitychange", look);
  connection.start(settled, document.hidden);
  show();
  return connection;
}

/** The page's cursor is void: load the page again, but never in a circle. */
function reloadOnce() {
  const key = `reset ${location.pathname}`;
  try {
    const before = Number(sessionStorage.getItem(key) || 0);
    if (Date.now() - before < 15_000) return;
    sessionStorage.setItem(key, String(Date.now()));
  } catch {
    return; // a browser that keeps nothing cannot tell a circle: the person loads it, the pill asks for that
  }
  location.reload();
}

/** Keeps `3 min ago` and elapsed times counting. @param {ParentNode} root @param {{duration: Function, ago: Function}} words */
export function tickTimes(root, words) {
  const moment = now();
  for (const element of root.querySelectorAll("time[data-ago]")) {
    set(element, words.ago((moment - Date.parse(/** @type {HTMLTimeElement} */ (element).dateTime)) / 1000));
  }
  for (const element of /** @type {NodeListOf<HTMLElement>} */ (root.querySelectorAll("[data-since]"))) {
    set(element, words.duration((moment - Date.parse(/** @type {string} */ (element.dataset.since))) / 1000));
  }
}

/** @param {Element|null|undefined} element @param {string} text */
export function set(element, text) {
  if (element && element.textContent !== text) element.textContent = text;
}

/** A second press starts nothing twice; the button says that the first one was heard. @param {ParentNode} root */
export function pressOnce(root) {
  for (const form of /** @type {NodeListOf<HTMLFormElement>} */ (root.querySelectorAll("form[data-once]"))) {
    form.addEventListener("submit", (event) => {
      if (form.dataset.sent) event.preventDefault();
      form.dataset.sent = "1";
    });
  }
  addEventListener("pageshow", () => {
    for (const form of /** @type {NodeListOf<HTMLFormElement>} */ (root.querySelectorAll("form[data-sent]"))) {
      delete form.dataset.sent;
    }
  });
}

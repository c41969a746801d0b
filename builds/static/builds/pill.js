// @ts-check
// The connection in one word, and when it was last heard.

import { announce } from "./announce.js";

/** @typedef {import("./stream.js").State} State */

/** @type {Record<string, [css: string, word: string]>} */
const WORDS = {
  connecting: ["catching", "Connecting"],
  live: ["live", "Live"],
  catching: ["catching", "Catching up"],
  reconnecting: ["reconnecting", "Reconnecting"],
  polling: ["polling", "Polling"],
  offline: ["offline", "Offline"],
  ended: ["complete", "Complete"],
  gone: ["offline", "Gone"],
  denied: ["offline", "Signed out"],
  stuck: ["offline", "Load this page again"],
};

/**
 * What the pill says. Pure.
 * @param {State} state @param {number|null} silence seconds since something was heard
 * @returns {{css: string, word: string, detail: string}}
 */
export function describe(state, silence) {
  const [css, word] = WORDS[state.name] || WORDS.offline;
  const heard = silence === null ? "" : silence < 1 ? "heard now" : `heard ${Math.floor(silence)} s ago`;
  if (state.detail) return { css, word, detail: state.detail };
  return { css, word, detail: ["live", "reconnecting", "offline"].includes(state.name) ? heard : "" };
}

/** @param {import("./stream.js").Connection} connection @param {string} login address of the sign-in page */
export function showPill(connection, login) {
  const pill = /** @type {HTMLElement} */ (document.getElementById("pill"));
  const [word, detail] = /** @type {HTMLElement[]} */ ([...pill.children]);
  let shown = "";
  const show = () => {
    const { state } = connection;
    const said = describe(state, connection.silence());
    pill.hidden = false;
    pill.className = `pill ${said.css}`;
    pill.title = said.detail;
    setText(word, said.word);
    if (state.name === "denied") {
      const link = document.createElement("a");
      link.href = `${login}?next=${encodeURIComponent(location.pathname + location.search)}`;
      link.textContent = "sign in";
      detail.replaceChildren(link);
    } else {
      setText(detail, said.detail);
    }
    document.body.classList.toggle("stale", !["live", "polling", "ended"].includes(state.name));
    if (shown && shown !== state.name && !["connecting", "catching"].includes(state.name)) announce(`Connection: ${said.word}`);
    shown = state.name;
  };
  return show;
}

/** @param {Element} element @param {string} text */
function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// @ts-check
// The connection in one word, and when it was last heard.

import { announce } from "./announce.js";
import { duration } from "./words.js";

/** @typedef {import("./stream.js").State} State */

/** @type {Record<string, [css: string, word: string]>} */
const WORDS = {
  connecting: ["catching", "Connecting"],
  live: ["live", "Live"],
  silent: ["reconnecting", "Silent"],
  catching: ["catching", "Catching up"],
  away: ["reconnecting", "Database away"],
  reconnecting: ["reconnecting", "Reconnecting"],
  polling: ["polling", "Polling"],
  offline: ["offline", "Offline"],
  resting: ["catching", "Resting"],
  ended: ["complete", "Complete"],
  gone: ["offline linked", "Gone"],
  denied: ["offline linked", "Signed out"],
  stuck: ["offline", "Load this page again"],
};

/** While the page hears nothing, it cannot know what goes on. */
const DEAF = new Set(["silent", "away", "reconnecting", "offline", "gone", "denied", "stuck"]);

/** Whether what is shown may be counted on from what was heard. Pure. @param {State} state */
export const hears = (state) => !DEAF.has(state.name);

/**
 * What the pill says. Pure.
 * @param {State} state @param {number|null} silence seconds since something was heard
 * @returns {{css: string, word: string, detail: string}}
 */
export function describe(state, silence) {
  const [css, word] = WORDS[state.name] || WORDS.offline;
  const heard = silence === null ? "" : silence < 1 ? "heard now" : `heard ${duration(silence)} ago`;
  if (state.detail) return { css, word, detail: state.detail };
  if (state.name === "away") return { css, word, detail: "what is shown may be old" };
  if (state.name === "resting") return { css, word, detail: "the tab is hidden" };
  if (state.name === "live") return { css, word, detail: heard };
  return { css, word, detail: heard && ["silent", "reconnecting", "offline"].includes(state.name) ? `last ${heard}` : "" };
}

/** @param {import("./stream.js").Connection} connection @param {string} login address of the sign-in page */
export function showPill(connection, login) {
  const pill = /** @type {HTMLElement} */ (document.getElementById("pill"));
  const [word, detail] = /** @type {HTMLElement[]} */ ([...pill.children]);
  let shown = "";
  let returning = false; // to a tab that was hidden: that it connects is no news
  const show = () => {
    const { state } = connection;
    const said = describe(state, connection.silence());
    pill.hidden = false;
    pill.className = `pill ${said.css}`;
    pill.title = said.detail;
    setText(word, said.word);
    if (state.name === "denied") link(detail, `${login}?next=${encodeURIComponent(location.pathname + location.search)}`, "sign in");
    else if (state.name === "gone") link(detail, "/", "to the board");
    else setText(detail, said.detail);
    document.body.classList.toggle("stale", !["live", "polling", "ended"].includes(state.name));
    returning = state.name === "resting" || (returning && ["connecting", "catching", "reconnecting"].includes(shown));
    const news = shown && shown !== state.name && !["connecting", "catching", "resting"].includes(state.name);
    if (news && !(returning && ["live", "polling"].includes(state.name))) announce(`Connection: ${said.word}`);
    shown = state.name;
  };
  return show;
}

/** @param {Element} element @param {string} address @param {string} text */
function link(element, address, text) {
  if (element.firstElementChild?.textContent === text) return;
  const made = document.createElement("a");
  made.href = address;
  made.textContent = text;
  element.replaceChildren(made);
}

/** @param {Element} element @param {string} text */
function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

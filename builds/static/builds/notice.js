// @ts-check
// "Notify me": the browser tells when a build ends. Asked for by its button alone, and remembered for that build.

import { isFinal } from "./progress.js";
import * as words from "./words.js";

const KEY = "notify";
/** So many builds are remembered; those that were left before they ended fall out some day. */
const MOST = 50;

/**
 * @param {HTMLButtonElement|null} button with the project's name in its data; null: the page has none
 * @param {words.Build} build @param {(on: boolean) => void} watched whether the end is to be noticed soon, also while hidden
 * @param {any} [browser]
 * @returns {(build: words.Build) => void} to be called with each state of the build
 */
export function offerNotice(button, build, watched, browser = globalThis) {
  if (!button || isFinal(build.status)) return () => {};
  const memory = new Memory(browser, build.id);
  const project = button.dataset.name || build.project;
  let on = memory.has() && permission(browser) === "granted";
  let over = false;
  const show = (/** @type {string} */ refused = "") => {
    button.hidden = over && refused === "";
    button.disabled = refused !== "";
    button.textContent = refused || (on ? "Will notify" : "Notify me");
    button.setAttribute("aria-pressed", String(on));
    watched(on && !over);
  };
  const turn = (/** @type {boolean} */ next) => {
    on = next;
    memory.put(on);
    show(on ? "" : refusal(browser));
  };
  button.addEventListener("click", async () => {
    if (on) return turn(false);
    if (permission(browser) === "default") await browser.Notification.requestPermission();
    if (!over) turn(permission(browser) === "granted");
  });
  show(refusal(browser));
  return (next) => {
    if (over || !isFinal(next.status)) return;
    over = true;
    const told = !on || tell(browser, said(next, project), next);
    memory.put(false);
    show(told ? "" : "The browser did not notify");
  };
}

/** `Build 42 of Compiler failed after 3 m 05 s`. Pure. @param {words.Build} build @param {string} project */
export function said({ id, status, started_at, finished_at }, project) {
  const took = started_at && finished_at ? (Date.parse(finished_at) - Date.parse(started_at)) / 1000 : null;
  return `Build ${id} of ${project} ${status === "lost" ? "was lost" : status === "cancelled" ? "was cancelled" : status}${took === null ? "" : ` after ${words.duration(took)}`}`;
}

/** @param {any} browser @param {string} title @param {words.Build} build @returns {boolean} whether it was told */
function tell(browser, title, build) {
  try {
    // The tag: two tabs of one build tell it once.
    const notice = new browser.Notification(title, { body: build.reason, tag: `build-${build.id}` });
    notice.onclick = () => {
      browser.focus();
      notice.close();
    };
    return true;
  } catch {
    return false; // a browser on a phone has the name, and takes notices from service workers alone
  }
}

/** Why it cannot be, in words for the button; empty: it can. @param {any} browser */
function refusal(browser) {
  if (!browser.isSecureContext) return "Notifications need HTTPS";
  if (!browser.Notification) return "No notifications in this browser";
  return permission(browser) === "denied" ? "Notifications are blocked" : "";
}

/** @param {any} browser @returns {string} */
const permission = (browser) => (browser.isSecureContext && browser.Notification?.permission) || "denied";

/** Which builds this browser is to tell of. One that keeps nothing forgets it with the page. */
class Memory {
  /** @param {any} browser @param {number} id */
  constructor(browser, id) {
    this.browser = browser;
    this.id = id;
  }

  /** @returns {number[]} */
  all() {
    try {
      const found = JSON.parse(this.browser.localStorage.getItem(KEY) || "[]");
      return Array.isArray(found) ? found : [];
    } catch {
      return [];
    }
  }

  has() {
    return this.all().includes(this.id);
  }

  /** @param {boolean} on */
  put(on) {
    const others = this.all().filter((id) => id !== this.id);
    if (!on && others.length === this.all().length) return;
    try {
      this.browser.localStorage.setItem(KEY, JSON.stringify([...others, ...(on ? [this.id] : [])].slice(-MOST)));
    } catch {
      // full, or forbidden
    }
  }
}

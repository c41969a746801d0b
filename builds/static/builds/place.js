// @ts-check
// The place of a queued build. It changes with other builds and with workers, of which this build's own stream says
// nothing: so it is asked for again, and while it cannot be known it is not shown.

import { everySecond } from "./clock.js";
import { PATIENCE } from "./timers.js";

const EVERY = 3_000;

/**
 * @param {HTMLElement|null} place @param {() => boolean} waits whether the build is still queued
 * @param {{over: boolean}} connection of the page: when it is over, nothing more may be asked
 */
export function keepPlace(place, waits, connection) {
  if (!place) return;
  let due = performance.now() + EVERY;
  let asking = false;
  everySecond(async () => {
    if (connection.over && waits()) place.hidden = true;
    if (asking || performance.now() < due || !waits() || connection.over) return;
    asking = true;
    const began = performance.now();
    const fresh = await rendered();
    if (waits() && !connection.over) show(place, fresh);
    const now = performance.now();
    due = now + (fresh ? Math.max(EVERY, 20 * (now - began)) : EVERY); // at the pace that the server can well bear
    asking = false;
  });
}

/** As the server renders it now; null where it does not, or cannot be asked. @returns {Promise<Element|null>} */
async function rendered() {
  try {
    const answer = await fetch(location.pathname, { cache: "no-store", signal: AbortSignal.timeout(PATIENCE) });
    if (!answer.ok || answer.redirected) return null;
    return new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("[data-slot=place]");
  } catch {
    return null;
  }
}

/** @param {HTMLElement} place @param {Element|null} fresh */
function show(place, fresh) {
  place.hidden = !fresh;
  if (!fresh || (place.textContent === fresh.textContent && place.className === fresh.className)) return;
  place.className = fresh.className;
  place.replaceChildren(...document.importNode(fresh, true).childNodes);
}

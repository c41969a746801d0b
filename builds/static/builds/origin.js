// @ts-check
// What a build is of is known once its commit is checked out: the parts `#origin` and `#changes` of its page are fetched
// anew then. Where the commit's recipe has other steps than were expected, the page is loaded again: all of it is another.

import { ask } from "./failure.js";

const PARTS = ["origin", "changes"];

/**
 * @typedef {{commit?: string, steps: {name: string}[]}} Build
 * @param {Build} before @param {Build} next
 * @returns {"" | "parts" | "page"} what has to be fetched
 */
export function stale(before, next) {
  const names = (/** @type {Build} */ build) => JSON.stringify(build.steps.map((step) => step.name));
  if (names(before) !== names(next)) return "page";
  return before.commit === next.commit ? "" : "parts";
}

/** Fetch the page at `address`, and take its parts; without an answer what is there stays. @param {string} address */
export async function freshen(address) {
  const text = await ask(address);
  if (text === null) return;
  const fresh = new DOMParser().parseFromString(text, "text/html");
  for (const id of PARTS) {
    const part = fresh.getElementById(id);
    if (part) document.getElementById(id)?.replaceWith(document.importNode(part, true));
  }
}

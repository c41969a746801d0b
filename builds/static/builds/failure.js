// @ts-check
// Why a build failed: the part `#failure` of its page, from a page of its own, which takes longer to make.

const TIMES = 6;
const PAUSE = 3; // seconds, where the answer does not say

/** Fetches it once, when the build has failed; without an answer what is there stays, with its link. */
export async function showFailure() {
  const section = document.getElementById("failure");
  const address = section?.dataset.href;
  if (!section || !address || section.dataset.asked) return;
  section.dataset.asked = "1";
  const text = await ask(address);
  if (text === null) {
    delete section.dataset.asked; // it may be asked again
    return;
  }
  const fresh = new DOMParser().parseFromString(text, "text/html").getElementById("failure");
  if (fresh) section.replaceWith(document.importNode(fresh, true));
}

/**
 * The page at `address`; null: none came. Where the server is busy (503), it is asked for again a few times, later each
 * time, and not by all who look at the build at the same moment.
 * @param {string} address
 * @param {{fetch: (address: string) => Promise<Response>, setTimeout: (work: () => void, wait: number) => unknown, Math: {random: () => number}}} world
 * @returns {Promise<string|null>}
 */
export async function ask(address, world = window) {
  for (let time = 1; time <= TIMES; time += 1) {
    try {
      const answer = await world.fetch(address);
      if (answer.ok) return await answer.text();
      if (answer.status !== 503) return null;
      const least = Number(answer.headers.get("Retry-After")) || PAUSE;
      const wait = Math.min(least, 60) * time * (1 + world.Math.random());
      if (time < TIMES) await new Promise((resolve) => world.setTimeout(() => resolve(null), wait * 1000));
    } catch {
      return null; // no connection
    }
  }
  return null;
}

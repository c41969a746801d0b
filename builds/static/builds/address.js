// @ts-check
// Addresses of lines: `#4:118` is line 118 of the fourth step, `#4:118-140` those up to 140, `#step-4` the step.
// `#L118` and `#L118-L140` count through the whole log, step after step. Pure.

/** @typedef {{step: number, first: number, last: number}} Place  step: its position, from 0; 0 for both lines: the step */

const PARTS = /^#(?:(\d{1,4}):)?L?(\d{1,12})(?:-L?(\d{1,12}))?$/;

/** @param {string} hash @param {number[]} totals lines of each step @returns {Place|null} */
export function placeOf(hash, totals) {
  const step = /^#step-(\d{1,4})$/.exec(hash);
  if (step) return inside({ step: Number(step[1]) - 1, first: 0, last: 0 }, totals);
  const found = PARTS.exec(hash);
  if (!found || (!found[1] && !hash.startsWith("#L"))) return null;
  const [first, last] = [Number(found[2]), Number(found[3] || found[2])].sort((a, b) => a - b);
  if (first < 1) return null;
  if (found[1]) return inside({ step: Number(found[1]) - 1, first, last }, totals);
  let before = 0;
  for (let at = 0; at < totals.length; at += 1) {
    if (first <= before + totals[at]) return { step: at, first: first - before, last: Math.min(last - before, totals[at]) };
    before += totals[at];
  }
  return null;
}

/** @param {Place} place @param {number[]} totals */
function inside(place, totals) {
  return place.step >= 0 && place.step < totals.length ? place : null;
}

/** @param {Place} place */
export function addressOf({ step, first, last }) {
  if (!first) return `#step-${step + 1}`;
  return last > first ? `#${step + 1}:${first}-${last}` : `#${step + 1}:${first}`;
}

// @ts-check
// Where the steps of a build lie on one axis of time: the twin of builds/web/axis.py, held to it by a test.

const SMALLEST = 0.6;
const STEPS = [0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200];

/**
 * @typedef {[begin: number|null, end: number|null, usual: number|null]} StepSpan  seconds since the build began
 * @typedef {{x: number|null, width: number|null, usualX: number|null, usualWidth: number|null}} Span  percent
 */

/** @param {number} value */
const round = (value) => Math.floor(value * 100 + 0.5) / 100;

/**
 * @param {StepSpan[]} steps @param {number} now seconds since the build began
 * @param {(number[]|undefined)[]|null} [needs] of each, the places of those that are over before it begins
 * @returns {{seconds: number, spans: Span[], ticks: [number, string][]}}
 */
export function layOut(steps, now, needs = null) {
  const before = steps.map((_, at) => needs?.[at] ?? (at ? [at - 1] : []));
  /** @type {Map<number, number>} */
  const ends = new Map();
  /** @type {{began: boolean, start: number, stop: number|null, usual: number|null}[]} */
  const bars = [];
  let waiting = [...steps.keys()];
  while (waiting.length) {
    waiting = waiting.filter((at) => {
      if (before[at].some((one) => !ends.has(one))) return true;
      const [begin, end, usual] = steps[at];
      const start = begin === null ? Math.max(0, ...before[at].map((one) => Number(ends.get(one)))) : Math.max(begin, 0);
      const stop = begin === null ? null : Math.max(end === null ? now : end, start);
      bars[at] = { began: begin !== null, start, stop, usual };
      ends.set(at, end === null ? Math.max(start + (usual || 0), stop || 0) : stop || start);
      return false;
    });
  }
  let longest = Math.max(now, 1);
  for (const bar of bars) longest = Math.max(longest, bar.stop || 0, bar.start + (bar.usual || 0));
  const step = tick(longest);
  const scale = longest * 1.04;
  /** @type {[number, string][]} */
  const ticks = [];
  const last = Math.floor((scale * 0.94) / step);
  for (let at = 0; at <= last; at++) ticks.push([round(((at * step) / scale) * 100), label(at * step, !at)]);
  return {
    seconds: scale,
    ticks,
    spans: bars.map((bar) => ({
      x: bar.began ? round((bar.start / scale) * 100) : null,
      width: bar.stop !== null ? Math.max(round(((bar.stop - bar.start) / scale) * 100), SMALLEST) : null,
      usualX: bar.usual !== null ? round((bar.start / scale) * 100) : null,
      usualWidth: bar.usual !== null ? Math.max(round((bar.usual / scale) * 100), SMALLEST) : null,
    })),
  };
}

/** A round distance between ticks that gives three to six of them. @param {number} longest */
export function tick(longest) {
  for (const step of STEPS) if (longest / step <= 5) return step;
  return 86400 * Math.ceil(longest / 86400 / 5);
}

/** @param {number} seconds @param {boolean} [first] */
export function label(seconds, first = false) {
  if (first) return "0 s";
  if (seconds < 60) return String(Number(seconds.toPrecision(10)));
  if (seconds < 3600) return `${Math.floor(seconds / 60)}:${String(Math.floor(seconds) % 60).padStart(2, "0")}`;
  return `${Number((seconds / 3600).toPrecision(10))} h`;
}

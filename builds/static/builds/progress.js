// @ts-check
// How far a running build is, and how long still: the twin of builds/progress.py, held to it by a test.

const CEILING = 0.99;
/** With fewer passed builds nothing is said about what is usual. */
export const FEW = 3;
const KNEE = 0.9;
const FINAL = new Set(["passed", "failed", "cancelled", "lost", "skipped"]);

/**
 * @typedef {{status: string, expected: number|null, elapsed: number, own: number|null, needs?: number[]|null}} StepTime
 *   needs: places of the steps that are over before it begins; null: the one before it
 * @typedef {{fraction: number|null, remaining: number|null}} Estimate
 * @typedef {{fraction: number|null, remaining: number|null, low: number|null, high: number|null, fill: number|null,
 *   zone: number|null, outlasted: number}} Forecast  low, high: seconds from now; fill, zone: 0–1 of the bar
 */

/** @param {string} status */
export const isFinal = (status) => FINAL.has(status);

/**
 * Of a running build. @param {StepTime[]} steps @param {number} elapsed seconds that it has run
 * @param {number[]} durations of the last passed builds, ascending @param {number|null} [lanes] as `estimate` takes it
 * @returns {Forecast}
 */
export function forecast(steps, elapsed, durations, lanes = null) {
  const { fraction, remaining } = estimate(steps, lanes);
  elapsed = Math.max(elapsed, 0);
  const outlasted = durations.filter((one) => one < elapsed).length;
  const weights = weightsOf(steps);
  if (remaining === null || weights === null || durations.length < FEW) {
    return { fraction, remaining, low: null, high: null, fill: fraction, zone: null, outlasted };
  }
  const [low, usual, high] = spread(durations);
  let rest = 0;
  let whole = 0;
  /** What is left of each if it goes as usual, and none has taken too long already. @type {number[]} */
  const usually = [];
  /** @type {number[]} */
  const pending = [];
  steps.forEach((step, at) => {
    const weight = weights[at];
    const over = FINAL.has(step.status);
    const runs = step.status === "running";
    whole += weight;
    rest += over ? 0 : weight;
    pending.push(over || runs ? 0 : weight);
    if (runs) usually.push(hasWord(step) ? left(step, weight) : weight - Math.max(step.elapsed, 0));
    else usually.push(pending[at]);
  });
  const needs = needsOf(steps);
  const ahead = span(pending, needs, lanes);
  const end = elapsed + span(usually, needs, lanes);
  const share = Math.sqrt(rest / whole);
  const soonest = Math.max(end - (usual - low) * share, elapsed + ahead * (usual ? low / usual : 1));
  const latest = Math.max(end + (high - usual) * share, elapsed + remaining);
  return {
    fraction,
    remaining,
    low: soonest - elapsed,
    high: latest - elapsed,
    fill: latest ? Math.min(elapsed / latest, CEILING) : fraction,
    zone: latest ? Math.min(soonest / latest, 1) : 1,
    outlasted,
  };
}

/** Of ascending durations: the second-lowest of ten, the median, and the second-highest. @param {number[]} durations */
export function spread(durations) {
  const tenth = Math.floor(durations.length / 10);
  const half = Math.floor(durations.length / 2);
  const median = durations.length % 2 ? durations[half] : (durations[half - 1] + durations[half]) / 2;
  return [durations[tenth], median, durations[durations.length - 1 - tenth]];
}

/** Of a running build. @param {StepTime[]} steps @param {number|null} [lanes] so many run at a time @returns {Estimate} */
export function estimate(steps, lanes = null) {
  const weights = weightsOf(steps);
  if (weights === null) return withoutHistory(steps);
  const undone = [];
  const ahead = [];
  for (const [at, step] of steps.entries()) {
    const weight = weights[at];
    if (FINAL.has(step.status)) {
      undone.push(0);
      ahead.push(0);
    } else if (step.status === "running") {
      const part = step.own !== null ? step.own : settle(step.elapsed / weight);
      undone.push(weight * (1 - Math.min(part, CEILING)));
      ahead.push(left(step, weight));
    } else {
      undone.push(weight);
      ahead.push(weight);
    }
  }
  const needs = needsOf(steps);
  const done = Math.max(1 - span(undone, needs, lanes) / span(weights, needs, lanes), 0);
  return { fraction: Math.min(done, CEILING), remaining: span(ahead, needs, lanes) };
}

/** @param {StepTime[]} steps @returns {number[][]} */
const needsOf = (steps) => steps.map((step, at) => step.needs ?? (at ? [at - 1] : []));

/**
 * From the beginning to the end of steps that take so many seconds, each after those that it needs. Where `lanes` are
 * fewer than could run, at least what all of them take in so many lanes.
 * @param {number[]} seconds @param {number[][]} needs @param {number|null} lanes
 */
function span(seconds, needs, lanes) {
  const waits = needs.map((own) => own.length);
  /** @type {number[][]} */
  const followers = needs.map(() => []);
  needs.forEach((own, at) => own.forEach((one) => followers[one].push(at)));
  const ends = seconds.map(() => 0);
  const free = waits.flatMap((count, at) => (count ? [] : [at]));
  let longest = -Infinity;
  for (let at = free.pop(); at !== undefined; at = free.pop()) {
    const begins = needs[at].length ? Math.max(...needs[at].map((one) => ends[one])) : 0;
    ends[at] = begins + seconds[at];
    if (!followers[at].length) longest = Math.max(longest, ends[at]);
    for (const follower of followers[at]) if (!--waits[follower]) free.push(follower);
  }
  if (lanes === null || longest <= 0) return longest;
  return Math.max(longest, seconds.reduce((sum, one) => sum + one, 0) / lanes);
}

/** The share of a step that is done when `ratio` of its usual time has passed. @param {number} ratio */
export function settle(ratio) {
  if (ratio <= KNEE) return Math.max(ratio, 0);
  return 1 - (1 - KNEE) * Math.exp(-(ratio - KNEE) / (1 - KNEE) / 2);
}

/**
 * Of a build's `data`, at `now` (milliseconds by the server's clock).
 * @param {import("./words.js").Build} build @param {number} now @returns {Estimate}
 */
export function estimateOf(build, now) {
  if (build.status !== "running") return { fraction: build.status === "passed" ? 1 : null, remaining: null };
  return estimate(timesOf(build, now), build.parallel);
}

/** Of the steps of a build's `data`, at `now`. @param {import("./words.js").Build} build @param {number} now */
export function timesOf(build, now) {
  return build.steps.map((step) => ({
    status: step.status,
    expected: step.expected_seconds,
    elapsed: step.started_at ? Math.max((now - Date.parse(step.started_at)) / 1000, 0) : 0,
    own: step.progress,
    needs: step.needs,
  }));
}

/** Seconds that each step usually takes; null: no step has history. @param {StepTime[]} steps */
function weightsOf(steps) {
  const known = steps.flatMap((step) => (step.expected === null ? [] : [step.expected]));
  if (!known.length) return null;
  const mean = known.reduce((sum, one) => sum + one, 0) / known.length;
  return steps.map((step) => Math.max(step.expected === null ? mean : step.expected, 0.05));
}

/** Whether its own word is enough to reckon with. @param {StepTime} step */
const hasWord = (step) => step.own !== null && step.own >= 0.05;

/** @param {StepTime} step @param {number} weight */
function left(step, weight) {
  const elapsed = Math.max(step.elapsed, 0); // a clock that was set back
  if (step.own !== null && step.own >= 0.05) return (elapsed * (1 - step.own)) / step.own;
  return Math.max(weight - elapsed, 0);
}

/** @param {StepTime[]} steps @returns {Estimate} */
function withoutHistory(steps) {
  if (!steps.some((step) => step.own !== null)) return { fraction: null, remaining: null };
  const done = steps.reduce((sum, step) => sum + (FINAL.has(step.status) ? 1 : step.own || 0), 0);
  return { fraction: Math.min(done / steps.length, CEILING), remaining: null };
}

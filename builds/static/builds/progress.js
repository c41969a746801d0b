// @ts-check
// How far a running build is, and how long still: the twin of builds/progress.py, held to it by a test.

const CEILING = 0.99;
/** With fewer passed builds nothing is said about what is usual. */
export const FEW = 3;
const KNEE = 0.9;
const FINAL = new Set(["passed", "failed", "cancelled", "lost", "skipped"]);

/**
 * @typedef {{status: string, expected: number|null, elapsed: number, own: number|null}} StepTime
 * @typedef {{fraction: number|null, remaining: number|null}} Estimate
 * @typedef {{fraction: number|null, remaining: number|null, low: number|null, high: number|null, fill: number|null,
 *   zone: number|null, outlasted: number}} Forecast  low, high: seconds from now; fill, zone: 0–1 of the bar
 */

/** @param {string} status */
export const isFinal = (status) => FINAL.has(status);

/**
 * Of a running build. @param {StepTime[]} steps @param {number} elapsed seconds that it has run
 * @param {number[]} durations of the last passed builds, ascending @returns {Forecast}
 */
export function forecast(steps, elapsed, durations) {
  const { fraction, remaining } = estimate(steps);
  elapsed = Math.max(elapsed, 0);
  const outlasted = durations.filter((one) => one < elapsed).length;
  const weights = weightsOf(steps);
  if (remaining === null || weights === null || durations.length < FEW) {
    return { fraction, remaining, low: null, high: null, fill: fraction, zone: null, outlasted };
  }
  const [low, usual, high] = spread(durations);
  let ahead = 0;
  let rest = 0;
  let whole = 0;
  let end = elapsed; // when it ends if the rest goes as usual, and no step that runs has taken too long already
  steps.forEach((step, at) => {
    const weight = weights[at];
    whole += weight;
    if (step.status === "running") {
      rest += weight;
      end += hasWord(step) ? left(step, weight) : weight - Math.max(step.elapsed, 0);
    } else if (!FINAL.has(step.status)) {
      rest += weight;
      ahead += weight;
    }
  });
  end += ahead;
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

/** Of a running build. @param {StepTime[]} steps @returns {Estimate} */
export function estimate(steps) {
  const weights = weightsOf(steps);
  if (weights === null) return withoutHistory(steps);
  let total = 0;
  let done = 0;
  let remaining = 0;
  for (const [at, step] of steps.entries()) {
    const weight = weights[at];
    total += weight;
    if (FINAL.has(step.status)) {
      done += weight;
    } else if (step.status === "running") {
      const part = step.own !== null ? step.own : settle(step.elapsed / weight);
      done += weight * Math.min(part, CEILING);
      remaining += left(step, weight);
    } else {
      remaining += weight;
    }
  }
  return { fraction: Math.min(done / total, CEILING), remaining };
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
  return estimate(timesOf(build, now));
}

/** Of the steps of a build's `data`, at `now`. @param {import("./words.js").Build} build @param {number} now */
export function timesOf(build, now) {
  return build.steps.map((step) => ({
    status: step.status,
    expected: step.expected_seconds,
    elapsed: step.started_at ? Math.max((now - Date.parse(step.started_at)) / 1000, 0) : 0,
    own: step.progress,
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

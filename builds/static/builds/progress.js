// @ts-check
// How far a running build is, and how long still: the twin of builds/progress.py, held to it by a test.

const CEILING = 0.99;
const KNEE = 0.9;
const FINAL = new Set(["passed", "failed", "cancelled", "lost", "skipped"]);

/**
 * @typedef {{status: string, expected: number|null, elapsed: number, own: number|null}} StepTime
 * @typedef {{fraction: number|null, remaining: number|null}} Estimate
 */

/** @param {string} status */
export const isFinal = (status) => FINAL.has(status);

/** Of a running build. @param {StepTime[]} steps @returns {Estimate} */
export function estimate(steps) {
  const known = steps.flatMap((step) => (step.expected === null ? [] : [step.expected]));
  if (!known.length) return withoutHistory(steps);
  const mean = known.reduce((sum, one) => sum + one, 0) / known.length;
  let total = 0;
  let done = 0;
  let remaining = 0;
  for (const step of steps) {
    const weight = Math.max(step.expected === null ? mean : step.expected, 0.05);
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
  return estimate(
    build.steps.map((step) => ({
      status: step.status,
      expected: step.expected_seconds,
      elapsed: step.started_at ? Math.max((now - Date.parse(step.started_at)) / 1000, 0) : 0,
      own: step.progress,
    })),
  );
}

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

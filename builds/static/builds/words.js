// @ts-check
// Times and statuses in words: the twin of builds/web/words.py, held to it by a test.

/**
 * @typedef {{name: string, status: string, exit_code: number|null, started_at: string|null, finished_at: string|null,
 *   expected_seconds: number|null, progress: number|null, reason?: string, needs?: number[],
 *   attempt?: number, attempts?: number, allow_failure?: boolean, image?: string}} Step
 * @typedef {{id: number, project: string, status: string, reason: string, progress: number|null,
 *   repository?: string, recipe_path?: string, recipe_known?: boolean,
 *   eta_seconds: number|null, created_at: string, started_at: string|null, finished_at: string|null,
 *   cancel_requested: boolean, cancelled_by: string, worker: string, network: boolean, sandbox: string, kept: boolean,
 *   annotations: import("./annotations.js").Told, parallel?: number, steps: Step[]}} Build
 */

/** @param {number} number @param {number} width */
const padded = (number, width = 2) => String(number).padStart(width, "0");

/**
 * `28 s`, `1 m 05 s`, `2 h 03 m`, `3 d 4 h`; empty for null. `fine`: tenths below ten seconds.
 * @param {number|null} seconds @param {boolean} [fine]
 */
export function duration(seconds, fine = false) {
  if (seconds === null) return "";
  seconds = Math.max(seconds, 0);
  if (fine && seconds < 10) return `${(Math.floor(seconds * 10) / 10).toFixed(1)} s`;
  const whole = Math.floor(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} m ${padded(whole % 60)} s`;
  if (whole < 48 * 3600) return `${Math.floor(whole / 3600)} h ${padded(Math.floor((whole % 3600) / 60))} m`;
  return `${Math.floor(whole / 86400)} d ${Math.floor((whole % 86400) / 3600)} h`;
}

/** @param {number} seconds */
export function ago(seconds) {
  if (seconds < 5) return "just now";
  if (seconds < 60) return `${Math.floor(seconds)} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 48 * 3600) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86400)} d ago`;
}

/** `about 2 min left`, `about 45 s left`, then `any moment`. @param {number|null} remaining
 * @param {number|null} [low] how soon it may end */
export function left(remaining, low = null) {
  if (remaining === null) return "";
  if (remaining < 0.5 || (low !== null && low < 0.5 && remaining <= 30)) return "any moment";
  if (remaining <= 30) return `about ${Math.ceil(remaining)} s left`;
  if (remaining <= 90) return `about ${Math.ceil(remaining / 5) * 5} s left`;
  if (remaining <= 90 * 60) return `about ${Math.ceil(remaining / 60)} min left`;
  return `about ${Math.ceil(remaining / 3600)} h left`;
}

/** `usually 14–22 s`, `usually within 3 min`, of the time that is left.
 * @param {number|null} low @param {number|null} high */
export function usually(low, high) {
  if (low === null || high === null) return "";
  const [size, unit] = high <= 30 ? [1, "s"] : high <= 90 ? [5, "s"] : high <= 5400 ? [60, "min"] : [3600, "h"];
  const part = unit === "s" ? Number(size) : 1;
  const first = Math.floor(low / Number(size)) * part;
  const last = Math.max(Math.ceil(high / Number(size)), 1) * part;
  if (low < 0.5 || !first) return `usually within ${last} ${unit}`;
  return first < last ? `usually ${first}–${last} ${unit}` : `usually ${last} ${unit}`;
}

/** `longer than 9 of 10 builds`; empty where that is nothing unusual. @param {number} count @param {number} of */
export function outlasted(count, of) {
  if (of < 3 || count * 10 < of * 9) return "";
  return count < of ? `longer than ${count} of ${of} builds` : `longer than all of the last ${of} builds`;
}

/** `12 s longer than usual`, `as usual`. @param {number|null} seconds @param {number|null} usual */
export function compared(seconds, usual) {
  if (seconds === null || usual === null) return "";
  const apart = Math.abs(seconds - usual);
  if (apart < Math.max(1, usual / 20)) return "as usual";
  return `${duration(apart)} ${seconds > usual ? "longer" : "shorter"} than usual`;
}

/** `62 %`, never rounded up. @param {number|null} fraction */
export function percent(fraction) {
  return fraction === null ? "" : `${Math.floor(fraction * 100 + 1e-9)} %`;
}

/** `2,143`. @param {number} number */
export const thousands = (number) => String(number).replace(/\B(?=(\d{3})+$)/g, ",");

/** `1 line`, `2,143 lines`. @param {number} number @param {string} one */
export function count(number, one) {
  return `${thousands(number)} ${one}${number === 1 ? "" : "s"}`;
}

/** `42 s in compile, after line 84`. @param {number} seconds @param {string} step @param {number} line 0: none yet */
export function silence(seconds, step, line) {
  return `${duration(seconds, true)} in ${step}, ${line ? `after line ${thousands(line)}` : "before its first line"}`;
}

/** The status of a build in a few words. @param {Build} build */
export function phrase(build) {
  const { status, steps } = build;
  if (status === "running") {
    if (build.cancel_requested) return "cancelling, until its worker has stopped it";
    const [at, more] = running(steps);
    if (at < 0) return "running";
    if (more) return `running ${steps[at].name} and ${more} more of ${steps.length} steps`;
    return `running ${steps[at].name}, step ${at + 1} of ${steps.length}`;
  }
  const ended = status === "passed" ? [] : steps.filter((one) => one.status === status && !one.allow_failure);
  const first = ended.reduce((least, one) => (!least || endOf(one) < endOf(least) ? one : least), ended[0]);
  return first ? `${status} in ${first.name}` : status;
}

/** Steps by it: as they ended, the first one first. @param {Step} step */
const endOf = (step) => step.finished_at || "~";

/** Which is the first that runs, and how many besides. @param {Step[]} steps */
function running(steps) {
  const count = steps.filter((step) => step.status === "running").length;
  return [steps.findIndex((step) => step.status === "running"), count - 1];
}

/** What is to be said of a step besides its status and its time. @param {Step[]} steps @param {number} at */
export function stepNote(steps, at) {
  const { status, reason, needs = at ? [at - 1] : [], attempt = 1, attempts = 1, allow_failure, image } = steps[at];
  if (status === "skipped") return reason || "";
  const said = isInMatrix(steps, at) ? [] : [needsNote(steps, at, needs)];
  if (attempt > 1) said.push(`attempt ${attempt} of ${attempts}`);
  if (allow_failure) said.push(status === "failed" ? "failed, allowed" : "may fail");
  if (image && !imageOfAll(steps)) said.push(`in ${image}`);
  return said.filter(Boolean).join(" · ");
}

/** The image that every step names, but the board's own. @param {Step[]} steps */
export function imageOfAll(steps) {
  const [first = "", ...others] = steps.filter(({ name }) => name !== "check out").map(({ image }) => image || "");
  return others.every((other) => other === first) ? first : "";
}

/** It failed, and its build goes on: no more than a warning. @param {Step} step */
export const isAllowed = ({ status, allow_failure }) => status === "failed" && Boolean(allow_failure);

/** Why it ended as it did. @param {Step} step */
export function ending(step) {
  return isAllowed(step) && step.reason ? `failed, allowed: ${step.reason}` : step.reason || "";
}

/** `after compile, test`, where that is not simply the step above it. @param {Step[]} steps @param {number} at
 * @param {number[]} needs */
function needsNote(steps, at, needs) {
  if (at ? needs.length === 1 && needs[0] === at - 1 : !needs.length) return "";
  const missing = new Set(steps.filter((_, one) => !needs.includes(one)).map((step) => matrixOf(step.name)));
  const called = needs.map((one) => steps[one].name);
  const names = [...new Set(called.map((name) => (missing.has(matrixOf(name)) ? name : matrixOf(name) || name)))];
  const shown = names.slice(0, 3).join(", ") + (names.length > 3 ? ` and ${names.length - 3} more` : "");
  return names.length ? `after ${shown}` : "at once";
}

/** `test` of `test (python=3.12, database=sqlite)`. @param {string} name */
const matrixOf = (name) => /^(.+?) \([A-Za-z_][A-Za-z0-9_]*=.*\)$/s.exec(name)?.[1] || "";

/** Whether it stands beside another one of its matrix. @param {Step[]} steps @param {number} at */
function isInMatrix(steps, at) {
  const own = matrixOf(steps[at].name);
  return Boolean(own) && [steps[at - 1], steps[at + 1]].some((other) => other && matrixOf(other.name) === own);
}

/** Why it ended, where that says more than the head of its page. @param {Build} build */
export function verdict({ status, reason, cancelled_by }) {
  const told = status === "cancelled" && cancelled_by && reason.startsWith(`Cancelled by ${cancelled_by}`);
  return told ? "" : reason;
}

/** `12 lines · Exit code 2.`: the heading of a step's part of the log; of the lines so many are missing.
 * @param {number} lines @param {string} status @param {string} reason @param {number} [missing] */
export function output(lines, status, reason, missing = 0) {
  const silent = status === "pending" || status === "skipped" ? status : status === "running" ? "no output yet" : "no output";
  const said = lines ? count(lines, "line") : silent;
  return [missing ? `${said}, ${thousands(missing)} left out` : said, reason].filter(Boolean).join(" · ");
}

/** `12 bytes`, `3.4 kB`, `1.2 MB`: thousands, as disks count. @param {number} number */
export function size(number) {
  if (number < 1_000) return count(number, "byte");
  let amount = number;
  for (const unit of ["kB", "MB", "GB"]) {
    amount /= 1_000;
    if (amount < 999.95) return `${(amount % 1 === 0.25 ? amount - 0.05 : amount).toFixed(1)} ${unit}`; // as Python rounds
  }
  return `${(amount / 1_000).toFixed(1)} TB`;
}

/**
 * `50 lines left out (11 to 60, 3.4 kB): It was long.`: what stands in a log for lines that are not kept.
 * @param {number} line @param {number} lines @param {number} bytes @param {string} reason
 */
export function cut(line, lines, bytes, reason) {
  const numbers = lines === 1 ? `${line}` : `${line} to ${line + lines - 1}`;
  return `${count(lines, "line")} left out (${numbers}${bytes ? `, ${size(bytes)}` : ""})${reason && `: ${reason}`}`;
}

/** `4,000 lines stored, 46,000 left out`; `2 lines`: nothing is missing. @param {number} lines @param {number} missing */
export function stored(lines, missing) {
  return missing ? `${count(lines - missing, "line")} stored, ${thousands(missing)} left out` : count(lines, "line");
}

/** `cut: 46,000 of 50,000 lines left out`; empty: nothing is missing. @param {number} lines @param {number} missing */
export function leftOut(lines, missing) {
  return missing ? `cut: ${thousands(missing)} of ${count(lines, "line")} left out` : "";
}

/** What the facts of a build say about its log. @param {number} lines @param {number} missing @param {boolean} kept */
export function logFact(lines, missing, kept) {
  return [leftOut(lines, missing), kept ? "kept, never pruned" : ""].filter(Boolean).join("; ");
}

/** Who runs it, or ran it. @param {string} name @param {string} status */
export function worker(name, status) {
  return name || (status === "queued" ? "none yet" : "none: it never ran");
}

/** Where its steps run; empty: that is not known yet, or was not kept. @param {string} name @param {boolean} network */
export function sandbox(name, network) {
  if (name === "none") return "none: as the worker's user";
  return name ? name + (network ? "" : ", no network") : "";
}

/** Where the recipe of a build is from; empty: that needs no word, or is not known. An older worker's events do not say.
 * @param {string} [repository] @param {string} [path] @param {boolean} [known] */
export function recipe(repository, path, known) {
  return repository && known ? path || "the project's own" : "";
}

/** `compile · step 4 of 6` of a running build. @param {Build} build */
export function currentStep(build) {
  if (build.cancel_requested) return "cancelling";
  const [at, more] = running(build.steps);
  if (at < 0) return "starting";
  if (more) return `${build.steps[at].name} and ${more} more of ${build.steps.length} steps`;
  return `${build.steps[at].name} · step ${at + 1} of ${build.steps.length}`;
}

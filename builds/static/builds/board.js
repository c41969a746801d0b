// @ts-check
// The board and a project's page. A change of any build has the page's own parts rendered again by the server, so that a
// row has one template; between changes the bars and times go on by themselves.

import { announce } from "./announce.js";
import { everySecond, now } from "./clock.js";
import { enterFilter, liveFilter, restore } from "./filter.js";
import { bindKeys } from "./keys.js";
import { goLive, pressOnce, set, tickTimes } from "./live.js";
import { estimateOf, isFinal } from "./progress.js";
import { merge } from "./merge.js";
import { delay } from "./sequence.js";
import { PATIENCE } from "./timers.js";
import { walkKeys } from "./walk.js";
import * as words from "./words.js";

const main = /** @type {HTMLElement} */ (document.getElementById("main"));
const own = main.dataset.project;

/** @type {ReturnType<typeof setTimeout>|undefined} */
let timer;
let loading = false;
let dirty = false;
let rest = 0;
/** When the page is rendered again though nothing was heard: workers come and go, and builds that one may not see. */
let stale = performance.now() + 5_000;
let failures = 0;
/** Nothing more may be asked: signed out, or no longer allowed. */
let over = false;
/** The address asks for other rows than those that are shown; `history`: the form is to be set by it, too.
 * @type {""|"form"|"history"} */
let turned = "";
/** @type {Map<number, words.Build>} what was heard while the page was being rendered again, and may be newer than that */
const late = new Map();

goLive(main, {
  dense: false,
  onEvent: ({ kind, data }) => {
    if (kind !== "build" || (own && data.project !== own)) return;
    showRow(data);
    if (loading) late.set(data.id, data);
    say(data);
    refresh();
  },
  onOver: () => (over = true),
});
everySecond(() => {
  tick();
  if (performance.now() > stale && !failures) refresh();
});
pressOnce(main);
liveFilter(main, (fromHistory) => {
  if (over) location.reload(); // the server says why
  turned = fromHistory || turned === "history" ? "history" : "form";
  main.classList.add("turning");
  clearTimeout(timer);
  timer = undefined;
  rest = 0;
  dirty = true;
  if (!loading && !over) load();
});
const filterKey = { key: "/", does: "to the filter: a number and Enter opens that build", run: enterFilter };
bindKeys([...walkKeys(main), ...(document.getElementById("filter") ? [filterKey] : [])]);

/** The running row of a build, from its newest state; the rest of the page follows when it is rendered again. */
function showRow(/** @type {words.Build} */ build) {
  const row = rowOf(build.id);
  if (!row?.dataset.build || build.status !== "running") return;
  row.dataset.build = JSON.stringify(build);
  tickRow(row);
}

/** Soon, and then at most as often as the server can well bear: it rests ten times as long as it took. */
function refresh() {
  dirty = true;
  if (loading || timer !== undefined || over) return;
  timer = setTimeout(load, Math.max(rest - performance.now(), 60 + Math.random() * 120));
}

async function load() {
  timer = undefined;
  if (over) return;
  dirty = false;
  loading = true;
  late.clear();
  const began = performance.now();
  try {
    const query = location.search;
    const answer = await fetch(main.dataset.page + query, { cache: "no-store", signal: AbortSignal.timeout(PATIENCE) });
    const text = await answer.text();
    if (query !== location.search) {
      dirty = true; // asked for before the filter was changed
    } else if (answer.ok && !answer.redirected) {
      show(new DOMParser().parseFromString(text, "text/html"));
    } else if (answer.status >= 500 || answer.status === 429) {
      throw new Error(`status ${answer.status}`);
    } else if (turned) {
      location.reload(); // signed out, most likely: the server says what is to be done
    }
    failures = 0;
  } catch {
    dirty = true; // what changed is still to be shown; the connection's own pill says that the server is away
    failures += 1;
  }
  const took = performance.now() - began;
  const pause = failures ? 1000 + delay(failures, Math.random()) : Math.min(Math.max(10 * took, 300), 10_000);
  rest = turned && !failures ? 0 : performance.now() + pause;
  stale = performance.now() + Math.max(20 * took, main.querySelector(".row.wait") ? 5_000 : 60_000);
  loading = false;
  if (dirty) refresh();
}

/** @param {Document} fresh */
function show(fresh) {
  if (turned === "history") restore(fresh);
  merge(main, fresh, Boolean(turned));
  if (turned) announce(main.querySelector(".said > span")?.textContent || "Showing every build");
  turned = "";
  main.classList.remove("turning");
  late.forEach(showRow);
  tick();
}

function tick() {
  tickTimes(main, words);
  for (const row of /** @type {NodeListOf<HTMLElement>} */ (main.querySelectorAll("[data-build]"))) tickRow(row);
}

function tickRow(/** @type {HTMLElement} */ row) {
  /** @type {words.Build} */
  const build = JSON.parse(/** @type {string} */ (row.dataset.build));
  const { fraction, remaining } = estimateOf(build, now());
  const slot = (/** @type {string} */ name) => row.querySelector(`[data-slot=${name}]`);
  slot("fill")?.setAttribute("width", `${((fraction || 0) * 100).toFixed(2)}%`);
  set(slot("percent"), words.percent(fraction) || "running");
  set(slot("left"), words.left(remaining) || "no history yet");
  set(slot("step"), words.currentStep(build));
}

function say(/** @type {words.Build} */ build) {
  if (isFinal(build.status)) announce(`Build ${build.id} of ${build.project} ${words.phrase(build)}`);
}

/** @param {number} id */
function rowOf(id) {
  return /** @type {HTMLElement|null} */ (main.querySelector(`[data-key="build-${id}"]`));
}

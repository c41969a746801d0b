// @ts-check
// A build's page: its stream, its log, and the figures that go on by the clock.

import { AnnotationPanel } from "./annotations.js";
import { ArtifactPanel } from "./artifacts.js";
import { announce } from "./announce.js";
import { layOut } from "./axis.js";
import { everySecond, now } from "./clock.js";
import { showFailure } from "./failure.js";
import { bindKeys } from "./keys.js";
import { goLive, pressOnce, set, tickTimes } from "./live.js";
import { LogView } from "./log.js";
import { logKeys } from "./logkeys.js";
import { equip, timeOf } from "./logtools.js";
import { offerNotice } from "./notice.js";
import { Outlook } from "./outlook.js";
import { hears } from "./pill.js";
import { keepPlace } from "./place.js";
import { freshen, stale } from "./origin.js";
import { isFinal } from "./progress.js";
import { offerReplay } from "./replaybar.js";
import { SearchPanel } from "./searchpanel.js";
import { Silence } from "./silence.js";
import { TestPanel } from "./tests.js";
import * as words from "./words.js";

const main = /** @type {HTMLElement} */ (document.getElementById("main"));
/** @type {words.Build} */
let build = JSON.parse(/** @type {string} */ (main.dataset.build));
const name = main.dataset.name;
let newest = 0;
/** The last moment at which the page was in touch, in milliseconds. */
let known = now();
/** While it is played again: the moment at which it stands. @type {number|null} */
let replayed = null;
/** It is about to be loaded again, with other steps: what is told now is of those. */
let leaves = false;
const outlook = new Outlook(main);
const silence = new Silence(main, build);

/** Lines of the log, and how many of them were left out. @type {[number, number]} */
let counted = [0, 0];
const lines = /** @type {HTMLElement} */ (document.getElementById("lines"));
const options = {
  url: /** @type {string} */ (main.dataset.lines),
  names: build.steps.map((step) => step.name),
  time: (/** @type {string} */ at) => timeOf(at, build.started_at),
  changed: showLog,
};
/** Of a log that was pruned there is nothing to view. @type {LogView|null} */
const log = lines.querySelector(".sect") && new LogView(lines, options);
const search = log && new SearchPanel(/** @type {HTMLFormElement} */ (document.getElementById("search")), searched(log), options.names);

const annotations = new AnnotationPanel(/** @type {HTMLElement} */ (document.getElementById("annotations")), build, () => log?.schedule());
for (const one of annotations.shown) log?.annotate(one);

const tests = new TestPanel(/** @type {HTMLElement} */ (slot("tests")), () => log?.schedule());
const artifacts = new ArtifactPanel(/** @type {HTMLElement} */ (document.getElementById("artifacts")));

const running = main.querySelector(".step[aria-current]");
if (running) bringIntoView(running);

const connection = goLive(main, {
  dense: true,
  settled: isFinal(build.status),
  onEvent: ({ kind, data }) => {
    if (leaves) return;
    if (kind === "log" || kind === "cut" || kind === "build") search?.grown();
    if (kind === "log") {
      newest = now() - Date.parse(data.at);
      log?.add(data);
      silence.hear(data);
    } else if (kind === "cut") log?.cut(data);
    else if (kind === "group") log?.group(data);
    else if (kind === "annotation") {
      annotations.add(data);
      log?.annotate(data);
    } else if (kind === "artifact") artifacts.add(data);
    else if (kind === "tests") tests.show(data.total);
    else if (kind === "build") change(data);
    else if (kind === "step") changeStep(data);
    else if (kind === "progress") changeStep({ name: data.step, progress: data.progress });
  },
  onOver: () => {
    if (log) log.follow.toggle.hidden = isFinal(build.status);
    if (log && isFinal(build.status)) replayable(log);
    tick();
    if (build.status === "failed") showFailure();
  },
});
const notice = offerNotice(/** @type {HTMLButtonElement|null} */ (document.getElementById("notify")), build, (on) => connection.rest.watch(on));
pressOnce(main);
if (log) begin(log);
bindKeys(log && search ? logKeys(log, search) : []);
everySecond(tick, 10); // a hidden tab's title goes on, too
keepPlace(slot("place"), () => build.status === "queued", connection);

/** Where the reader begins: at the line of the address, else at the first error, else at the newest. @param {LogView} view */
function begin(view) {
  equip(view);
  const error = document.getElementById("log")?.dataset.firstError;
  if (location.hash) view.goTo(location.hash);
  else if (error) view.goTo(`#${error}`);
  else if (isFinal(build.status)) view.toEnd();
  else view.follow.start();
  if (!isFinal(build.status)) view.follow.show();
  if (build.status === "running" && view.follow.on) view.follow.inView.offer();
}

/** The log as the search knows it: steps by their names. @param {LogView} view
 * @returns {import("./searchpanel.js").Viewer} */
function searched(view) {
  const { names } = options;
  return {
    show: (step, line) => view.look(names.indexOf(step), line),
    at: () => ({ step: names[view.at().step], line: Math.max(view.at().line, 1) }),
    hits: (byLine) => view.hits((step, line) => byLine(names[step], line)),
  };
}

/** @param {LogView} view */
function replayable(view) {
  const ended = build;
  offerReplay({ log: view, build: () => ended, show: stand });
}

/** Of a build that is over, as it stood at that moment. @param {words.Build} then @param {number|null} moment */
function stand(then, moment) {
  const before = build;
  replayed = moment;
  build = then;
  then.steps.forEach((step, at) => step.status !== before.steps[at].status && showStep(step));
  tick();
}

/** The build is as `next` says. @param {words.Build} next */
function change(next) {
  const before = build;
  const gone = stale(before, next);
  if (gone === "page") {
    leaves = true;
    return location.reload();
  }
  if (gone === "parts") freshen(location.pathname);
  build = next;
  annotations.setBuild(next);
  next.steps.forEach((step, at) => step.status !== before.steps[at]?.status && showStep(step));
  if (before.status !== next.status || before.cancel_requested !== next.cancel_requested) showStatus();
  if (log) showLog(...counted);
  if (before.status === "queued" && next.status === "running" && log?.follow.on) log.follow.inView.offer();
  showFact("sandbox", words.sandbox(build.sandbox || "", build.network)); // an older worker's events have none
  showFact("image", words.imageOfAll(build.steps));
  showFact("recipe", words.recipe(build.repository, build.recipe_path, build.recipe_known));
  tick();
  notice(next);
}

/** How much there is of the log, at its foot and among the facts. @param {number} lines @param {number} missing */
function showLog(lines, missing) {
  counted = [lines, missing];
  set(slot("total"), words.stored(lines, missing));
  const fact = /** @type {HTMLElement} */ (slot("log"));
  set(fact, words.logFact(lines, missing, build.kept));
  const name = /** @type {HTMLElement} */ (fact.previousElementSibling);
  name.hidden = fact.hidden = !fact.textContent;
}

/** A fact that is there where there is something to say. @param {string} name @param {string} text */
function showFact(name, text) {
  const fact = /** @type {HTMLElement} */ (slot(name));
  set(fact, text);
  fact.title = text;
  /** @type {HTMLElement} */ (slot(`${name}-name`)).hidden = fact.hidden = !text;
}

/** @param {Partial<words.Step>} data */
function changeStep(data) {
  build = { ...build, steps: build.steps.map((step) => (step.name === data.name ? { ...step, ...data } : step)) };
  if (data.status) showStep(/** @type {words.Step} */ (build.steps.find((step) => step.name === data.name)));
  tick();
}

/** @param {words.Step} step */
function showStep(step) {
  const row = main.querySelector(`.step[data-step="${build.steps.indexOf(step)}"]`);
  if (row) {
    const mark = /** @type {HTMLElement} */ (row.querySelector(".mark"));
    const look = `s-${step.status}${words.isAllowed(step) ? " allowed" : ""}`;
    mark.className = `mark ${look}`;
    mark.textContent = step.status;
    row.querySelector(".tb .own")?.setAttribute("class", `own ${look}`);
    row.classList.toggle("off", step.status === "pending" || step.status === "skipped");
    const note = /** @type {HTMLElement} */ (row.querySelector(".besides"));
    note.textContent = note.title = words.stepNote(build.steps, build.steps.indexOf(step));
    note.hidden = !note.title;
    if (step.status === "running") {
      row.setAttribute("aria-current", "step");
      bringIntoView(row);
    } else row.removeAttribute("aria-current");
  }
  log?.setStatus(step.name, step.status, words.ending(step), words.isAllowed(step));
  if (step.status === "running" || step.status === "failed") announce(`${step.name} ${step.status}`);
}

/** Of a list that scrolls for itself; the page stays where it is. @param {Element} row */
function bringIntoView(row) {
  const list = /** @type {Element} */ (row.closest(".panel"));
  const [own, around] = [row.getBoundingClientRect(), list.getBoundingClientRect()];
  if (own.top < around.top || own.bottom > around.bottom) list.scrollTop += own.top - around.top - around.height / 2;
}

function showStatus() {
  const { status } = build;
  for (const holder of ["mark", "verdict-mark"]) {
    const mark = /** @type {HTMLElement|null} */ (slot(holder)?.firstElementChild);
    if (!mark) continue;
    mark.className = `mark s-${status}`;
    mark.textContent = status;
  }
  for (const element of /** @type {NodeListOf<HTMLElement>} */ (main.querySelectorAll("[data-when]"))) {
    const when = element.dataset.when;
    element.hidden = when === "final" ? !isFinal(status) : when === "open" ? isFinal(status) : when !== status;
  }
  const cancel = /** @type {HTMLButtonElement|null} */ (slot("cancel"));
  if (cancel && build.cancel_requested) {
    cancel.disabled = true;
    cancel.textContent = "Cancelling";
  }
  if (isFinal(status)) slot("again")?.classList.add("main");
  const verdict = /** @type {HTMLElement} */ (slot("verdict"));
  verdict.hidden = !words.verdict(build);
  verdict.className = `panel verdict s-${status}`;
  set(slot("reason"), words.verdict(build));
  const canceller = /** @type {HTMLElement} */ (slot("canceller"));
  canceller.hidden = !build.cancelled_by;
  set(canceller.lastElementChild, build.cancelled_by);
  set(slot("worker"), words.worker(build.worker, status));
  const icon = /** @type {HTMLElement|null} */ (main.querySelector(`[data-icon="${status}"]`));
  if (icon?.dataset.href) document.getElementById("icon")?.setAttribute("href", icon.dataset.href);
  announce(`Build ${build.id} ${words.phrase(build)}`);
}

function tick() {
  const deaf = !isFinal(build.status) && !hears(connection.state); // it may be over by now: what counts on stands still
  if (!deaf) known = now();
  const moment = replayed ?? known;
  const began = build.started_at ? Date.parse(build.started_at) : null;
  const end = build.finished_at && replayed === null ? Date.parse(build.finished_at) : moment;
  const elapsed = began === null ? null : Math.max((end - began) / 1000, 0);
  set(slot("phrase"), words.phrase(build));
  set(slot("after"), isFinal(build.status) && elapsed !== null ? ` after ${words.duration(elapsed)}` : "");
  set(slot("elapsed"), elapsed === null ? "not begun" : words.duration(elapsed));
  const waited = (Date.parse(build.started_at || build.finished_at || "") || moment) - Date.parse(build.created_at);
  set(slot("waited"), words.duration(waited / 1000, true));
  const fraction = outlook.show(build, moment);
  if (replayed === null) silence.show(build, moment, !deaf);
  document.title = `${(build.status === "running" && words.percent(fraction)) || build.status} · ${name}`;
  set(slot("delay"), newest > 0 && !isFinal(build.status) ? `shown ${lag(newest)} after it was stored` : "");
  tickSteps(began, elapsed || 0, moment);
  tickTimes(main, words);
}

/** @param {number|null} began @param {number} elapsed seconds @param {number} moment */
function tickSteps(began, elapsed, moment) {
  const since = (/** @type {string|null} */ at) => (at === null || began === null ? null : (Date.parse(at) - began) / 1000);
  const laid = layOut(
    build.steps.map((step) => [since(step.started_at), step.started_at ? since(step.finished_at) : null, step.expected_seconds]),
    elapsed,
    build.steps.map((step) => step.needs),
  );
  build.steps.forEach((step, at) => {
    const row = main.querySelector(`.step[data-step="${at}"]`);
    const span = laid.spans[at];
    place(row?.querySelector(".tb .own"), span.x, span.width);
    place(row?.querySelector(".tb .usual"), span.usualX, span.usualWidth);
    const took = step.started_at
      ? (step.finished_at ? Date.parse(step.finished_at) : moment) - Date.parse(step.started_at)
      : null;
    const usual = step.expected_seconds === null ? "" : `usually ${words.duration(step.expected_seconds)}`;
    const text = took !== null ? words.duration(took / 1000, true) : usual;
    set(row?.querySelector(".dur"), step.status === "skipped" ? "skipped" : text);
  });
  const isEmpty = began === null && !laid.spans.some((span) => span.usualWidth);
  slot("axis")?.toggleAttribute("hidden", isEmpty);
  if (!isEmpty) drawAxis(laid, build.status === "running" || replayed !== null ? (elapsed / laid.seconds) * 100 : null);
}

/** @param {ReturnType<typeof layOut>} laid @param {number|null} at percent */
function drawAxis(laid, at) {
  const svg = /** @type {SVGElement} */ (/** @type {unknown} */ (slot("axis")));
  const drawn = laid.ticks.flatMap(([x, label]) => {
    const text = shape("text", { x: `${x}%`, y: "-6" });
    text.textContent = label;
    return [shape("rect", { x: `${x}%` }), text];
  });
  if (at !== null) drawn.push(shape("rect", { x: `${at.toFixed(2)}%`, class: "at" }));
  svg.replaceChildren(...drawn);
}

/** @param {Element|null|undefined} bar @param {number|null} x @param {number|null} width */
function place(bar, x, width) {
  bar?.setAttribute("x", `${x || 0}%`);
  bar?.setAttribute("width", `${width || 0}%`);
}

/** @param {string} kind @param {Record<string, string>} attributes */
function shape(kind, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", kind);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

/** @param {number} milliseconds */
function lag(milliseconds) {
  return milliseconds < 1000 ? `${Math.max(Math.round(milliseconds / 10) * 10, 10)} ms` : words.duration(milliseconds / 1000, true);
}

/** @param {string} which */
function slot(which) {
  return main.querySelector(`[data-slot="${which}"]`);
}



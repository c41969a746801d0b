// @ts-check
// A build's page: its stream, its log, and the figures that go on by the clock.

import { announce } from "./announce.js";
import { layOut } from "./axis.js";
import { everySecond, now } from "./clock.js";
import { showFailure } from "./failure.js";
import { goLive, pressOnce, set, tickTimes } from "./live.js";
import { LogView } from "./log.js";
import { Outlook } from "./outlook.js";
import { keepPlace } from "./place.js";
import { isFinal } from "./progress.js";
import { Silence } from "./silence.js";
import * as words from "./words.js";

const main = /** @type {HTMLElement} */ (document.getElementById("main"));
/** @type {words.Build} */
let build = JSON.parse(/** @type {string} */ (main.dataset.build));
const name = main.dataset.name;
let newest = 0;
const outlook = new Outlook(main);
const silence = new Silence(main);

const log = new LogView(/** @type {HTMLElement} */ (document.getElementById("lines")), {
  url: /** @type {string} */ (main.dataset.lines),
  names: build.steps.map((step) => step.name),
  began: () => (build.started_at ? Date.parse(build.started_at) : null),
  changed: () => set(slot("total"), log.words()),
});

const connection = goLive(main, {
  dense: true,
  settled: isFinal(build.status),
  onEvent: ({ kind, data }) => {
    if (kind === "log") {
      newest = now() - Date.parse(data.at);
      log.add(data);
      silence.hear(data);
    } else if (kind === "cut") log.cut(data);
    else if (kind === "build") change(data);
    else if (kind === "step") changeStep(data);
    else if (kind === "progress") changeStep({ name: data.step, progress: data.progress });
  },
  onOver: () => {
    log.follow.toggle.hidden = isFinal(build.status);
    tick();
    if (build.status === "failed") showFailure();
  },
});
pressOnce(main);
tools();
if (!location.hash && !isFinal(build.status)) log.follow.start();
else if (!isFinal(build.status)) log.follow.show();
log.goTo(location.hash);
const error = document.getElementById("log")?.dataset.firstError;
if (error && !location.hash) log.goTo(`#${error}`);
else if (isFinal(build.status) && !location.hash) log.follow.toEnd();
everySecond(tick);
keepPlace(slot("place"), () => build.status === "queued", connection);

/** The build is as `next` says. @param {words.Build} next */
function change(next) {
  const before = build;
  build = next;
  next.steps.forEach((step, at) => step.status !== before.steps[at]?.status && showStep(step));
  if (before.status !== next.status || before.cancel_requested !== next.cancel_requested) showStatus();
  for (const fact of /** @type {NodeListOf<HTMLElement>} */ (main.querySelectorAll("[data-slot=kept]"))) fact.hidden = !next.kept;
  tick();
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
    mark.className = `mark s-${step.status}`;
    mark.textContent = step.status;
    row.querySelector(".tb .own")?.setAttribute("class", `own s-${step.status}`);
    row.classList.toggle("off", step.status === "pending" || step.status === "skipped");
    if (step.status === "running") row.setAttribute("aria-current", "step");
    else row.removeAttribute("aria-current");
  }
  log.setStatus(step.name, step.status, step.reason || "");
  if (step.status === "running" || step.status === "failed") announce(`${step.name} ${step.status}`);
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
  const again = slot("again");
  if (again && isFinal(status)) {
    again.classList.add("main");
    set(again, status === "passed" ? "Start again" : "Retry");
  }
  const verdict = /** @type {HTMLElement} */ (slot("verdict"));
  verdict.hidden = !words.verdict(build);
  verdict.className = `panel verdict s-${status}`;
  set(slot("reason"), words.verdict(build));
  const canceller = /** @type {HTMLElement} */ (slot("canceller"));
  canceller.hidden = !build.cancelled_by;
  set(canceller.lastElementChild, build.cancelled_by);
  set(slot("worker"), build.worker || "none yet");
  const icon = /** @type {HTMLElement|null} */ (main.querySelector(`[data-icon="${status}"]`));
  if (icon?.dataset.href) document.getElementById("icon")?.setAttribute("href", icon.dataset.href);
  announce(`Build ${build.id} ${words.phrase(build)}`);
}

function tick() {
  const moment = now();
  const began = build.started_at ? Date.parse(build.started_at) : null;
  const end = build.finished_at ? Date.parse(build.finished_at) : moment;
  const elapsed = began === null ? null : Math.max((end - began) / 1000, 0);
  set(slot("phrase"), words.phrase(build));
  set(slot("after"), isFinal(build.status) && elapsed !== null ? ` after ${words.duration(elapsed)}` : "");
  set(slot("elapsed"), elapsed === null ? "not begun" : words.duration(elapsed));
  const waited = (Date.parse(build.started_at || build.finished_at || "") || moment) - Date.parse(build.created_at);
  set(slot("waited"), words.duration(waited / 1000, true));
  const fraction = outlook.show(build, moment);
  silence.show(build, moment);
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
  drawAxis(laid, build.status === "running" ? (elapsed / laid.seconds) * 100 : null);
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

function tools() {
  if (!log.steps.size) return; // its log was pruned
  for (const [id, css, inverted] of /** @type {[string, string, boolean][]} */ ([
    ["times", "untimed", true],
    ["wrap", "wrap", false],
  ])) {
    const button = /** @type {HTMLButtonElement} */ (document.getElementById(id));
    button.hidden = false;
    button.addEventListener("click", () => {
      const pressed = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", String(pressed));
      log.root.classList.toggle(css, inverted ? !pressed : pressed);
      if (log.follow.on) log.follow.toEnd();
    });
  }
}

/** @param {number} milliseconds */
function lag(milliseconds) {
  return milliseconds < 1000 ? `${Math.max(Math.round(milliseconds / 10) * 10, 10)} ms` : words.duration(milliseconds / 1000, true);
}

/** @param {string} which */
function slot(which) {
  return main.querySelector(`[data-slot="${which}"]`);
}



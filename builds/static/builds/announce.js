// @ts-check
// One polite line for those who listen: at most once in five seconds, always the newest.

const REST = 5000;
let waiting = "";
let last = -REST;
/** @type {ReturnType<typeof setTimeout>|undefined} */
let timer;

/** @param {string} text */
export function announce(text) {
  waiting = text;
  if (timer !== undefined) return;
  timer = setTimeout(speak, Math.max(last + REST - performance.now(), 0));
}

function speak() {
  timer = undefined;
  last = performance.now();
  const line = document.getElementById("announce");
  if (line) line.textContent = waiting;
}

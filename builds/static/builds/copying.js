// @ts-check
// Copying from the log gives the lines that were selected, also those that have left the document meanwhile.

import { plainText } from "./rows.js";
import { count } from "./words.js";

/** @typedef {{step: number, line: number, offset: number}} End  offset: in the line's text */

/** @param {HTMLElement} root @param {import("./log.js").LogView} log */
export function listenForCopies(root, log) {
  /** Where the selection began, kept while its row scrolls out of the document. @type {End|null} */
  let began = null;
  /** @type {End|null} */
  let ends = null;
  document.addEventListener("selectionchange", () => {
    const selection = getSelection();
    if (selection?.anchorNode && !root.contains(selection.anchorNode)) {
      began = ends = null; // it began elsewhere: the browser's own copy is right
      return;
    }
    if (!selection || selection.isCollapsed) {
      began = selection?.anchorNode ? endOf(selection.anchorNode, selection.anchorOffset) : null;
      ends = null;
      return;
    }
    if (selection.anchorNode) began = endOf(selection.anchorNode, selection.anchorOffset) || began;
    if (selection.focusNode && root.contains(selection.focusNode)) ends = endOf(selection.focusNode, selection.focusOffset) || ends;
  });
  document.addEventListener("copy", (event) => {
    const selection = getSelection();
    if (!began || !ends || !selection || selection.isCollapsed || !event.clipboardData) return;
    if (!selection.focusNode || !root.contains(selection.focusNode)) return;
    const text = textBetween(log, began, ends);
    if (text === null) return;
    event.preventDefault();
    event.clipboardData.setData("text/plain", text);
  });
}

/** @param {Node} node @param {number} offset @returns {End|null} */
function endOf(node, offset) {
  const element = /** @type {Element|null} */ (node.nodeType === 1 ? node : node.parentElement);
  const row = element?.closest(".ln");
  const text = row?.querySelector("pre");
  if (!row || !text) return null;
  const [step, line] = row.id.split(":").map(Number);
  if (!text.contains(node)) return { step: step - 1, line, offset: 0 };
  const before = document.createRange();
  before.setStart(text, 0);
  before.setEnd(node, offset);
  return { step: step - 1, line, offset: before.toString().length };
}

/** The log's text from one end to the other; null: nothing is between. @param {import("./log.js").LogView} log
 * @param {End} one @param {End} other */
function textBetween(log, one, other) {
  const order = one.step - other.step || one.line - other.line || one.offset - other.offset;
  if (!order) return null;
  const [first, last] = order < 0 ? [one, other] : [other, one];
  /** @type {string[]} */
  const found = [];
  let missing = 0;
  const note = () => {
    if (missing) found.push(`[${count(missing, "line")} not loaded here: Raw has them all]`);
    missing = 0;
  };
  for (let step = first.step; step <= last.step; step += 1) {
    const from = step === first.step ? first.line : 1;
    const to = step === last.step ? last.line : log.outline.parts[step].total;
    for (let number = from; number <= to; number += 1) {
      const line = log.pages.get(step, number);
      if (!line || line.gone) {
        missing += 1;
        continue;
      }
      note();
      let text = plainText(line);
      if (step === last.step && number === last.line) text = text.slice(0, last.offset);
      if (step === first.step && number === first.line) text = text.slice(first.offset);
      found.push(text);
    }
  }
  note();
  return found.join("\n");
}

// @ts-check
// Colours and links of a stored line → runs of text with classes: the twin of builds/web/ansi.py, held to it by a test.

const TOKEN = new RegExp(
  "\\x1b\\[([0-9;:]*)m" +
    "|\\x1b\\]8;[^;\\x07\\x1b]*;([^\\x07\\x1b]*)(?:\\x07|\\x1b\\\\)" +
    "|\\x1b\\[[0-?]*[ -/]*[@-~]" +
    "|\\x1b\\][^\\x07\\x1b]*(?:\\x07|\\x1b\\\\)?" +
    "|\\x1b[()][0-9A-B]",
  "g",
);
const LINK = /^https?:\/\/[!-~]{1,2000}$/i;
// eslint-disable-next-line no-control-regex
const CONTROLS = /[\x00-\x08\x0a-\x1f\x7f]/g;
/** @type {Record<number, string>} */
const STYLES = { 1: "bo", 2: "di", 3: "it", 4: "un", 7: "iv", 9: "st" };
/** @type {Record<number, string[]>} */
const ENDS = { 21: ["bo"], 22: ["bo", "di"], 23: ["it"], 24: ["un"], 27: ["iv"], 29: ["st"] };

/** @typedef {{classes: string, href: string, text: string}} Run */

/** @param {string} line @returns {Run[]} */
export function runs(line) {
  if (!/[\x00-\x08\x0a-\x1f\x7f]/.test(line)) return line ? [{ classes: "", href: "", text: line }] : [];
  /** @type {Run[]} */
  const found = [];
  const look = { fore: "", back: "", styles: /** @type {Set<string>} */ (new Set()) };
  let href = "";
  let at = 0;
  for (const token of line.matchAll(TOKEN)) {
    add(found, classesOf(look), href, line.slice(at, token.index));
    at = token.index + token[0].length;
    if (token[1] !== undefined) select(token[1], look);
    else if (token[2] !== undefined) href = LINK.test(token[2]) ? token[2] : "";
  }
  add(found, classesOf(look), href, line.slice(at));
  return found;
}

/** A line's runs into `target`, by text nodes only. @param {Element} target @param {Run[]} found
 * @param {[number, number][]} [hits] stretches to be marked: UTF-16 units of the plain text, in order, apart */
export function renderRuns(target, found, hits) {
  target.replaceChildren(
    ...(hits ? divided(found, hits) : found).map(({ classes, href, text, hit }) => {
      /** @type {Node} */
      let node = document.createTextNode(text);
      if (classes) node = wrapped("i", node, classes);
      if (hit) node = wrapped("mark", node, "");
      if (href) {
        const link = /** @type {HTMLAnchorElement} */ (wrapped("a", node, ""));
        link.href = href;
        link.target = "_blank";
        link.rel = "noopener noreferrer nofollow";
        node = link;
      }
      return node;
    }),
  );
}

/** Runs that end where a stretch begins or ends. Pure. @param {Run[]} found @param {[number, number][]} hits
 * @returns {(Run & {hit?: boolean})[]} */
export function divided(found, hits) {
  /** @type {(Run & {hit?: boolean})[]} */
  const parts = [];
  let begin = 0;
  for (const run of found) {
    const end = begin + run.text.length;
    let at = begin;
    for (const [first, last] of hits) {
      if (last <= at || first >= end) continue;
      if (first > at) parts.push({ ...run, text: run.text.slice(at - begin, first - begin) });
      const from = Math.max(first, at);
      const to = Math.min(last, end);
      parts.push({ ...run, text: run.text.slice(from - begin, to - begin), hit: true });
      at = to;
    }
    if (at < end) parts.push({ ...run, text: run.text.slice(at - begin) });
    begin = end;
  }
  return parts;
}

/** @param {Run[]} found */
export function plainOf(found) {
  return found.map((run) => run.text).join("");
}

/** What `renderRuns` or the server has made, back as runs. @param {Element} target @returns {Run[]} */
export function runsOf(target) {
  /** @type {Run[]} */
  const found = [];
  const read = (/** @type {Node} */ node, /** @type {string} */ classes, /** @type {string} */ href) => {
    if (node.nodeType === 3) found.push({ classes, href, text: node.nodeValue || "" });
    else if (node instanceof HTMLAnchorElement) for (const child of node.childNodes) read(child, classes, node.href);
    else for (const child of node.childNodes) read(child, /** @type {Element} */ (node).className, href);
  };
  for (const child of target.childNodes) read(child, "", "");
  return found;
}

/** @param {string} name @param {Node} child @param {string} classes */
function wrapped(name, child, classes) {
  const element = document.createElement(name);
  if (classes) element.className = classes;
  element.append(child);
  return element;
}

/** @param {Run[]} found @param {string} classes @param {string} href @param {string} text */
function add(found, classes, href, text) {
  text = text.replace(CONTROLS, (one) => String.fromCharCode(one === "\x7f" ? 0x2421 : 0x2400 + one.charCodeAt(0)));
  if (!text) return;
  const last = found.at(-1);
  if (last && last.classes === classes && last.href === href) last.text += text;
  else found.push({ classes, href, text });
}

/** @typedef {{fore: string, back: string, styles: Set<string>}} Look */

/** @param {Look} look */
function classesOf(look) {
  return [...Object.values(STYLES).filter((name) => look.styles.has(name)), look.fore, look.back]
    .filter(Boolean)
    .join(" ");
}

/** Apply one SGR sequence. @param {string} parameters @param {Look} look */
function select(parameters, look) {
  const codes = numbersOf(parameters)[Symbol.iterator]();
  for (const code of codes) {
    if (code === 0) {
      look.fore = look.back = "";
      look.styles.clear();
    } else if (code in STYLES) look.styles.add(STYLES[code]);
    else if (code in ENDS) ENDS[code].forEach((name) => look.styles.delete(name));
    else if ((code >= 30 && code <= 37) || (code >= 90 && code <= 97)) look.fore = `c${code - (code < 90 ? 30 : 82)}`;
    else if ((code >= 40 && code <= 47) || (code >= 100 && code <= 107)) look.back = `b${code - (code < 100 ? 40 : 92)}`;
    else if (code === 38) look.fore = extended("c", codes, look.fore);
    else if (code === 48) look.back = extended("b", codes, look.back);
    else if (code === 39) look.fore = "";
    else if (code === 49) look.back = "";
  }
}

/** @param {string} parameters @returns {number[]} */
function numbersOf(parameters) {
  return parameters.split(";").flatMap((part) => {
    let numbers = part.split(":").map((text) => Math.min(Number(text.slice(-6) || "0"), 999));
    if (numbers[0] !== 38 && numbers[0] !== 48) return numbers.slice(0, 1);
    if (numbers.length > 4 && numbers[1] === 2) numbers = [...numbers.slice(0, 2), ...numbers.slice(-3)];
    return numbers;
  });
}

/** @param {string} prefix @param {Iterator<number>} codes @param {string} now */
function extended(prefix, codes, now) {
  const next = () => {
    const one = codes.next();
    return one.done ? null : one.value;
  };
  const kind = next();
  if (kind === 5) {
    const number = next();
    return number === null ? now : `${prefix}${Math.min(number, 255)}`;
  }
  if (kind === 2) {
    const [red, green, blue] = [0, 0, 0].map(() => Math.min(next() || 0, 255));
    return `${prefix}${nearest(red, green, blue)}`;
  }
  return now;
}

/** The number of the colour that is nearest to a true one: the twin of builds/web/palette.py.
 * @param {number} red @param {number} green @param {number} blue */
function nearest(red, green, blue) {
  const levels = [0, 95, 135, 175, 215, 255];
  const at = [red, green, blue].map((value) => (value < 48 ? 0 : value < 115 ? 1 : Math.floor((value - 35) / 40)));
  const grey = Math.min(Math.max(Math.floor((Math.floor((red + green + blue) / 3) - 3) / 10), 0), 23);
  const apart = (/** @type {number[]} */ shade) =>
    (shade[0] - red) ** 2 + (shade[1] - green) ** 2 + (shade[2] - blue) ** 2;
  const shade = grey * 10 + 8;
  const cubeIsNearer = apart(at.map((level) => levels[level])) <= apart([shade, shade, shade]);
  return cubeIsNearer ? 16 + 36 * at[0] + 6 * at[1] + at[2] : 232 + grey;
}

// @ts-check
// The first artifacts of a build, on its page: the server has rendered those that were there; each `artifact` event adds
// one at its place. What is said in words is the twin of builds/web/artifacts.py, held to it by a test.

import { count, size } from "./words.js";

/**
 * @typedef {{step: string, path: string, size: number, sha256: string, content_type: string,
 *   total: {count: number, bytes: number}}} Artifact
 */

/** So many are shown: builds/web/artifacts.py. */
const SHOWN = 20;
const IMAGE_BYTES = 20 * 1024 * 1024;

/** `3 files, 12.4 MB`. @param {number} files @param {number} bytes */
export function heading(files, bytes) {
  return `${count(files, "file")}, ${size(bytes)}`;
}

/** Where a click on it leads: to a look at it where it is text or an image, else to the file.
 * @param {string} list address of the list @param {Artifact} one */
export function address(list, one) {
  const path = one.path.split("/").map(encodeURIComponent).join("/");
  const isShown = one.content_type.startsWith("text/") || (one.content_type.startsWith("image/") && one.size <= IMAGE_BYTES);
  return isShown ? list.replace(/artifacts\/$/, `preview/${path}`) : list + path;
}

export class ArtifactPanel {
  /** @param {HTMLElement} root the panel */
  constructor(root) {
    this.root = root;
    this.list = /** @type {HTMLElement} */ (root.querySelector("ol"));
    this.more = /** @type {HTMLElement} */ (root.querySelector(".quiet"));
    this.heading = /** @type {HTMLElement} */ (root.querySelector("[data-slot=files]"));
  }

  /** @param {Artifact} one */
  add(one) {
    const rows = /** @type {HTMLElement[]} */ (Array.from(this.list.children));
    const same = rows.find((row) => row.dataset.path === one.path);
    const row = this.row(one);
    if (same) same.replaceWith(row);
    else this.list.insertBefore(row, rows.find((other) => (other.dataset.path || "") > one.path) || null);
    while (this.list.children.length > SHOWN) this.list.lastElementChild?.remove();
    this.heading.textContent = heading(one.total.count, one.total.bytes);
    this.more.hidden = one.total.count <= SHOWN;
    this.root.hidden = false;
  }

  /** @param {Artifact} one */
  row(one) {
    const row = document.createElement("li");
    row.dataset.path = one.path;
    const link = document.createElement("a");
    link.className = "cut";
    link.href = address(this.root.dataset.list || "", one);
    link.title = one.path;
    const folder = document.createElement("span");
    const at = one.path.lastIndexOf("/") + 1;
    folder.textContent = one.path.slice(0, at);
    link.append(folder, one.path.slice(at));
    const much = document.createElement("span");
    much.className = "size";
    much.textContent = size(one.size);
    row.append(link, much);
    return row;
  }
}

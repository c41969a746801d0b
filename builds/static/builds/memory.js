// @ts-check
// What a browser remembers for its reader. One that keeps nothing forgets, and nothing else happens.

/** @param {string} key */
export function remembered(key) {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

/** @param {string} key @param {string} value */
export function remember(key, value) {
  try {
    localStorage.setItem(key, value);
  } catch {
    // It is only for the next time.
  }
}

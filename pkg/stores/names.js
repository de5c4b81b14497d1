// What names in a store are.

/**
 * The core never makes such a name; a database would cut it short, or take two for one.
 * @param {string[]} names
 */
export function check(...names) {
  for (const name of names) {
    if (name.includes("\0") || !name.isWellFormed()) {
      throw new TypeError("a name in the store is not Unicode text, or holds NUL");
    }
  }
}

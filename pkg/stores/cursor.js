// Where a listing goes on.

/**
 * Whether a cursor is not before the prefix of its listing, by UTF-8 bytes, which is by code
 * points.
 * @param {string} cursor @param {string} prefix
 */
export function isWithin(cursor, prefix) {
  const [a, b] = [Array.from(cursor), Array.from(prefix)];
  const at = a.findIndex((character, at) => character !== b[at]);
  if (at === -1) return a.length === b.length;
  return b[at] === undefined || Number(a[at].codePointAt(0)) > Number(b[at].codePointAt(0));
}

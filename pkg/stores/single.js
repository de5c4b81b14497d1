// A write by itself, where a store makes all of its writes by `commit`.

/** @typedef {import("../index.d.ts").Store} Store */

/**
 * `put` and `delete` as commits of one write.
 * @param {Required<Store>["commit"]} commit
 * @returns {Pick<Store, "put" | "delete">}
 */
export function byCommit(commit) {
  /** @param {string} partition @param {import("../index.d.ts").StoreWrite} write */
  async function single(partition, write) {
    const { versions } = await commit(partition, [write]);
    return versions?.[0] ?? null;
  }
  return {
    put: (partition, name, value, expected, expiresAt) =>
      single(partition, { name, value, expected, expiresAt }),
    delete: (partition, name, expected) =>
      single(partition, { name, value: null, expected, expiresAt: null }),
  };
}

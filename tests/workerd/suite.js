// Runs the store contract suite (src/store/contract.rs) from JavaScript: in Node, and inside a worker
// for the stores that exist only there.

/**
 * Runs the suite; the names of the checks that passed.
 * @param {{ Driver: any, OutcomeCall: any, module: WebAssembly.Module }} copy the package whose wasm has
 * the suite in it
 * @param {import("../../pkg/index.d.ts").Store} store
 * @returns {Promise<string[]>}
 */
export function runContract({ Driver, OutcomeCall, module }, store) {
  const masterKey = "A".repeat(43);
  // Nothing is issued here: it may be a store that is not good enough for grants.
  const options = { baseUrl: "http://localhost", masterKey, store, grants: false, onEvent: console.error };
  const driver = new Driver(module, options);
  const surroundings = {
    now: () => Date.now() / 1000,
    /** @param {unknown} call @param {number} id @param {number} seconds */
    pass(call, id, seconds) {
      const passed = new Promise((resolve) => setTimeout(resolve, seconds * 1000));
      driver.settle(call, id, passed, (/** @type {any} */ engine) => engine.resumePassed(id));
    },
  };
  return new Promise((resolve, reject) => {
    const call = new OutcomeCall(resolve, reject);
    driver.enter(call, (/** @type {any} */ engine) => {
      engine.runContract(call, crypto.randomUUID(), surroundings);
    });
  });
}

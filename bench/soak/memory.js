// Remembers the memory of every wasm instance that is made after this module was loaded, so that somebody
// can ask how large it is.

/** @type {WebAssembly.Memory[]} */
const memories = [];
const { Instance } = WebAssembly;

WebAssembly.Instance = /** @type {typeof Instance} */ (
  new Proxy(Instance, {
    construct(target, [module, imports]) {
      const instance = new target(module, imports);
      const { memory } = instance.exports;
      if (memory instanceof WebAssembly.Memory) memories.push(memory);
      return instance;
    },
  })
);

/** Bytes of all of them. */
export const wasmMemory = () => memories.reduce((sum, { buffer }) => sum + buffer.byteLength, 0);

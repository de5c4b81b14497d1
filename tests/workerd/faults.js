// The worker with a store that fails and a wasm memory that can be ruined, on demand: a request says
// which by its header `x-fault`. The worker and the package behind it are unchanged.

/** @type {WebAssembly.Instance[]} */
const instances = [];
const Instance = WebAssembly.Instance;

// The glue makes its instance with `new WebAssembly.Instance`: this one remembers them.
/** @type {any} */ (WebAssembly).Instance = function (
  /** @type {WebAssembly.Module} */ module,
  /** @type {WebAssembly.Imports} */ imports,
) {
  const instance = new Instance(module, imports);
  instances.push(instance);
  return instance;
};

const { default: worker, DirectoryObject, GrantObject } = await import("../../worker/index.js");

export { DirectoryObject, GrantObject };

let reads = 0;
/** How many of them are held. */
let waiting = 0;

export default {
  /** @param {Request} request @param {any} env @param {any} context */
  async fetch(request, env, context) {
    const fault = request.headers.get("x-fault");
    if (fault === "reads") return Response.json({ reads, waiting, instances: instances.length });
    if (fault === "trap") {
      // As a bug in unsafe code or a cosmic ray would: every pointer leads out of the memory.
      const { memory } = /** @type {{ memory: WebAssembly.Memory }} */ (
        /** @type {WebAssembly.Instance} */ (instances.at(-1)).exports
      );
      new Uint8Array(memory.buffer).fill(0xff);
    }
    const directory = new Proxy(env.DIRECTORY, {
      get(target, name) {
        if (name !== "getWithMetadata") return target[name].bind(target);
        return async (/** @type {unknown[]} */ ...parameters) => {
          reads += 1;
          if (faults.has("throw")) throw new Error("KV is down: secret internals at 10.0.0.1");
          if (faults.has("nonsense")) return { value: 7, metadata: { version: 1 } };
          waiting += 1;
          while (faults.has("slow")) await new Promise((resolve) => setTimeout(resolve, 10));
          waiting -= 1;
          return target.getWithMetadata(...parameters);
        };
      },
    });
    if (fault === "on") faults.add(request.headers.get("x-which") ?? "");
    if (fault === "off") faults.clear();
    if (fault === "on" || fault === "off") return new Response();
    return worker.fetch(request, { ...env, DIRECTORY: directory }, context);
  },
};

/** @type {Set<string>} */
const faults = new Set();

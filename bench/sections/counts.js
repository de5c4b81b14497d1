// What is the same on every machine: instructions, allocations, what crosses the border, bytes by crate.

import { above, bounds, count, held, tables } from "../counts.js";

const CRATES = 12;

export const section = {
  name: "counts",
  title: "Counted, not timed",

  async run() {
    const counts = count();
    const { requests, modules } = counts;
    const exceeded = above(held(counts, bounds()));
    const { node, v8 } = process.versions;
    return {
      title: section.title,
      machine: "any",
      how: `counted on Node ${node}, V8 ${v8}`,
      tables: tables(counts),
      checks: [
        {
          what: "counts above their bounds (bench/bounds.json)",
          value: exceeded.length,
          budget: 0,
          aim: 0,
          ok: exceeded.length === 0,
        },
      ],
      plots: [
        {
          name: "counts-instructions",
          title: "Instructions of wasm for one request, by crate",
          x: "crate",
          y: "instructions",
          kind: /** @type {const} */ ("bars"),
          series: ["client credentials", "refresh", "introspection"].map((name) => ({
            name,
            points: requests[name].crates.slice(0, CRATES),
          })),
        },
        {
          name: "counts-bytes",
          title: "Bytes of the token service's module, by crate",
          x: "crate",
          y: "bytes",
          kind: /** @type {const} */ ("bars"),
          series: [{ name: "edgemint", points: modules.edgemint.crates.slice(0, CRATES) }],
        },
      ],
      notes: [
        ...exceeded.map((line) => `Above its bound: ${line}.`),
        "Instructions are those of the wasm that ships, counted by a copy of it whose every run of instructions " +
          "begins with a counter; `memory.copy` and `memory.fill` are one each. An average of 1,000 warm requests " +
          "in a row with the clock stopped and fixed randomness: a second run counts exactly the same.",
        "A refresh is counted with the step of the grant's object, which runs in the same wasm. The first token " +
          "is that of a new engine with nothing in its cache, in an instance that there is already.",
        "The calls into and out of the wasm, and the bytes copied into it, are those of the glue: its calls for " +
          "memory are among them. The promises are Node's own, too: those of reading a body, of a signature.",
        "A crate is that of the function; what was inlined counts for where it was inlined, what is generic for " +
          "whoever wrote it. Bytes are those of the modules as they ship, before " +
          "compression; compressed they were by Node, which makes some hundred bytes more than `gzip -9`.",
      ],
    };
  },
};

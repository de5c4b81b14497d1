// Reads a wasm module: whose code it holds, by the names of its functions.

/** @typedef {{ name: string, bytes: number }} Code */

const CODE = 10;
const IMPORTS = 2;
const FUNCTION_NAMES = 1;

/**
 * The functions of a module with their names and the bytes of their code, and what else is in it.
 * @param {Uint8Array} wasm
 * @returns {{ functions: Code[], other: Code[] }}
 */
export function contentOf(wasm) {
  /** @type {number[]} */
  const sizes = [];
  /** @type {Map<number, string>} */
  let names = new Map();
  /** @type {Code[]} */
  const other = [];
  let imported = 0;
  for (const { id, name, content, bytes } of sectionsOf(wasm)) {
    if (id === IMPORTS) imported = importedFunctions(content);
    if (id === CODE) {
      content.each(() => {
        const begin = content.at;
        content.skip(content.number());
        sizes.push(content.at - begin);
      });
    } else if (name === "name") {
      names = functionNames(content);
    } else {
      other.push({ name: `(${name || SECTIONS[id]})`, bytes: bytes.length });
    }
  }
  if (names.size === 0) throw new TypeError("this module has no names");
  const functions = sizes.map((bytes, at) => ({ name: names.get(imported + at) ?? "", bytes }));
  return { functions, other };
}

/** The module without its section of names. @param {Uint8Array} wasm */
export function withoutNames(wasm) {
  const kept = [...sectionsOf(wasm)].filter(({ name }) => name !== "name");
  return Buffer.concat([wasm.subarray(0, 8), ...kept.map(({ bytes }) => bytes)]);
}

/** @type {Record<number, string>} */
const SECTIONS = {
  1: "types",
  2: "imports",
  3: "functions",
  4: "tables",
  5: "memory",
  6: "globals",
  7: "exports",
  8: "start",
  9: "elements",
  11: "data",
  12: "data count",
};

/** @param {Uint8Array} wasm */
function* sectionsOf(wasm) {
  const reader = new Reader(wasm.subarray(8));
  while (!reader.atEnd) {
    const begin = reader.at;
    const id = reader.byte();
    const content = reader.part(reader.number());
    const bytes = reader.bytes.subarray(begin, reader.at);
    // A custom section begins with its name.
    yield { id, name: id === 0 ? content.text() : "", content, bytes };
  }
}

/** @param {Reader} content */
function importedFunctions(content) {
  let functions = 0;
  content.each(() => {
    content.text();
    const name = content.text();
    // wasm-bindgen's modules import functions only.
    if (content.byte() !== 0) throw new TypeError(`the import ${name} is no function`);
    content.number();
    functions += 1;
  });
  return functions;
}

/** @param {Reader} content */
function functionNames(content) {
  /** @type {Map<number, string>} */
  const names = new Map();
  while (!content.atEnd) {
    const kind = content.byte();
    const part = content.part(content.number());
    if (kind === FUNCTION_NAMES) part.each(() => void names.set(part.number(), part.text()));
  }
  return names;
}

/** Bytes read from front to back. */
class Reader {
  at = 0;

  /** @param {Uint8Array} bytes */
  constructor(bytes) {
    this.bytes = bytes;
  }

  get atEnd() {
    return this.at >= this.bytes.length;
  }

  byte() {
    return this.bytes[this.at++];
  }

  /** LEB128, unsigned. */
  number() {
    let value = 0;
    for (let shift = 1; ; shift *= 128) {
      const byte = this.byte();
      value += (byte & 127) * shift;
      if (byte < 128) return value;
    }
  }

  /** @param {number} length */
  skip(length) {
    this.at += length;
  }

  /** @param {number} length */
  part(length) {
    this.skip(length);
    return new Reader(this.bytes.subarray(this.at - length, this.at));
  }

  text() {
    return new TextDecoder().decode(this.part(this.number()).bytes);
  }

  /** Once for each entry of a list. @param {() => void} read */
  each(read) {
    for (let left = this.number(); left > 0; left -= 1) read();
  }
}

/** Part of every Rust program. */
const STANDARD = ["alloc", "core", "std"];

/**
 * Whose a function is: of the path before its name, or in `<Type as Trait>::name` the type's, or if that is
 * a primitive, a parameter or the standard library's, the trait's. What is generic belongs to whoever wrote it,
 * not to whoever it was made for; what was inlined belongs to the function that it was inlined into.
 * @param {string} name
 */
export function crateOf(name) {
  const [type, trait] = name.startsWith("<") ? implementation(name) : [name];
  const owners = [type, trait].map((path) => head(path ?? ""));
  const owner = owners.find((crate) => crate !== undefined && !STANDARD.includes(crate));
  const crate = owner ?? owners.find((crate) => crate !== undefined);
  if (crate === "__rustc") return "std";
  // `memcpy` and its like have their bare names.
  if (crate === undefined) return /^mem(cpy|move|set|cmp)$/.test(name) ? "compiler_builtins" : "wasm-bindgen";
  return crate;
}

/** Of `<Type as Trait>::name` the type and the trait. @param {string} name */
function implementation(name) {
  let depth = 0;
  for (let at = 0; at < name.length; at += 1) {
    if (name[at] === "<") depth += 1;
    // The arrow of a closure's type is no bracket.
    else if (name[at] === ">" && name[at - 1] !== "-") depth -= 1;
    if (depth === 1 && name.startsWith(" as ", at)) return [name.slice(1, at), name.slice(at + 4)];
    if (depth === 0) return [name.slice(1, at)];
  }
  return [name];
}

/** The crate that a path begins with, if it begins with one. @param {string} path */
function head(path) {
  const bare = path.replace(/^(?:[<&*([\s]|mut |const |dyn |for<[^>]*> )+/, "");
  return /^([A-Za-z_]\w*)(?:\[[0-9a-f]+\])?::/.exec(bare)?.[1];
}

/**
 * Sums by crate, the largest first.
 * @param {Iterable<[name: string, value: number]>} values of functions
 * @returns {[crate: string, value: number][]}
 */
export function byCrate(values) {
  /** @type {Map<string, number>} */
  const sums = new Map();
  for (const [name, value] of values) {
    const crate = crateOf(name);
    sums.set(crate, (sums.get(crate) ?? 0) + value);
  }
  return [...sums].filter(([, value]) => value > 0).sort(([, one], [, other]) => other - one);
}

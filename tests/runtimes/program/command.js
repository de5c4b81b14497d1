// The start on a command line: `command.js STORE [FILE]` runs the program, and
// `command.js absent FOLDER` sees to wasm that is away.

import process from "node:process";

const [name, path] = process.argv.slice(2);

/** @param {string} file */
async function restore(file) {
  const { renameSync } = await import("node:fs");
  renameSync(`${path}/${file}.away`, `${path}/${file}`);
}

async function act() {
  if (name === "absent") return (await import("./absent.js")).absent(restore);
  const { open } = await import(`./${name}.js`);
  const { program } = await import("./program.js");
  return program(await open(path));
}

console.log(JSON.stringify(await act()));
process.exit();

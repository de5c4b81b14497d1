#!/usr/bin/env node
// The command line: `npx edgemint --help`.

import { run } from "./program.js";

// Whoever read the output has enough of it, as `head` does.
process.stdout.on("error", (error) => {
  process.exit(/** @type {NodeJS.ErrnoException} */ (error).code === "EPIPE" ? 0 : 1);
});

process.exitCode = await run(process.argv.slice(2));

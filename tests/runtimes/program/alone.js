// The start that a bundler takes in as a whole.

import { open } from "./memory.js";
import { program } from "./program.js";

console.log(JSON.stringify(await program(await open())));

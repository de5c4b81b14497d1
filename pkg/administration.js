// The administration's module: not loaded before it is used.

import { Wasm } from "./driver.js";
import * as glue from "./wasm/administration.js";

export const wasm = new Wasm(glue);

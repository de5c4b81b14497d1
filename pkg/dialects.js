// The module of the token service that speaks Entra's and B2C's dialects: not loaded before it is used.

import { Wasm } from "./driver.js";
import * as glue from "./wasm/dialects.js";

export const wasm = new Wasm(glue);

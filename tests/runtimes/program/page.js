// The start in a browser's page: what came of it goes to where the page is from.

import { absent } from "./absent.js";
import { open } from "./memory.js";
import { program } from "./program.js";

const act = new URLSearchParams(location.search).get("act");
/** @type {unknown} */
let results;
try {
  // What is away here comes back by itself.
  results = act === "absent" ? await absent(() => {}) : await program(await open());
} catch (error) {
  results = `${error}`;
}
await fetch("/results", { method: "POST", body: JSON.stringify(results) });

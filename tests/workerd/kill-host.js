// The local runtime as a process of its own, for a test to kill: `node kill-host.js STATE [ENTRY]`. It prints
// where it listens and which process its workerd is, a line of JSON.

import { localWorker } from "../../worker/local.js";
import { children } from "../children.js";
import { MASTER_KEY } from "./world.js";

const worker = localWorker({
  bindings: { BASE_URL: "https://auth.example.com", MASTER_KEY },
  state: process.argv[2],
  entry: process.argv[3],
  onLine() {},
});
const url = String(await worker.ready);
console.log(JSON.stringify({ url, children: children() }));
// Held open: it ends if the test is gone.
process.stdin.resume().once("end", () => process.exit(1));

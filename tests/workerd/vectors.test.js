// The vectors against the worker in workerd.

import { after, before, describe, test } from "node:test";
import { run, setUp } from "../vectors.js";
import { json, startWorker } from "./world.js";

/** @type {import("../vectors.js").Directory} */
const directory = json("tests/vectors/directory.json");

/** @type {Awaited<ReturnType<typeof startWorker>>} */
let worker;

before(async () => {
  worker = await startWorker();
  await setUp(worker.admin, directory);
});
after(() => worker.stop());

for (const file of ["token-endpoint", "metadata", "grants", "entra"]) {
  /** @type {import("../vectors.js").Vectors} */
  const { cases, directory: more = [] } = json(`tests/vectors/${file}.json`);
  describe(file, () => {
    before(() => setUp(worker.admin, { ...directory, commands: more }));
    for (const vector of cases) {
      test(vector.name, () => run(worker.fetch, directory.baseUrl, vector));
    }
  });
}

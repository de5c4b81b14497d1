// Authlib and requests-oauthlib: python/test_*.py, in the environment that `cargo xtask test` makes.

import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, test } from "node:test";
import { finished } from "./finished.js";
import { root } from "./world.js";

/** @param {import("./world.js").World} world */
export function python(world) {
  describe("Python", () => {
    for (const [name, module] of [
      ["Authlib", "test_authlib"],
      ["requests-oauthlib", "test_requests_oauthlib"],
    ]) {
      test(`${name} gets, refreshes and revokes tokens, and knows the errors`, async (t) => {
        const program = join(root, "target/clients-venv/bin/python");
        const { code, printed } = await finished(program, ["-m", "unittest", "-v", module], {
          cwd: join(root, "tests/clients/python"),
          env: { ...world.environment, PYTHONDONTWRITEBYTECODE: "1" },
        });
        assert.equal(code, 0, printed);
        t.diagnostic(/Ran \d+ tests/.exec(printed)?.[0] ?? assert.fail(printed));
      });
    }
  });
}

// The crates oauth2 and openidconnect: rust/tests, which cargo builds in a workspace of their own.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { finished } from "./finished.js";
import { root } from "./world.js";

/** @param {import("./world.js").World} world */
export function rust(world) {
  describe("Rust", () => {
    for (const crate of ["oauth2", "openidconnect"]) {
      test(`the crate ${crate} gets and refreshes tokens, and knows the errors`, async (t) => {
        const manifest = "tests/clients/rust/Cargo.toml";
        const target = ["--target-dir", "target/clients"];
        const { code, printed } = await finished(
          "cargo",
          ["test", "--quiet", "--locked", "--manifest-path", manifest, ...target, "--test", crate],
          // With another environment than its caller's, cargo builds some of it again.
          { cwd: root, env: { .../** @type {any} */ (process.env), ...world.environment } },
        );
        assert.equal(code, 0, printed);
        t.diagnostic(/\d+ passed/.exec(printed)?.[0] ?? assert.fail(printed));
      });
    }
  });
}

// The counts of bench/counts.js, held against bench/bounds.json: slower, or larger, by accident is noticed.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { before, test } from "node:test";
import { above, bounds, count, farBelow, figure, held, named } from "../../bench/counts.js";
import { contentOf, crateOf, withoutNames } from "../../bench/crates.js";

const RENEW = "if that is what it is worth: cargo xtask bench counts --renew";
const limits = bounds();

/** @type {import("../../bench/counts.js").Counts} */
let counts;
before(() => {
  counts = count();
});

/** @param {import("node:test").TestContext} context @param {string} kind */
function check(context, kind) {
  const all = held(counts, limits).filter(({ what }) => what.startsWith(`${kind}: `));
  assert.notEqual(all.length, 0);
  for (const { what, value, bound } of all) context.diagnostic(`${what} ${figure(value)} of ${figure(bound)}`);
  for (const line of farBelow(all)) {
    context.diagnostic(`far below: ${line}; cargo xtask bench counts --renew lowers it`);
  }
  assert.deepEqual(above(all), [], RENEW);
}

for (const kind of Object.keys(limits.requests)) {
  test(`${kind}: instructions, allocations and crossings stay within their bounds`, (context) => {
    check(context, kind);
  });
}

for (const name of Object.keys(limits.modules)) {
  test(`the module ${name} stays within its bytes`, (context) => check(context, name));
}

test("whatever is counted has a bound, and whatever has a bound is counted", () => {
  assert.deepEqual(Object.keys(counts.requests), Object.keys(limits.requests));
  assert.deepEqual(Object.keys(counts.modules), Object.keys(limits.modules));
});

test("a second run counts exactly the same", () => {
  assert.deepEqual(count().requests, counts.requests);
});

test("the modules that are counted are those that ship, with names", () => {
  for (const name of Object.keys(limits.modules)) {
    const shipped = readFileSync(new URL(`../../pkg/wasm/${name}_bg.wasm`, import.meta.url));
    assert.ok(withoutNames(named(name)).equals(shipped), name);
    const { functions, other } = contentOf(named(name));
    const bytes = [...functions, ...other].reduce((sum, part) => sum + part.bytes, 0);
    // What is left is the head of the file, and that of the section of code.
    assert.ok(shipped.length - bytes > 0 && shipped.length - bytes < 20, `${name}: ${shipped.length - bytes}`);
  }
});

test("a function belongs to the crate that wrote it, by its path, its type or its trait", () => {
  const owners = {
    "edgemint::endpoint::<impl edgemint::issuer::Issuer<H>>::route::{{closure}}::h489c": "edgemint",
    "<edgemint::api::Api as edgemint::json::Member>::read::hbddd": "edgemint",
    "<alloc::vec::Vec<T> as edgemint::json::Member>::read::hcff3": "edgemint",
    "<alloc::string::String as zeroize::Zeroize>::zeroize::ha0f5": "zeroize",
    "<T as base64ct::encoding::Encoding>::encode::h2df1": "base64ct",
    "<&mut serde_json::ser::Serializer<W,F> as serde_core::ser::Serializer>::serialize_str::h93c2": "serde_json",
    "<dlmalloc[e24a27700634d609]::dlmalloc::Dlmalloc<dlmalloc[e24a]::sys::System>>::malloc": "dlmalloc",
    "<alloc::vec::Vec<T,A> as core::clone::Clone>::clone::h5123": "alloc",
    "<<alloc::vec::into_iter::IntoIter<T,A> as core::ops::drop::Drop>::drop::DropGuard<T,A> as core::ops::drop::Drop>::drop::h0796":
      "alloc",
    "core::ptr::drop_in_place<edgemint::api::ApiScope>::h3ff2": "core",
    "__rustc[b7974e8690430dd9]::__rdl_realloc": "std",
    memcmp: "compiler_builtins",
    engine_start: "wasm-bindgen",
  };
  for (const [name, crate] of Object.entries(owners)) assert.equal(crateOf(name), crate, name);
});

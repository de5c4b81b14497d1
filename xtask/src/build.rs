//! Builds the wasm: cargo, wasm-bindgen as a library, wasm-opt.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use flate2::Compression;
use flate2::write::GzEncoder;
use wasm_bindgen_cli_support::Bindgen;

use crate::run::{command, root, run, write};
use crate::setup::step;

/// The wasm features that every runtime we serve has, named so that wasm-opt adds no other.
const FEATURES: [&str; 6] = [
    "--enable-bulk-memory",
    "--enable-bulk-memory-opt",
    "--enable-mutable-globals",
    "--enable-nontrapping-float-to-int",
    "--enable-reference-types",
    "--enable-sign-ext",
];

/// Without what makes the wasm larger once it is compressed, and no faster: docs/decisions/0004. Of functions
/// with more than one caller, only those that are smaller than their call are inlined.
const COMPRESSIBLE: [&str; 4] = [
    "--flexible-inline-max-function-size=2",
    "--always-inline-max-function-size=2",
    "--skip-pass=local-cse",
    "--reorder-functions-by-name",
];

/// How dear a function may be that asks to be inlined: LLVM's own 325 makes the wasm 2 KB larger and no
/// faster.
const HINTED: u8 = 150;

/// How much is done for speed and size.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Profile {
    /// Quick to build.
    Dev,
    /// What ships.
    Release,
}

/// A module of the package: docs/decisions/0009.
pub(crate) struct Module {
    /// Of its files, in `pkg/wasm`.
    name: &'static str,
    feature: &'static str,
    /// What ships is built with this profile of Cargo.toml.
    profile: &'static str,
    /// How dear a function may be to be inlined: docs/decisions/0004.
    inlining: u8,
    /// The largest function that wasm-opt puts into its only caller, in what it counts: expressions. Each function
    /// fewer is a call fewer, but a large one is seldom needed, and would be compiled with its caller.
    one_caller: u8,
    /// Bytes that it may have after `gzip -9`: design section 8, docs/decisions/0009.
    budget: usize,
}

pub(crate) const TOKENS: Module = Module {
    name: "edgemint",
    feature: "tokens",
    profile: "release",
    inlining: 60,
    one_caller: 150,
    budget: 150_000,
};

/// The token service once more, with the dialects of Entra and B2C in it.
const DIALECTS: Module = Module {
    name: "dialects",
    feature: "tokens dialects",
    profile: "administration",
    inlining: 5,
    one_caller: 0,
    budget: 150_000,
};

const MODULES: [Module; 3] = [TOKENS, DIALECTS, ADMINISTRATION];

const ADMINISTRATION: Module = Module {
    name: "administration",
    feature: "administration",
    profile: "administration",
    inlining: 5,
    one_caller: 0,
    budget: 160_000,
};

/// Builds what ships into `pkg/wasm`, and holds each module to its budget.
pub(crate) fn package() -> Result<()> {
    step("building the wasm");
    for module in MODULES {
        let size = build(&module, Profile::Release, "", &root().join("pkg/wasm"))?;
        eprintln!(
            "  {}: {} bytes, gzip -9: {} of at most {}",
            module.name, size.raw, size.gzip, module.budget
        );
        if size.gzip > module.budget {
            bail!(
                "the module {} is larger than its budget; see what grew before raising it",
                module.name
            );
        }
    }
    Ok(())
}

/// Builds something to try into `pkg/wasm`, in less time.
pub(crate) fn quick() -> Result<()> {
    step("building the wasm (quick; --release builds what ships)");
    all("", &root().join("pkg/wasm"))
}

/// Makes a copy of the package whose wasm has the store contract suite in it (in JavaScript it is run
/// by the module of the token service), and of the worker and store tests beside it: what is imported
/// there is the copy.
pub(crate) fn contract() -> Result<()> {
    step("building the store contract suite for JavaScript");
    let copy = root().join("target/contract");
    for folder in ["pkg", "pkg/stores", "tests/workerd", "tests/stores"] {
        fs::create_dir_all(copy.join(folder))?;
        for file in fs::read_dir(root().join(folder))? {
            let path = file?.path();
            if let (true, Some(name)) = (path.is_file(), path.file_name()) {
                fs::copy(&path, copy.join(folder).join(name))?;
            }
        }
    }
    all("contract", &copy.join("pkg/wasm"))
}

fn all(features: &str, out: &Path) -> Result<()> {
    for module in MODULES {
        build(&module, Profile::Dev, features, out)?;
    }
    Ok(())
}

/// Sizes in bytes.
struct Size {
    raw: usize,
    gzip: usize,
}

fn build(module: &Module, profile: Profile, features: &str, out: &Path) -> Result<Size> {
    let name = match profile {
        Profile::Dev => "wasm-dev",
        Profile::Release => module.profile,
    };
    let features = [module.feature, features].join(" ");
    let mut cargo = command(
        "cargo",
        &[
            "build",
            "--lib",
            "--target",
            "wasm32-unknown-unknown",
            "--profile",
            name,
            "--no-default-features",
            "--features",
            features.trim_end(),
        ],
    );
    // Wherever cargo is told to build by default, the result is looked for here.
    cargo.arg("--target-dir").arg(root().join("target"));
    if profile == Profile::Release {
        cargo.env(
            "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS",
            release_flags(module.inlining),
        );
    }
    run(cargo)?;
    let built = root()
        .join("target/wasm32-unknown-unknown")
        .join(name)
        .join("edgemint.wasm");
    let mut bindgen = Bindgen::new();
    bindgen
        .input_path(built)
        .out_name(module.name)
        .web(true)?
        .typescript(true)
        .reset_state_function(true);
    // The entries of pkg/ bring the module; nothing is fetched behind the runtime's back.
    bindgen.omit_default_module_path(true);
    // wasm-opt orders the functions by their names; then they are left out.
    bindgen.remove_producers_section(true);
    bindgen.generate(out).context("wasm-bindgen failed")?;
    let wasm = out.join(format!("{}_bg.wasm", module.name));
    if profile == Profile::Release {
        optimise(&wasm, module)?;
        let built = fs::read(&wasm)?;
        write(&named(module), &built)?;
        write(&wasm, without_names(&built)?)?;
    }
    measure(&wasm)
}

/// Inlining is what makes speed cost size: docs/decisions/0004 has the measurements. And no path of
/// this machine is in what ships.
fn release_flags(inlining: u8) -> String {
    let home = std::env::var("CARGO_HOME")
        .or_else(|_| std::env::var("HOME").map(|home| format!("{home}/.cargo")))
        .unwrap_or_default();
    format!(
        "-Cllvm-args=--inline-threshold={inlining} -Cllvm-args=--inlinehint-threshold={HINTED} \
         --remap-path-prefix={home}/registry/src=crates"
    )
}

fn optimise(wasm: &Path, module: &Module) -> Result<()> {
    let one_caller = format!(
        "--one-caller-inline-max-function-size={}",
        module.one_caller
    );
    let path = wasm.to_string_lossy().into_owned();
    let mut arguments = vec![path.as_str(), "-o", path.as_str(), "-O3", "--debuginfo"];
    arguments.extend(FEATURES);
    arguments.extend(COMPRESSIBLE);
    arguments.push(&one_caller);
    run(command("wasm-opt", &arguments))
}

/// What ships, with the names of its functions: `cargo xtask bench counts` tells what is whose by them.
pub(crate) fn named(module: &Module) -> PathBuf {
    root()
        .join("target/named")
        .join(format!("{}.wasm", module.name))
}

/// The wasm without its section of names, every other byte as it is.
fn without_names(wasm: &[u8]) -> Result<Vec<u8>> {
    const MALFORMED: &str = "what wasm-opt wrote is no wasm";
    let (head, mut rest) = wasm.split_at_checked(8).context(MALFORMED)?;
    let mut kept = head.to_owned();
    while let Some((id, after)) = rest.split_first() {
        let (size, content) = unsigned(after).context(MALFORMED)?;
        let length = rest.len() - content.len() + size;
        let (section, following) = rest.split_at_checked(length).context(MALFORMED)?;
        // A custom section begins with its own name, and the length of that.
        if !(*id == 0 && content.starts_with(b"\x04name")) {
            kept.extend(section);
        }
        rest = following;
    }
    Ok(kept)
}

/// A number in LEB128, and what comes after it.
fn unsigned(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let end = bytes.iter().take(5).position(|byte| byte & 0x80 == 0)?;
    let (number, rest) = bytes.split_at_checked(end + 1)?;
    let digits = number.iter().rev().map(|byte| usize::from(byte & 0x7f));
    Some((digits.fold(0, |value, digit| value << 7 | digit), rest))
}

fn measure(wasm: &Path) -> Result<Size> {
    let bytes = fs::read(wasm)?;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&bytes)?;
    Ok(Size {
        raw: bytes.len(),
        gzip: encoder.finish()?.len(),
    })
}

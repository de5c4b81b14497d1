//! Installs what the other commands need, and only what is missing.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::run::{command, node_module, output, root, run, tools, write};

/// Tells a person what takes a while.
pub(crate) fn step(what: &str) {
    eprintln!("\u{25b8} {what}");
}

/// The standard library for wasm.
pub(crate) fn wasm_target() -> Result<()> {
    const TARGET: &str = "wasm32-unknown-unknown";
    let listed = output(command(
        "rustc",
        &["--print", "target-libdir", "--target", TARGET],
    ));
    let folder = listed.map(|listed| String::from_utf8_lossy(&listed.stdout).trim().to_owned());
    if folder.is_some_and(|folder| Path::new(&folder).is_dir()) {
        return Ok(());
    }
    step("installing the wasm target");
    run(command("rustup", &["target", "add", TARGET]))
        .context("install the target wasm32-unknown-unknown by your Rust's own means")
}

/// The packages of `package-lock.json`, when it has changed since they were installed.
pub(crate) fn npm() -> Result<()> {
    let lock = fs::read(root().join("package-lock.json"))?;
    let stamp = node_module(".edgemint-lock");
    if fs::read(&stamp).is_ok_and(|installed| installed == lock) {
        return Ok(());
    }
    let version = output(command("node", &["--version"])).map(|output| output.stdout);
    let version = String::from_utf8_lossy(&version.unwrap_or_default())
        .trim()
        .to_owned();
    let major = version
        .trim_start_matches('v')
        .split('.')
        .next()
        .and_then(|n| n.parse().ok());
    if major.is_none_or(|major: u32| major < 20) {
        bail!(
            "Node 20 or later is needed with its npm, found `{version}`; install it and try again"
        );
    }
    step("installing npm packages");
    run(command(
        "npm",
        &["ci", "--no-audit", "--no-fund", "--loglevel=error"],
    ))?;
    write(&stamp, lock)
}

/// A Rust program at an exact version, into `target/tools`.
pub(crate) fn cargo_tool(name: &str, version: &str, arguments: &[&str]) -> Result<()> {
    let stamp = tools().join(format!("{name}-{version}"));
    if stamp.exists() {
        return Ok(());
    }
    step(&format!("installing {name} {version}: some minutes, once"));
    let folder = tools().to_string_lossy().into_owned();
    let mut install = command(
        "cargo",
        &["install", "--quiet", name, "--version", version, "--force"],
    );
    install.args(["--root", &folder]).args(arguments);
    install.env("CARGO_TARGET_DIR", tools().join("target"));
    run(install)?;
    fs::remove_dir_all(tools().join("target")).ok();
    write(&stamp, version)
}

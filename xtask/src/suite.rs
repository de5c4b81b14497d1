//! `cargo xtask test`: every test there is, and one closing line that counts them.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;

use crate::run::{command, describe, not_started, output, root};
use crate::setup::{self, step};
use crate::{build, counts};

/// A part of the tests.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Suite {
    /// rustfmt
    Format,
    /// clippy and rustdoc, natively and for wasm, without a warning
    Lints,
    /// tsc over the JavaScript and the hand-written types
    Types,
    /// cargo deny: advisories, licences, duplicates, sources
    Audit,
    /// The core, natively, with the examples in the documentation
    Native,
    /// The package and the signers in headless Chromium
    Browser,
    /// The worker in workerd
    Workerd,
    /// The stores on databases: on PostgreSQL, Redis and the others themselves
    Stores,
    /// The administration API held to pkg/openapi.json by schemathesis
    Openapi,
    /// Instructions, allocations and crossings of a request, bytes of the modules: bench/bounds.json; the
    /// benchmark in its shortest form
    Counts,
    /// The npm package: what it holds, and used after installation
    Package,
    /// The packed package on Node, Deno, Bun, workerd and Chromium
    Runtimes,
    /// The examples, each with what it stands on: workerd, Deno, Bun, Python, bash, Redis and nginx
    Examples,
    /// Microsoft's clients and middleware, as they are, against the worker over TLS
    Microsoft,
    /// OAuth clients in JavaScript, Python, Rust and curl, as they are, against edgemint serve
    Clients,
    /// A token verified by jsonwebtoken (Rust) from the worker's keys
    Interop,
    /// wrangler deploy --dry-run, and the documents' own checks
    Deploy,
}

/// What a suite came to.
#[derive(Default)]
struct Count {
    passed: u64,
    failed: u64,
    /// What could not be checked here; said at the end.
    unchecked: Option<&'static str>,
}

impl Count {
    fn add(&mut self, other: &Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.unchecked = self.unchecked.or(other.unchecked);
    }
}

/// Runs the suites; all of them if none is named. Fails if a test failed.
pub(crate) fn test(only: &[Suite]) -> Result<()> {
    setup::build_tools()?;
    let wanted = |suite: &Suite| only.is_empty() || only.contains(suite);
    let suites: Vec<Suite> = Suite::value_variants()
        .iter()
        .copied()
        .filter(wanted)
        .collect();
    if suites.iter().any(|suite| suite.uses_package()) {
        build::package()?;
    }
    let mut total = Count::default();
    let mut failed = Vec::new();
    for suite in suites {
        let name = suite
            .to_possible_value()
            .map(|value| value.get_name().to_owned());
        let name = name.unwrap_or_default();
        step(&name);
        let started = Instant::now();
        let count = suite.run().unwrap_or_else(|error| {
            eprintln!("{error:#}");
            Count {
                failed: 1,
                ..Count::default()
            }
        });
        let seconds = started.elapsed().as_secs();
        eprintln!(
            "  {name}: {} passed, {} failed, {seconds} s",
            count.passed, count.failed
        );
        if count.failed > 0 {
            failed.push(name);
        }
        total.add(&count);
    }
    if !failed.is_empty() {
        eprintln!("failed: {}", failed.join(", "));
    }
    if let Some(what) = total.unchecked {
        eprintln!("NOT CHECKED: {what}");
    }
    println!("{} passed, {} failed", total.passed, total.failed);
    if total.failed > 0 {
        std::process::exit(1);
    }
    Ok(())
}

impl Suite {
    /// Whether it tests the wasm that ships.
    fn uses_package(self) -> bool {
        use Suite::{
            Browser, Clients, Counts, Deploy, Examples, Interop, Microsoft, Openapi, Package,
            Runtimes, Stores, Types, Workerd,
        };
        matches!(
            self,
            Types
                | Browser
                | Workerd
                | Stores
                | Openapi
                | Counts
                | Package
                | Runtimes
                | Examples
                | Microsoft
                | Clients
                | Interop
                | Deploy
        )
    }

    fn run(self) -> Result<Count> {
        match self {
            Self::Format => check(command("cargo", &["fmt", "--all", "--check"])),
            Self::Lints => lints(),
            Self::Types => {
                // The benchmark's code names the types of what it compares with.
                setup::bench()?;
                check(command("tsc", &["--project", "tsconfig.json"]))
            }
            Self::Audit => audit(),
            Self::Native => count(command(
                "cargo",
                &["test", "--quiet", "--package", "edgemint"],
            )),
            Self::Browser => browser(),
            Self::Workerd => {
                // A user signs in by it.
                setup::chromium()?;
                build::contract()?;
                node("tests/workerd/*.test.js")
            }
            Self::Stores => {
                setup::databases()?;
                // Deno has a database of its own.
                setup::runtimes()?;
                build::contract()?;
                node("tests/stores/*.test.js")
            }
            Self::Openapi => {
                setup::schemathesis()?;
                node("tests/openapi/*.test.js")
            }
            Self::Counts => {
                setup::bench()?;
                // A peer runs on another version of Node, too.
                setup::runtimes()?;
                counts::prepare()?;
                node("tests/counts/*.test.js")
            }
            Self::Package => node("tests/package/*.test.js"),
            Self::Runtimes => {
                setup::runtimes()?;
                setup::chromium()?;
                node("tests/runtimes/*.test.js")
            }
            Self::Examples => {
                setup::examples()?;
                node("tests/examples/*.test.js")
            }
            Self::Microsoft => {
                setup::microsoft()?;
                let mut total = check(command("tsc", &["--project", "tests/microsoft"]))?;
                total.add(&node("tests/microsoft/*.test.js")?);
                Ok(total)
            }
            Self::Clients => clients(),
            Self::Interop => count(command(
                "cargo",
                &["test", "--quiet", "--package", "interop"],
            )),
            Self::Deploy => deploy(),
        }
    }
}

const WASM: [&str; 2] = ["--target", "wasm32-unknown-unknown"];

fn lints() -> Result<Count> {
    const DENY: [&str; 3] = ["--", "--deny", "warnings"];
    let mut native = command(
        "cargo",
        &["clippy", "--quiet", "--workspace", "--all-targets"],
    );
    native.args(DENY);
    let mut wasm = command("cargo", &["clippy", "--quiet", "--features", "contract"]);
    wasm.args(["--lib", "--test", "browser"])
        .args(WASM)
        .args(DENY);
    // What ships leaves the software signer out, and is three modules.
    let shipped = |module| {
        let mut shipped = command(
            "cargo",
            &["clippy", "--quiet", "--no-default-features", "--lib"],
        );
        shipped.args(["--features", module]).args(WASM).args(DENY);
        shipped
    };
    let (tokens, dialects) = (shipped("tokens"), shipped("tokens dialects"));
    let administration = shipped("administration");
    let mut docs = command("cargo", &["doc", "--quiet", "--no-deps", "--workspace"]);
    docs.env("RUSTDOCFLAGS", "--deny warnings");
    // The fuzz targets are a workspace of their own: compiled here so that they do not rot.
    let fuzz = command(
        "cargo",
        &["check", "--quiet", "--manifest-path", "fuzz/Cargo.toml"],
    );
    let mut total = Count::default();
    for lint in [native, wasm, tokens, dialects, administration, docs, fuzz] {
        total.add(&check(lint)?);
    }
    Ok(total)
}

/// The advisory database is fetched from the network; where that cannot be had, it is said aloud.
fn audit() -> Result<Count> {
    setup::cargo_deny()?;
    let mut total = check(command(
        "cargo",
        &[
            "deny",
            "--log-level",
            "error",
            "check",
            "bans",
            "licenses",
            "sources",
        ],
    ))?;
    let advisories = command(
        "cargo",
        &["deny", "--log-level", "error", "check", "advisories"],
    );
    let name = describe(&advisories);
    let report = output(advisories).with_context(|| not_started(&name))?;
    let text = String::from_utf8_lossy(&report.stderr);
    eprint!("{text}");
    if report.status.success() {
        total.passed += 1;
    } else if text.contains("failed to fetch advisory database") {
        total.unchecked = Some("known vulnerabilities: the advisory database is out of reach");
    } else {
        total.failed += 1;
    }
    Ok(total)
}

fn browser() -> Result<Count> {
    setup::chromium()?;
    setup::browser_test_runner()?;
    let driver = output(command("sh", &["-c", "command -v chromedriver"]));
    let driver = driver.map(|found| String::from_utf8_lossy(&found.stdout).trim().to_owned());
    let mut test = command("cargo", &["test", "--test", "browser"]);
    test.args(WASM)
        .env(
            "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER",
            "wasm-bindgen-test-runner",
        )
        .env("CHROMEDRIVER", driver.unwrap_or_default())
        // Seconds: a machine that does something else besides is no reason to fail.
        .env("WASM_BINDGEN_TEST_TIMEOUT", "600")
        .env("WASM_BINDGEN_TEST_DRIVER_TIMEOUT", "120");
    count(test)
}

fn node(files: &str) -> Result<Count> {
    count(command("node", &["--test", "--test-reporter=spec", files]))
}

/// The crates among them are a workspace of their own: the other suites do not look at it.
fn clients() -> Result<Count> {
    const MANIFEST: [&str; 2] = ["--manifest-path", "tests/clients/rust/Cargo.toml"];
    const TARGET: [&str; 2] = ["--target-dir", "target/clients"];
    setup::clients()?;
    let cargo = |words: &[&str], more: &[&str]| {
        let mut cargo = command("cargo", words);
        cargo.args(MANIFEST).args(more);
        cargo
    };
    let format = cargo(&["fmt", "--check"], &[]);
    let mut lints = cargo(&["clippy", "--quiet", "--locked", "--all-targets"], &TARGET);
    lints.args(["--", "--deny", "warnings"]);
    let deny = ["deny", "--log-level", "error"];
    let licences = cargo(&deny, &["check", "bans", "licenses", "sources"]);
    let mut total = check(command("tsc", &["--project", "tests/clients"]))?;
    for part in [format, lints, licences] {
        total.add(&check(part)?);
    }
    total.add(&node("tests/clients/*.test.js")?);
    Ok(total)
}

fn deploy() -> Result<Count> {
    let out = root().join("target/deploy").to_string_lossy().into_owned();
    let mut dry_run = command("wrangler", &["deploy", "--dry-run", "--outdir", &out]);
    dry_run
        .env("WRANGLER_SEND_METRICS", "false")
        .env("CI", "true");
    let mut total = check(dry_run)?;
    for folder in [
        "",
        "bench/",
        "tests/clients/",
        "tests/microsoft/",
        "tests/runtimes/",
    ] {
        let lock = format!("{folder}package-lock.json");
        let text = std::fs::read_to_string(root().join(&lock))?;
        let clean = !text.contains("http://") && !text.contains("\"resolved\": \"https");
        if !clean {
            eprintln!("{lock} holds download addresses; `.npmrc` leaves them out");
        }
        total.add(&one(clean));
    }
    Ok(total)
}

/// A program that is one test: it passes if it ends well.
fn check(mut command: Command) -> Result<Count> {
    let name = describe(&command);
    let status = command.status().with_context(|| not_started(&name))?;
    if !status.success() {
        eprintln!("failed: {name}");
    }
    Ok(one(status.success()))
}

fn one(passed: bool) -> Count {
    Count {
        passed: u64::from(passed),
        failed: u64::from(!passed),
        ..Count::default()
    }
}

/// A test runner: its output is shown, and its own closing lines are counted.
fn count(mut command: Command) -> Result<Count> {
    let name = describe(&command);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| not_started(&name))?;
    let Some(stdout) = child.stdout.take() else {
        bail!("`{name}` has no output")
    };
    let mut total = Count::default();
    for line in BufReader::new(stdout).lines() {
        let line = line?;
        writeln!(std::io::stdout(), "{line}").ok();
        total.add(&closing_line(&line));
    }
    if !child.wait()?.success() && total.failed == 0 {
        eprintln!("failed: {name}");
        total.failed = 1;
    }
    if total.passed + total.failed == 0 {
        bail!("`{name}` ran no test");
    }
    Ok(total)
}

/// Counts in `test result: ok. 3 passed; 0 failed; ...` (cargo) and `ℹ pass 3` (node).
fn closing_line(line: &str) -> Count {
    let number = |text: &str| text.trim().parse().unwrap_or_default();
    let node = |word: &str| line.strip_prefix(word).map(number);
    if let Some(passed) = node("\u{2139} pass ") {
        return Count {
            passed,
            ..Count::default()
        };
    }
    // A skipped, cancelled or unfinished test has not passed.
    let not_passed = [
        "\u{2139} fail ",
        "\u{2139} cancelled ",
        "\u{2139} skipped ",
        "\u{2139} todo ",
    ];
    if let Some(failed) = not_passed.into_iter().find_map(node) {
        return Count {
            failed,
            ..Count::default()
        };
    }
    let Some((_, counts)) = line.split_once("test result: ") else {
        return Count::default();
    };
    let counted = |word: &str| {
        let before = counts.split(word).next().unwrap_or_default();
        before
            .rsplit([' ', '.'])
            .find(|text| !text.is_empty())
            .map(number)
            .unwrap_or_default()
    };
    Count {
        passed: counted(" passed"),
        failed: counted(" failed") + counted(" ignored"),
        ..Count::default()
    }
}

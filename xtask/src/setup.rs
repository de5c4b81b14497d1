//! Installs what the other commands need, and only what is missing.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::run::{command, output, root, run, tools, write};

/// Tells a person what takes a while.
pub(crate) fn step(what: &str) {
    eprintln!("\u{25b8} {what}");
}

/// The standard library for wasm.
fn wasm_target() -> Result<()> {
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
fn npm() -> Result<()> {
    npm_in(".", "npm packages", &[])
}

/// Microsoft's clients and middleware. None of them needs what its install scripts build.
pub(crate) fn microsoft() -> Result<()> {
    npm_in(
        "tests/microsoft",
        "Microsoft's npm packages",
        &["--ignore-scripts"],
    )
}

/// The runtimes that the package is tried on, beside Node, workerd and Chromium.
pub(crate) fn runtimes() -> Result<()> {
    npm_in(
        "tests/runtimes",
        "Deno, Bun and other versions of Node",
        &[],
    )
}

/// The peers of the benchmark, its bundler and what draws its plots.
pub(crate) fn bench() -> Result<()> {
    npm_in(
        "bench",
        "what the benchmark compares with",
        &["--ignore-scripts"],
    )
}

fn npm_in(folder: &str, what: &str, more: &[&str]) -> Result<()> {
    let folder = root().join(folder);
    let lock = fs::read(folder.join("package-lock.json"))?;
    let stamp = folder.join("node_modules/.edgemint-lock");
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
    step(&format!("installing {what}"));
    let mut install = command(
        "npm",
        &["ci", "--no-audit", "--no-fund", "--loglevel=error"],
    );
    install.args(more).current_dir(folder);
    run(install)?;
    write(&stamp, lock)
}

/// What every build needs.
pub(crate) fn build_tools() -> Result<()> {
    wasm_target()?;
    npm()
}

/// The runner of wasm-bindgen-test, of the very version of `wasm-bindgen`.
pub(crate) fn browser_test_runner() -> Result<()> {
    cargo_tool(
        "wasm-bindgen-cli",
        "0.2.130",
        &["--bin", "wasm-bindgen-test-runner"],
    )
}

/// The dependency audit.
pub(crate) fn cargo_deny() -> Result<()> {
    cargo_tool("cargo-deny", "0.20.2", &["--locked"])
}

/// A browser and its driver.
pub(crate) fn chromium() -> Result<()> {
    debian(
        "chromedriver",
        &["chromium", "chromium-driver"],
        "Chromium and ChromeDriver",
    )
}

/// The database servers that the stores are tested on.
pub(crate) fn databases() -> Result<()> {
    debian("redis-server", &["redis-server"], "Redis")?;
    // Debian keeps PostgreSQL's programs out of PATH: one folder for each version.
    let installed = fs::read_dir("/usr/lib/postgresql").is_ok_and(|versions| {
        let mut programs = versions.flatten().map(|version| version.path());
        programs.any(|version| version.join("bin/initdb").exists())
    });
    if installed {
        return Ok(());
    }
    debian("initdb", &["postgresql"], "PostgreSQL")
}

/// What the examples stand on, beside Node.
pub(crate) fn examples() -> Result<()> {
    runtimes()?;
    debian("redis-server", &["redis-server"], "Redis")?;
    // Debian has it where only root looks for programs.
    if !Path::new("/usr/sbin/nginx").exists() {
        debian("nginx", &["nginx-light"], "nginx")?;
    }
    debian("curl", &["curl"], "curl")?;
    debian("jq", &["jq"], "jq")?;
    python(
        "examples/caller-python/requirements.txt",
        "examples-venv",
        "Authlib",
    )
}

/// The load generator of the benchmark, where Debian's is to be had; the benchmark has one of its own.
pub(crate) fn load_generator() -> Result<()> {
    debian("wrk", &["wrk"], "wrk").or_else(|error| {
        eprintln!("  {error:#}; going on with the benchmark's own load generator");
        Ok(())
    })
}

/// The tester of HTTP APIs, with all that it needs.
pub(crate) fn schemathesis() -> Result<()> {
    python(
        "tests/openapi/requirements.txt",
        "openapi-venv",
        "schemathesis",
    )
}

/// OAuth clients in JavaScript and Python, and curl. What their install scripts do, none of them needs.
pub(crate) fn clients() -> Result<()> {
    npm_in(
        "tests/clients",
        "OAuth clients of npm's",
        &["--ignore-scripts"],
    )?;
    let requirements = "tests/clients/python/requirements.txt";
    python(requirements, "clients-venv", "Python's OAuth clients")?;
    debian("curl", &["curl", "ca-certificates"], "curl")?;
    cargo_deny()
}

/// A virtual environment of Python under `target`, with the packages that a file pins.
fn python(requirements: &str, name: &str, what: &str) -> Result<()> {
    let wanted = fs::read(root().join(requirements))?;
    let folder = root().join("target").join(name);
    let stamp = folder.join("requirements.txt");
    if fs::read(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    // Debian's Python comes without what a virtual environment is made of.
    let can_make = output(command("python3", &["-c", "import ensurepip, venv"]));
    if !can_make.is_some_and(|python| python.status.success()) {
        install(
            "python3",
            &["python3", "python3-venv"],
            "Python 3 with its venv",
        )?;
    }
    step(&format!("installing {what}"));
    let place = folder.to_string_lossy().into_owned();
    run(command("python3", &["-m", "venv", "--clear", &place]))?;
    let pip = folder.join("bin/pip").to_string_lossy().into_owned();
    run(command(
        &pip,
        &[
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--requirement",
            requirements,
        ],
    ))?;
    write(&stamp, wanted)
}

/// Installs Debian packages if a program is missing and we may; otherwise says what to install.
fn debian(program: &str, packages: &[&str], what: &str) -> Result<()> {
    if output(command(program, &["--version"])).is_some() {
        return Ok(());
    }
    install(program, packages, what)
}

/// The same, whether the program is there or not.
fn install(program: &str, packages: &[&str], what: &str) -> Result<()> {
    let install = format!(
        "apt-get install -y -qq --no-install-recommends {}",
        packages.join(" ")
    );
    let script = format!("apt-get update -qq && {install}");
    let root = output(command("id", &["-u"])).is_some_and(|id| id.stdout.starts_with(b"0\n"));
    let sudo = output(command("sudo", &["-n", "true"])).is_some_and(|sudo| sudo.status.success());
    let apt = output(command("apt-get", &["--version"])).is_some();
    if !apt || !(root || sudo) {
        bail!("{what} is missing (`{program}` in PATH); install it and try again");
    }
    step(&format!("installing {what} from Debian's packages"));
    let mut apt = match root {
        true => command("sh", &["-c", &script]),
        false => command("sudo", &["-n", "sh", "-c", &script]),
    };
    apt.env("DEBIAN_FRONTEND", "noninteractive");
    run(apt).with_context(|| format!("{what} could not be installed; install it by hand"))
}

/// A Rust program at an exact version, into `target/tools`.
fn cargo_tool(name: &str, version: &str, arguments: &[&str]) -> Result<()> {
    let stamp = tools().join(format!("{name}-{version}"));
    if stamp.exists() {
        return Ok(());
    }
    step(&format!("installing {name} {version}: some minutes, once"));
    let folder = tools().to_string_lossy().into_owned();
    let mut install = command("cargo", &["install", name, "--version", version, "--force"]);
    install.args(["--root", &folder]).args(arguments);
    install.env("CARGO_TARGET_DIR", tools().join("target"));
    run(install)?;
    fs::remove_dir_all(tools().join("target")).ok();
    write(&stamp, version)
}

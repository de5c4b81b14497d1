//! Runs other programs from the project's root.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::{env, fs};

use anyhow::{Context, Result, bail};

/// The project's root. Cargo tells it at run time: a copied checkout has a binary that was built
/// elsewhere.
pub(crate) fn root() -> PathBuf {
    let here = env::var_os("CARGO_MANIFEST_DIR").unwrap_or(env!("CARGO_MANIFEST_DIR").into());
    Path::new(&here)
        .parent()
        .unwrap_or(Path::new("."))
        .to_owned()
}

/// A command that runs in the root, and finds the project's own Node and tools before the machine's.
pub(crate) fn command(program: &str, arguments: &[&str]) -> Command {
    let tools = [root().join("node_modules/.bin"), tools().join("bin")];
    let path = env::var_os("PATH").unwrap_or_default();
    let path = env::join_paths(tools.into_iter().chain(env::split_paths(&path)));
    let mut command = Command::new(program);
    command.args(arguments).current_dir(root());
    if let Ok(path) = path {
        command.env("PATH", path);
    }
    command
}

/// Where the project's Rust tools are installed.
pub(crate) fn tools() -> PathBuf {
    root().join("target/tools")
}

/// Runs a program to its end; its output goes where ours goes.
pub(crate) fn run(mut command: Command) -> Result<()> {
    let name = describe(&command);
    let status = command.status().with_context(|| not_started(&name))?;
    if !status.success() {
        bail!("`{name}` failed ({status})");
    }
    Ok(())
}

/// Runs a program to its end and returns what it printed; `None` if it is not there.
pub(crate) fn output(mut command: Command) -> Option<Output> {
    command.stdin(Stdio::null()).output().ok()
}

/// The command as one would type it.
pub(crate) fn describe(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}

pub(crate) fn not_started(name: &str) -> String {
    let program = name.split(' ').next().unwrap_or(name);
    format!("`{program}` could not be started; is it installed and in PATH?")
}

/// Writes a file and the folders above it.
pub(crate) fn write(path: &Path, content: impl AsRef<[u8]>) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, content).with_context(|| format!("{} could not be written", path.display()))
}

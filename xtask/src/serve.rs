//! Starts programs that stay: the worker on this machine, the benchmark.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::{env, thread};

use anyhow::{Context, Result, bail};

use crate::run::{command, describe, not_started};
use crate::{build, counts, setup};

/// Runs the worker until it is stopped.
pub(crate) fn dev(port: u16, state: &Path, https: bool, release: bool) -> Result<()> {
    // Before anything takes long. The login page and the demo application follow the worker's port.
    for port in [port, port.saturating_add(2), port.saturating_add(3)] {
        if TcpListener::bind(("127.0.0.1", port)).is_err() {
            bail!("port {port} is taken; stop what listens there or pass --port N");
        }
    }
    // A relative folder is meant from where the command was given.
    let state = env::current_dir()?.join(state);
    setup::build_tools()?;
    let built = if release {
        build::package()
    } else {
        build::quick()
    };
    built?;
    let (port, state) = (port.to_string(), state.to_string_lossy().into_owned());
    let mut worker = command(
        "node",
        &["worker/dev.js", "--port", &port, "--state", &state],
    );
    if https {
        worker.arg("--https");
    }
    let status = until_stopped(worker)?;
    // The program has said what was wrong.
    match status.code() {
        Some(0 | 130) | None => Ok(()),
        Some(code) => std::process::exit(code),
    }
}

/// Runs the benchmark on the wasm that ships; `directory` is that of a very large tenant, `counts` what is
/// the same on every machine.
pub(crate) fn bench(arguments: &[String]) -> Result<()> {
    setup::build_tools()?;
    if arguments.first().is_none_or(|first| first != "counts") {
        setup::load_generator()?;
        setup::bench()?;
        // `serve` is measured on two of them, and a peer on another.
        setup::runtimes()?;
    }
    build::package()?;
    if arguments.first().is_none_or(|first| first != "directory") {
        counts::prepare()?;
    }
    let (script, arguments) = match arguments.split_first() {
        Some((first, rest)) if first == "directory" => ("bench/directory.js", rest),
        Some((first, rest)) if first == "counts" => ("bench/counts.js", rest),
        _ => ("bench/index.js", arguments),
    };
    let mut bench = command("node", &[script]);
    // It ends when its standard input does: see `endWithParent` in bench/machine.js.
    bench.args(arguments).env("EDGEMINT_STDIN_HELD", "1");
    let status = until_stopped(bench)?;
    match status.code() {
        Some(0 | 130) => Ok(()),
        Some(code) => std::process::exit(code),
        None => bail!("the benchmark did not come to its end: {status}"),
    }
}

/// Runs a program until it ends, or until this one is told to stop. The program's standard input is
/// held open meanwhile: it ends by itself when that closes, even if this one is killed.
fn until_stopped(mut command: Command) -> Result<ExitStatus> {
    let name = describe(&command);
    let mut child = command
        .stdin(Stdio::piped())
        .spawn()
        .with_context(|| not_started(&name))?;
    let held_open = child.stdin.take();
    let (stop, stopped) = mpsc::channel();
    ctrlc::set_handler(move || stop.send(()).unwrap_or_default())?;
    thread::spawn(move || {
        // Either a signal came, or nothing ever will.
        let _signal = stopped.recv();
        drop(held_open);
    });
    Ok(child.wait()?)
}

//! edgemint's developer commands.

mod build;
mod counts;
mod run;
mod serve;
mod setup;
mod suite;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// edgemint's developer commands.
#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    arg_required_else_help = true
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Set everything up and run the worker on this machine, with a demo directory
    Dev {
        /// Where it listens, on 127.0.0.1; N + 2 and N + 3 are the login page and an application
        #[arg(long, default_value_t = 8787, value_name = "N",
              value_parser = clap::value_parser!(u16).range(1..=65_532))]
        port: u16,
        /// The folder that keeps its state from one start to the next, and, if it is another one, demo.json
        #[arg(long, default_value = ".edgemint/state")]
        state: PathBuf,
        /// Serve TLS on localhost, with a certificate of its own that is kept in the state folder
        #[arg(long)]
        https: bool,
        /// Run the wasm that ships instead of one that is quick to build
        #[arg(long)]
        release: bool,
    },
    /// Set everything up and run every test
    Test {
        /// Run these suites only; may be given several times
        #[arg(long, value_enum)]
        only: Vec<suite::Suite>,
    },
    /// Build the wasm that ships into `pkg/wasm` and print its size
    Build,
    /// Measure the service and write docs/benchmarks.md; `bench directory`: a very large tenant;
    /// `bench counts`: what is the same on every machine
    Bench {
        /// Passed on: --only SECTION, --quick, --repeat, --rounds N, --seconds N, --connections N, --out
        /// FOLDER, --json; to `directory` --applications N
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

fn main() -> Result<()> {
    match Arguments::parse().command {
        Command::Dev {
            port,
            state,
            https,
            release,
        } => serve::dev(port, &state, https, release),
        Command::Test { only } => suite::test(&only),
        Command::Build => setup::build_tools().and_then(|()| build::package()),
        Command::Bench { arguments } => serve::bench(&arguments),
    }
}

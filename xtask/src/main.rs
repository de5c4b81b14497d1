//! edgemint's developer commands.

mod build;
mod run;
mod setup;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// edgemint's developer commands.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Build the wasm into `pkg/wasm` and print its size
    Build {
        /// Quick to build, larger and slower
        #[arg(long)]
        dev: bool,
    },
}

fn main() -> Result<()> {
    match Arguments::parse().command {
        Command::Build { dev } => {
            setup::wasm_target()?;
            setup::npm()?;
            let profile = if dev {
                build::Profile::Dev
            } else {
                build::Profile::Release
            };
            build::package(profile)
        }
    }
}

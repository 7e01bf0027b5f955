//! The `vestibule` command: runs what the command line says, prints the chain of an error, ends with an exit code.

use std::{io::Write as _, process::ExitCode};

use clap::Parser as _;
use vestibule::cli;

fn main() -> ExitCode {
    let arguments = cli::Arguments::parse();
    match start(arguments) {
        Ok(code) => code,
        Err(error) => {
            // The chain on one line: `{error:#}` joins it with colons. Nothing is left to do if standard error is closed.
            let _ = writeln!(std::io::stderr(), "vestibule: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start(arguments: cli::Arguments) -> anyhow::Result<ExitCode> {
    // One TLS provider for every client; it fails only where one was installed before.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let runtime = tokio::runtime::Runtime::new()?;
    let code = runtime.block_on(cli::run(arguments));
    // Not dropped: that would wait for blocking work, and what was not finished in time is to be cut off.
    runtime.shutdown_background();
    code
}

//! A window, or a line of text for scripts.

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use formant::cli::{self, Arguments};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let filter = EnvFilter::try_from_env("FORMANT_LOG").unwrap_or_else(|_| EnvFilter::new("error"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let outcome = match arguments.command {
        Some(command) => cli::run(command),
        None => open_window(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read the output has had enough, as in `formant chat … | head`.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("formant: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io = error.downcast_ref::<std::io::Error>();
    io.is_some_and(|io| io.kind() == std::io::ErrorKind::BrokenPipe)
}

#[cfg(feature = "gui")]
fn open_window() -> Result<()> {
    Ok(formant::ui::run(formant::ui::Options::default())?)
}

#[cfg(not(feature = "gui"))]
fn open_window() -> Result<()> {
    anyhow::bail!("this build has no window; see `formant --help` for the commands")
}

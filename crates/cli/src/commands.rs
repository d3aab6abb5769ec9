//! One file a command: flags in, runner called, result printed.

mod evaluate;
mod finetune;
mod model;
mod models;
mod predict;
mod summary;
mod train;

use std::path::{Path, PathBuf};

use anyhow::Result;
use taper_runner::observe::{Listener, Progress};
use taper_runner::{Registry, RunFolder};

use crate::flags::{Cli, Command, OutputFlags};

/// Carries out the command.
pub fn dispatch(cli: &Cli, registry: &Registry) -> Result<()> {
    let registry = &with_downloads(registry, cli);
    match &cli.command {
        Command::Finetune(flags) => finetune::run(flags, registry),
        Command::Train(flags) => train::run(flags, registry),
        Command::Evaluate(flags) => evaluate::run(flags, registry),
        Command::Predict(flags) => predict::run(flags, registry),
        Command::Summary(flags) => summary::run(flags, registry),
        Command::Models(flags) => models::run(flags, registry),
    }
}

/// The registry, showing downloads unless that is not wanted.
fn with_downloads(registry: &Registry, cli: &Cli) -> Registry {
    let output = match &cli.command {
        Command::Finetune(flags) => Some(&flags.recipe.output),
        Command::Train(flags) => Some(&flags.recipe.output),
        Command::Evaluate(flags) => Some(&flags.output),
        Command::Predict(flags) => Some(&flags.output),
        Command::Summary(_) | Command::Models(_) => None,
    };
    let mut registry = registry.clone();
    registry.show_downloads(output.is_some_and(|output| !output.quiet));
    registry
}

/// The progress display, unless it is not wanted.
fn progress(label: &str, output: &OutputFlags) -> Vec<Box<dyn Listener>> {
    if output.quiet { Vec::new() } else { vec![Box::new(Progress::new(label))] }
}

/// Where a run goes: where the flag says, else the next free `runs/COMMAND-DATA-N`.
fn out_folder(out: &Option<PathBuf>, command: &str, data: &str) -> PathBuf {
    match out {
        Some(out) => out.clone(),
        None => {
            let data = Path::new(data).file_name().map_or("data".into(), |n| n.to_string_lossy());
            RunFolder::next_free(Path::new("runs"), &format!("{command}-{data}"))
        }
    }
}

/// Prints to stdout; a reader that has closed the pipe has what it wanted.
fn print(text: &str) -> Result<()> {
    use std::io::Write;
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => Err(e.into()),
        _ => Ok(()),
    }
}

/// Prints one JSON object on one line.
fn print_json(value: &serde_json::Value) -> Result<()> {
    print(&format!("{value}\n"))
}

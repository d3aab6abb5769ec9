//! One file a command: flags in, runner called, result printed.

mod cross_validate;
pub(crate) mod describe;
mod evaluate;
mod finetune;
mod inspect;
mod keys;
mod lr_find;
mod models;
mod predict;
mod read;
mod recipe;
mod report;
mod resume;
mod search;
mod summary;
mod train;

use anyhow::Result;
use clap::CommandFactory;
use taper_runner::Registry;

use crate::flags::{Cli, Command, Output};
use crate::processes;

/// Carries out a command, for a `main` with commands of its own beside these.
///
/// # Errors
/// Whatever goes wrong.
pub fn dispatch(command: &Command, output: Output, registry: &Registry) -> Result<()> {
    taper_kernels::let_candle_threads_sleep();
    let mut registry = registry.clone();
    registry.show_downloads(!output.quiet);
    registry.shows_decoding = !output.quiet && !output.json;
    if matches!(command, Command::Finetune(_) | Command::Train(_) | Command::Resume(_)) {
        registry.processes = processes::join()?;
    }
    if !registry.processes.is_first() {
        registry.show_downloads(false);
        registry.shows_decoding = false;
    }
    let registry = &registry;
    match command {
        Command::Finetune(flags) => finetune::run(flags, output, registry),
        Command::Train(flags) => train::run(flags, output, registry),
        Command::Resume(flags) => resume::run(flags, output, registry),
        Command::Evaluate(flags) => evaluate::run(flags, output, registry),
        Command::Inspect(flags) => inspect::run(flags, output, registry),
        Command::Predict(flags) => predict::run(flags, output, registry),
        Command::Read(flags) => read::run(flags, output, registry),
        Command::Report(flags) => report::run(flags, output),
        Command::LrFind(flags) => lr_find::run(flags, output, registry),
        Command::CrossValidate(flags) => cross_validate::run(flags, output, registry),
        Command::Search(flags) => search::run(flags, output, registry),
        Command::Summary(flags) => summary::run(flags, output, registry),
        Command::Models => models::run(output, registry),
        Command::Keys(flags) => keys::run(flags.key.as_deref(), output),
        Command::Recipe(flags) => recipe::run(flags, output, registry),
        Command::Completions(flags) => describe::completions(flags, Cli::command()),
        Command::Man => describe::manual(&Cli::command()),
    }
}

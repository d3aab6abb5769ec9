//! One file a command: flags in, runner called, result printed.

mod cross_validate;
mod evaluate;
mod finetune;
mod inspect;
mod lr_find;
mod model;
mod models;
mod predict;
mod read;
mod report;
mod resume;
mod search;
mod summary;
mod train;

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Result;
use taper_runner::observe::{Event, Listener, Progress, Verdict};
use taper_runner::{
    Existing, Outcome, Plan, Recipe, Registry, RunFolder, RunnerError, Scores, run as start,
};

use crate::flags::{Cli, Command, FinetuneFlags, OutputFlags, RecipeFlags};
use crate::{overrides, signals, table};

/// Carries out the command.
pub fn dispatch(cli: &Cli, registry: &Registry) -> Result<()> {
    let registry = &with_downloads(registry, cli);
    match &cli.command {
        Command::Finetune(flags) => finetune::run(flags, registry),
        Command::Train(flags) => train::run(flags, registry),
        Command::Resume(flags) => resume::run(flags, registry),
        Command::Report(flags) => report::run(flags, registry),
        Command::LrFind(flags) => lr_find::run(flags, registry),
        Command::CrossValidate(flags) => cross_validate::run(flags, registry),
        Command::Search(flags) => search::run(flags, registry),
        Command::Evaluate(flags) => evaluate::run(flags, registry),
        Command::Inspect(flags) => inspect::run(flags, registry),
        Command::Predict(flags) => predict::run(flags, registry),
        Command::Read(flags) => read::run(flags, registry),
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
        Command::Inspect(flags) => Some(&flags.output),
        Command::Predict(flags) => Some(&flags.output),
        Command::Read(flags) => Some(&flags.output),
        Command::Resume(flags) => Some(&flags.output),
        Command::LrFind(flags) => Some(&flags.finetune.recipe.output),
        Command::CrossValidate(flags) => Some(&flags.finetune.recipe.output),
        Command::Search(flags) => Some(&flags.finetune.recipe.output),
        Command::Summary(_) | Command::Models(_) | Command::Report(_) => None,
    };
    let mut registry = registry.clone();
    registry.show_downloads(output.is_some_and(|output| !output.quiet));
    registry
}

/// Who listens to a run from here: the signals, and the progress display unless it is not wanted.
fn listeners(label: &str, output: &OutputFlags) -> Result<Vec<Box<dyn Listener>>> {
    let mut listeners: Vec<Box<dyn Listener>> =
        vec![Box::new(signals::listener()?), Box::new(Warnings)];
    if !output.quiet {
        listeners.push(Box::new(Progress::new(label)));
    }
    Ok(listeners)
}

/// The recipe that `finetune` with these flags would carry out.
fn recipe_of(flags: &FinetuneFlags, registry: &Registry) -> Result<Recipe> {
    recipe_with_base(flags, flags.recipe.recipe.as_deref(), registry)
}

/// The same with another recipe below the flags.
fn recipe_with_base(
    flags: &FinetuneFlags,
    base: Option<&str>,
    registry: &Registry,
) -> Result<Recipe> {
    Ok(finetune::recipe(flags, base, &overrides::finetune(flags), registry)?)
}

/// The same with single keys above the flags.
fn recipe_with_overrides(
    flags: &FinetuneFlags,
    more: &[(String, String)],
    registry: &Registry,
) -> Result<Recipe, RunnerError> {
    let mut overrides = overrides::finetune(flags);
    overrides.extend(more.iter().cloned());
    finetune::recipe(flags, flags.recipe.recipe.as_deref(), &overrides, registry)
}

/// Carries out a recipe, from the beginning or, with `--resume`, from where it was left off;
/// nothing where it is finished already, which is told.
fn carry_out(
    mut recipe: Recipe,
    command: &str,
    flags: &RecipeFlags,
    registry: &Registry,
) -> Result<Option<(Plan, Outcome)>> {
    shorten(&mut recipe, flags);
    let out = out_folder(&flags.out, command, &recipe.data.source);
    let existing = match RunFolder::begun(&out) {
        Ok(begun) if flags.resume => {
            if told_finished(&begun, &flags.output)? {
                return Ok(None);
            }
            Existing::Resume { force: flags.force }
        }
        _ => {
            // Before data and weights are fetched and read.
            RunFolder::check(&out, flags.overwrite)?;
            if flags.overwrite { Existing::Overwrite } else { Existing::Refuse }
        }
    };
    let plan = Plan::new(recipe, registry)?;
    let outcome = start(&plan, &out, existing, listeners(command, &flags.output)?)?;
    Ok(Some((plan, outcome)))
}

/// Makes a recipe a trial of whether everything works, if that is asked for.
fn shorten(recipe: &mut Recipe, flags: &RecipeFlags) {
    if flags.fast_dev_run {
        overrides::fast_dev_run(recipe);
    }
}

/// Whether a run is finished; if it is, that is told.
fn told_finished(run: &RunFolder, output: &OutputFlags) -> Result<bool> {
    if !run.is_finished() {
        return Ok(false);
    }
    let finished = format!("{} is finished; there is nothing to resume", run.path().display());
    match output.json {
        true => print_json(&serde_json::json!({ "finished": finished }))?,
        false => print(&format!("{finished}\n"))?,
    }
    Ok(true)
}

/// Warns of broken checkpoints, also where no progress is wanted.
struct Warnings;

impl Listener for Warnings {
    fn observe(&mut self, event: &Event) -> Result<Verdict, RunnerError> {
        if let Event::BrokenCheckpoint { path, reason } = event {
            // That nobody reads it is no reason to end the run, as `eprintln!` would.
            let _ = writeln!(
                std::io::stderr(),
                "warning: {}: {reason}; going on from the one before",
                path.display()
            );
        }
        Ok(Verdict::Continue)
    }
}

/// Prints what a run came to.
fn print_outcome(
    plan: &Plan,
    outcome: &Outcome,
    scratch: Option<&Scores>,
    output: &OutputFlags,
) -> Result<()> {
    match output.json {
        true => print_json(&table::outcome_json(plan, outcome, scratch)?),
        false => print(&table::outcome(plan, outcome, scratch)?),
    }
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

/// Checks that several runs may be written below a folder.
fn check_out(out: &Path, flags: &RecipeFlags) -> Result<()> {
    if flags.resume {
        return Ok(());
    }
    let empty = std::fs::read_dir(out).map_or(true, |mut entries| entries.next().is_none());
    anyhow::ensure!(
        empty,
        "{} is not empty; go on with what is in it with --resume, or choose another folder",
        out.display()
    );
    Ok(RunFolder::check(out, false)?)
}

/// Prints to stdout; a reader that has closed the pipe has what it wanted.
fn print(text: &str) -> Result<()> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => Err(e.into()),
        _ => Ok(()),
    }
}

/// Prints one JSON object on one line.
fn print_json(value: &serde_json::Value) -> Result<()> {
    print(&format!("{value}\n"))
}

//! A recipe becomes a run: started, resumed or found finished.

use std::path::{Path, PathBuf};

use anyhow::Result;
use taper_runner::observe::{Event, Listener, Progress, Verdict};
use taper_runner::{Existing, Outcome, Plan, Recipe, Registry, RunFolder, RunnerError};
use taper_tune::TuneError;

use crate::flags::{Output, RecipeFlags};
use crate::print::{note, print, print_json};
use crate::signals;

/// Who listens to a run from here: the signals that are caught, warnings, and the progress display unless
/// it is not wanted.
pub(crate) fn listeners(label: &str, output: Output) -> Vec<Box<dyn Listener>> {
    let mut listeners: Vec<Box<dyn Listener>> =
        vec![Box::new(signals::listener()), Box::new(Warnings)];
    if !output.quiet {
        listeners.push(Box::new(Progress::new(label)));
    }
    listeners
}

/// Warns of broken checkpoints, also where no progress is wanted.
struct Warnings;

impl Listener for Warnings {
    fn observe(&mut self, event: &Event) -> Result<Verdict, RunnerError> {
        if let Event::BrokenCheckpoint { path, reason } = event {
            note(&format!("warning: {}: {reason}; using the checkpoint before it", path.display()));
        }
        Ok(Verdict::Continue)
    }
}

/// Carries out a recipe, from the beginning or, with `--resume`, from where it was left off;
/// nothing where it is finished already, which is told.
pub(crate) fn carry_out(
    recipe: Recipe,
    command: &str,
    flags: &RecipeFlags,
    output: Output,
    registry: &Registry,
) -> Result<Option<(Plan, Outcome)>> {
    let out = out_folder(&flags.out, command, &recipe.data.source);
    let existing = match RunFolder::begun(&out) {
        Ok(begun) if flags.resume => {
            if told_finished(&begun, output)? {
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
    let outcome = run_with_pages(&plan, &out, existing, command, output)?;
    Ok(Some((plan, outcome)))
}

/// Carries out a plan in a folder, and leaves the run's model card and page.
pub(crate) fn run_with_pages(
    plan: &Plan,
    folder: &Path,
    existing: Existing,
    label: &str,
    output: Output,
) -> Result<Outcome> {
    signals::catch()?;
    taper_tune::run_with_pages(plan, folder, existing, listeners(label, output)).map_err(run_error)
}

/// The error of one of several runs as that run told it.
pub(crate) fn run_error(error: TuneError) -> anyhow::Error {
    match error {
        TuneError::Run(error) => error.into(),
        error => error.into(),
    }
}

/// Whether a run is finished; if it is, that is told, and the run gets the pages that it lacks.
pub(crate) fn told_finished(run: &RunFolder, output: Output) -> Result<bool> {
    if !run.is_finished() {
        return Ok(false);
    }
    taper_report::complete(run.path())?;
    let finished = format!("{} is finished; there is nothing to resume", run.path().display());
    match output.json {
        true => print_json(&serde_json::json!({ "finished": finished }))?,
        false => print(&format!("{finished}\n"))?,
    }
    Ok(true)
}

/// Where a run goes: where the flag says, else the next free `runs/COMMAND-DATA-N`.
pub(crate) fn out_folder(out: &Option<PathBuf>, command: &str, data: &str) -> PathBuf {
    match out {
        Some(out) => out.clone(),
        None => {
            let data = Path::new(data).file_name().map_or("data".into(), |n| n.to_string_lossy());
            RunFolder::next_free(Path::new("runs"), &format!("{command}-{data}"))
        }
    }
}

/// Checks that several runs may be written below a folder; what each does where there is one already.
pub(crate) fn check_out(out: &Path, flags: &RecipeFlags) -> Result<Existing> {
    anyhow::ensure!(
        !flags.force,
        "--force is for one run: give it to `resume RUN` for the run that differs"
    );
    if flags.resume {
        return Ok(Existing::Resume { force: false });
    }
    let empty = std::fs::read_dir(out).map_or(true, |mut entries| entries.next().is_none());
    anyhow::ensure!(
        empty,
        "{} is not empty; continue what is in it with --resume, or choose another folder",
        out.display()
    );
    RunFolder::check(out, false)?;
    Ok(Existing::Refuse)
}

//! A recipe becomes a run: started, resumed or found finished.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::Result;
use taper_runner::observe::{Event, Listener, Progress, Verdict};
use taper_runner::{Existing, FolderLock, Outcome, Plan, Recipe, Registry, RunnerError};
use taper_tune::TuneError;

use crate::flags::{Output, RecipeFlags};
use crate::print::{note, print, print_json};
use crate::{processes, signals};

/// Who listens to a run from here: the signals that are caught, warnings, and the progress display unless
/// it is not wanted. A program's own are the plan's.
pub(crate) fn listeners(label: &str, output: Output) -> Vec<Box<dyn Listener>> {
    let mut listeners: Vec<Box<dyn Listener>> =
        vec![Box::new(signals::listener()), Box::new(Warnings)];
    if !output.quiet {
        listeners.push(Box::new(Progress::new(label)));
    }
    listeners
}

/// What is said before everything else, once a run has begun: an error before that stands alone.
static ANNOUNCED: Mutex<Option<String>> = Mutex::new(None);

/// Keeps a line for the beginning of the run.
pub(crate) fn announce(line: String) {
    *ANNOUNCED.lock().unwrap_or_else(PoisonError::into_inner) = Some(line);
}

/// Says what was announced, and warns of broken checkpoints and of what may make scores worthless, also where no progress is wanted.
struct Warnings;

/// What has been warned of: several runs of a search or of folds have the same to say.
static WARNED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

impl Listener for Warnings {
    fn observe(&mut self, event: &Event) -> Result<Verdict, RunnerError> {
        if let Some(line) = ANNOUNCED.lock().unwrap_or_else(PoisonError::into_inner).take() {
            note(&line);
        }
        let warnings = match event {
            Event::BrokenCheckpoint { path, reason } => {
                vec![format!("{}: {reason}; using the checkpoint before it", path.display())]
            }
            Event::Warned { warnings } => warnings.clone(),
            _ => Vec::new(),
        };
        let mut warned = WARNED.lock().unwrap_or_else(PoisonError::into_inner);
        for warning in warnings {
            if warned.insert(warning.clone()) {
                note(&format!("warning: {warning}"));
            }
        }
        Ok(Verdict::Continue)
    }
}

/// Carries out a recipe, from the beginning or, with `--resume`, from where it was left off;
/// nothing where it is finished already, which is told.
pub(crate) fn carry_out(
    mut recipe: Recipe,
    command: &str,
    flags: &RecipeFlags,
    output: Output,
    registry: &Registry,
) -> Result<Option<(Plan, Outcome)>> {
    let cut = processes::cut(&mut recipe, &registry.processes);
    if !registry.processes.is_first() {
        return follow(recipe, registry).map(|()| None);
    }
    // Before data and weights are fetched and read.
    let out = take_out(&flags.out, command, &recipe.data.source)?;
    let existing = match (flags.resume, flags.overwrite) {
        (true, _) => Existing::Resume { force: flags.force },
        (_, true) => Existing::Overwrite,
        _ => Existing::Refuse,
    };
    existing.run_in(&out)?;
    let mut plan = Plan::new(recipe, registry)?;
    plan.notes.extend(cut);
    let outcome = run_with_pages(&plan, &out, existing, command, output)?;
    match outcome.evaluation {
        Some(_) => Ok(Some((plan, outcome))),
        None => tell_finished(out.path(), output).map(|()| None),
    }
}

/// Carries out a recipe as one of several processes, all but the first of which have no folder.
pub(crate) fn follow(recipe: Recipe, registry: &Registry) -> Result<()> {
    // The first decides what becomes of them.
    signals::catch()?;
    Ok(taper_runner::follow(&Plan::new(recipe, registry)?)?)
}

/// Carries out a plan in a folder, and leaves the run's model card and page.
pub(crate) fn run_with_pages(
    plan: &Plan,
    folder: &FolderLock,
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

/// Tells that a run is finished, which gets the pages that it lacks.
pub(crate) fn tell_finished(run: &Path, output: Output) -> Result<()> {
    taper_report::complete(run)?;
    let finished = format!("{} is finished; there is nothing to resume", run.display());
    match output.json {
        true => print_json(&serde_json::json!({ "finished": finished })),
        false => print(&format!("{finished}\n")),
    }
}

/// Takes the folder that a run goes to: where the flag says, else the next free `runs/COMMAND-DATA-N`.
pub(crate) fn take_out(out: &Option<PathBuf>, command: &str, data: &str) -> Result<FolderLock> {
    Ok(match out {
        Some(out) => FolderLock::take(out)?,
        None => {
            let data = Path::new(data).file_name().map_or("data".into(), |n| n.to_string_lossy());
            FolderLock::take_free(Path::new("runs"), &format!("{command}-{data}"))?
        }
    })
}

/// The folder of several runs, and, for a start, its lock. With `--resume`, and where one of the runs alone is asked for,
/// others may be at work in it: each run is one's at a time.
pub(crate) fn take_shared(
    flags: &RecipeFlags,
    one: bool,
    command: &str,
    data: &str,
) -> Result<(PathBuf, Option<FolderLock>)> {
    anyhow::ensure!(
        !flags.force,
        "--force is for one run: give it to `resume RUN` for the run that differs"
    );
    if let (Some(out), true) = (&flags.out, flags.resume || one) {
        return Ok((out.clone(), None));
    }
    let out = take_out(&flags.out, command, data)?;
    anyhow::ensure!(
        matches!(out.run(), Ok(None)),
        "{} is not empty; continue what is in it, or take part in it, with --resume, or choose another folder",
        out.path().display()
    );
    Ok((out.path().to_path_buf(), Some(out)))
}

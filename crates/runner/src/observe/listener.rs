//! Who follows a run, and what they may want of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use taper_classifier::Evaluation;
use taper_model::nets::Net;
use taper_model::params::Params;
use taper_run_folder::{Event, Scores};
use toml::Value;

use crate::error::{RunnerError, TrainingError};
use crate::load::Loaded;
use crate::plan::Plan;
use crate::processes::Processes;

/// What a listener wants of the loop. It is always heeded, but at [`Event::Finished`], after which there is nothing
/// that it could change.
#[derive(Debug, Clone, PartialEq)]
#[must_use = "a verdict is always heeded"]
#[non_exhaustive]
pub enum Verdict {
    /// Go on.
    Continue,
    /// Multiply the learning rate with this, from the next step on.
    ScaleRate(f64),
    /// Training is over after this event; the reason is shown. The run ends as after its last epoch.
    Stop(String),
    /// Leave the run after this event, with a checkpoint from which it can go on.
    Suspend(String),
}

/// Answers that were scored, and what gave them.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Scored<'a> {
    /// When.
    pub when: When,
    /// The plan: recipe, data, classes.
    pub plan: &'a Plan,
    /// The net with the weights that were scored, an average's where one is kept.
    pub net: &'a Net,
    /// Its parameters by name.
    pub params: &'a Params,
    /// The answers, image by image.
    pub evaluation: &'a Evaluation,
    /// Their scores.
    pub scores: &'a Scores,
}

/// When answers are scored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum When {
    /// Before the first step, on the part that the run is scored on.
    Before,
    /// At the end of this epoch, from 0, on the validation part.
    Epoch(usize),
    /// At the end, on the part that the run is scored on; what is wanted then has no effect.
    After,
}

/// Somebody who follows a run.
pub trait Listener {
    /// Takes note of an event. Default nothing.
    ///
    /// # Errors
    /// Whatever keeps the listener from its work, a full disk for instance; it ends the run.
    fn observe(&mut self, event: &Event) -> Result<Verdict, RunnerError> {
        let _ = event;
        Ok(Verdict::Continue)
    }

    /// Looks at answers that were scored, and at the net that gave them; at the end of an epoch before
    /// [`Event::Epoch`]. Default nothing.
    ///
    /// # Errors
    /// As [`observe`](Self::observe).
    fn scored(&mut self, scored: &Scored<'_>) -> Result<Verdict, RunnerError> {
        let _ = scored;
        Ok(Verdict::Continue)
    }

    /// Told how far work is that takes its time between two events: `done` images `of` so many. For a display;
    /// default nothing.
    fn working(&mut self, what: &'static str, done: usize, of: usize) {
        let _ = (what, done, of);
    }

    /// Under which name its state is saved, which no other listener of the run has; empty, as by default, for one without
    /// a state.
    fn name(&self) -> &'static str {
        ""
    }

    /// What it has to remember for the run to go on from here; TOML, which keeps every bit of a
    /// float. Default nothing.
    ///
    /// # Errors
    /// Whatever keeps it from its work; the checkpoint is not written then, and the run ends.
    fn state(&self) -> Result<Option<Value>, RunnerError> {
        Ok(None)
    }

    /// Takes over what [`state`](Self::state) gave; called before [`Event::Resumed`].
    ///
    /// # Errors
    /// It is not what `state` gives.
    fn restore(&mut self, state: &Value) -> Result<(), RunnerError> {
        let _ = state;
        Ok(())
    }
}

/// What the listeners want, together.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[must_use = "a verdict is always heeded"]
pub(crate) struct Verdicts {
    /// The product of all factors, where there is one.
    pub rate_scale: Option<f64>,
    /// The first reason to stop.
    pub stop: Option<String>,
    /// The first reason to suspend the run.
    pub suspend: Option<String>,
}

impl Verdicts {
    /// The error that ends the run here, where a listener wants that.
    pub fn suspended(self, step: u64, checkpoint: Option<PathBuf>) -> Result<(), RunnerError> {
        match self.suspend {
            Some(reason) => Err(TrainingError::Suspended { reason, step, checkpoint }.into()),
            None => Ok(()),
        }
    }

    /// What the listeners of process 0 want, in every process.
    ///
    /// # Errors
    /// A factor that TOML cannot hold.
    pub fn of_first(self, processes: &Processes) -> Result<Self, RunnerError> {
        if processes.size() == 1 {
            return Ok(self);
        }
        let wrong = |reason: String| TrainingError::Processes { reason };
        // Mostly they want nothing.
        let own = match processes.is_first() && self != Self::default() {
            true => toml::to_string(&self).map_err(|error| wrong(error.to_string()))?,
            false => String::new(),
        };
        let first = processes.broadcast(own.into_bytes());
        let read = toml::from_str(&String::from_utf8_lossy(&first));
        Ok(read.map_err(|error| wrong(error.to_string()))?)
    }

    /// What one listener wants, too.
    fn take(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Continue => {}
            Verdict::ScaleRate(factor) => {
                self.rate_scale = Some(self.rate_scale.unwrap_or(1.0) * factor);
            }
            Verdict::Stop(reason) => self.stop = self.stop.take().or(Some(reason)),
            Verdict::Suspend(reason) => self.suspend = self.suspend.take().or(Some(reason)),
        }
    }

    /// These, and what the listeners want of a later event.
    pub fn and(self, later: Self) -> Self {
        let rate_scale = match (self.rate_scale, later.rate_scale) {
            (Some(before), Some(after)) => Some(before * after),
            (before, after) => before.or(after),
        };
        Self { rate_scale, stop: self.stop.or(later.stop), suspend: self.suspend.or(later.suspend) }
    }
}

/// What is said of a program that is compiled without optimization, as cargo does by default.
fn unoptimized(level: &str) -> Option<&'static str> {
    let told = "this program is compiled without optimization and trains thirty times slower; build it with --release, \
                or add to its Cargo.toml: [profile.dev.package.\"*\"] opt-level = 3";
    (level == "0").then_some(told)
}

/// Tells every listener what may make a plan's scores worthless, where there is something.
///
/// # Errors
/// That of the first listener that fails.
pub(crate) fn notify_warnings(
    plan: &Plan,
    listeners: &mut [Box<dyn Listener>],
) -> Result<Verdicts, RunnerError> {
    let slow = unoptimized(env!("TAPER_OPT_LEVEL")).map(String::from);
    let warnings: Vec<String> = plan.warnings.iter().cloned().chain(slow).collect();
    match warnings.is_empty() {
        true => Ok(Verdicts::default()),
        false => notify(listeners, &Event::Warned { warnings }),
    }
}

/// Tells every listener that training is over: nothing is left that they could want.
///
/// # Errors
/// That of the first listener that fails.
pub(crate) fn notify_finished(
    listeners: &mut [Box<dyn Listener>],
    step: u64,
    seconds: f64,
    stopped: Option<String>,
) -> Result<(), RunnerError> {
    notify(listeners, &Event::Finished { step, seconds, stopped }).map(|_: Verdicts| ())
}

/// Tells every listener of an event, and gathers what they want.
///
/// # Errors
/// That of the first listener that fails.
pub(crate) fn notify(
    listeners: &mut [Box<dyn Listener>],
    event: &Event,
) -> Result<Verdicts, RunnerError> {
    let mut verdicts = Verdicts::default();
    for listener in listeners {
        verdicts.take(listener.observe(event)?);
    }
    Ok(verdicts)
}

/// Shows every listener answers that were scored, and gathers what they want.
///
/// # Errors
/// That of the first listener that fails.
pub(crate) fn show_scored(
    listeners: &mut [Box<dyn Listener>],
    when: When,
    plan: &Plan,
    loaded: &Loaded,
    (evaluation, scores): (&Evaluation, &Scores),
) -> Result<Verdicts, RunnerError> {
    let (net, params) = (&loaded.net, &loaded.params);
    let mut verdicts = Verdicts::default();
    for listener in listeners {
        let scored = Scored { when, plan, net, params, evaluation, scores };
        verdicts.take(listener.scored(&scored)?);
    }
    Ok(verdicts)
}

/// Tells every listener how far work is.
pub(crate) fn tell_working(
    listeners: &mut [Box<dyn Listener>],
    what: &'static str,
    done: usize,
    of: usize,
) {
    listeners.iter_mut().for_each(|listener| listener.working(what, done, of));
}

/// Whether no two listeners have one name, by which a checkpoint knows what each remembers.
pub(crate) fn check_names(
    names: impl IntoIterator<Item = &'static str>,
) -> Result<(), RunnerError> {
    let mut known = BTreeSet::new();
    match names.into_iter().find(|name| !name.is_empty() && !known.insert(*name)) {
        None => Ok(()),
        Some(name) => Err(TrainingError::SameListener { name }.into()),
    }
}

/// The states of the listeners that have one.
pub(crate) fn states(
    listeners: &[Box<dyn Listener>],
) -> Result<BTreeMap<String, Value>, RunnerError> {
    let mut states = BTreeMap::new();
    for listener in listeners.iter().filter(|listener| !listener.name().is_empty()) {
        if let Some(state) = listener.state()? {
            states.insert(listener.name().to_string(), state);
        }
    }
    Ok(states)
}

/// Gives the listeners their states back.
pub(crate) fn restore(
    listeners: &mut [Box<dyn Listener>],
    states: &BTreeMap<String, Value>,
) -> Result<(), RunnerError> {
    for listener in listeners {
        if let Some(state) = states.get(listener.name()) {
            listener.restore(state)?;
        }
    }
    Ok(())
}

/// The methods of a listener whose state is its field `state`.
macro_rules! keeps_state {
    ($name:literal) => {
        fn name(&self) -> &'static str {
            $name
        }

        fn state(&self) -> Result<Option<toml::Value>, RunnerError> {
            $crate::observe::listener::saved($name, &self.state)
        }

        fn restore(&mut self, state: &toml::Value) -> Result<(), RunnerError> {
            self.state = $crate::observe::listener::state_of($name, state)?;
            Ok(())
        }
    };
}

pub(super) use keeps_state;

/// A listener's state to be saved.
pub(super) fn saved(
    listener: &'static str,
    state: &impl Serialize,
) -> Result<Option<Value>, RunnerError> {
    let failed = |reason| TrainingError::ListenerState { listener, reason };
    Ok(Value::try_from(state).map(Some).map_err(|error| failed(error.to_string()))?)
}

/// Reads a listener's state.
pub(super) fn state_of<T: serde::de::DeserializeOwned>(
    listener: &'static str,
    state: &Value,
) -> Result<T, RunnerError> {
    let failed = |reason| TrainingError::ListenerState { listener, reason };
    let read = state.clone().try_into();
    Ok(read.map_err(|error: toml::de::Error| failed(error.message().to_string()))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_without_optimization_is_told_of_and_with_what_to_do() {
        let told = unoptimized("0").unwrap();
        assert!(told.contains("[profile.dev.package.\"*\"] opt-level = 3"), "{told}");
        assert_eq!(["1", "2", "3", "s", "z"].map(unoptimized), [None; 5]);
    }
}

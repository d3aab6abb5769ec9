//! What a run tells while it goes on: typed events, and who listens to them.
//!
//! The loop emits events and knows none of its listeners. A listener answers with a [`Verdict`], and
//! may have a state that checkpoints save.

mod download;
mod early_stopping;
mod history;
mod interrupt;
mod limit;
mod plateau;
mod progress;
mod tensorboard;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Seek, SeekFrom};

use serde::Serialize;
use toml::Value;

use crate::error::RunnerError;

pub use download::DownloadBar;
pub use early_stopping::EarlyStopping;
pub use history::History;
pub use interrupt::Interrupt;
pub use limit::Limit;
pub use plateau::Plateau;
pub use progress::{Counter, Progress};
pub use taper_run_folder::{Epoch, Event, Step};
pub use tensorboard::TensorBoard;

/// What a listener wants of the loop.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Verdict {
    /// Go on.
    Continue,
    /// Multiply the learning rate with this, from the next step on.
    ScaleRate(f64),
    /// Training is over after this event; the reason is told. The run ends as after its last epoch.
    Stop(String),
    /// Leave the run after this event, with a checkpoint from which it can go on.
    Suspend(String),
}

/// Somebody who follows a run.
pub trait Listener {
    /// Takes note of an event.
    ///
    /// # Errors
    /// Whatever keeps the listener from its work, a full disk for instance; it ends the run.
    fn observe(&mut self, event: &Event) -> Result<Verdict, RunnerError>;

    /// Under which name its state is saved; empty, as by default, for one without a state.
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

    /// Takes over what [`state`](Self::state) gave; told before [`Event::Resumed`].
    ///
    /// # Errors
    /// It is not what `state` gives.
    fn restore(&mut self, state: &Value) -> Result<(), RunnerError> {
        let _ = state;
        Ok(())
    }
}

/// What the listeners want, together.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Told {
    /// The product of all factors, where there is one.
    pub rate_scale: Option<f64>,
    /// The first reason to stop.
    pub stop: Option<String>,
    /// The first reason to leave off.
    pub suspend: Option<String>,
}

/// Tells every listener, and gathers what they want.
pub(crate) fn tell(
    listeners: &mut [Box<dyn Listener>],
    event: &Event,
) -> Result<Told, RunnerError> {
    let mut told = Told::default();
    for listener in listeners {
        match listener.observe(event)? {
            Verdict::Continue => {}
            Verdict::ScaleRate(factor) => {
                told.rate_scale = Some(told.rate_scale.unwrap_or(1.0) * factor);
            }
            Verdict::Stop(reason) => told.stop = told.stop.or(Some(reason)),
            Verdict::Suspend(reason) => told.suspend = told.suspend.or(Some(reason)),
        }
    }
    Ok(told)
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

/// Cuts a file to a length and goes on writing there.
fn cut(file: &mut File, bytes: u64) -> std::io::Result<()> {
    file.set_len(bytes)?;
    file.seek(SeekFrom::Start(bytes)).map(|_| ())
}

/// A listener's state to be saved.
fn saved(listener: &'static str, state: &impl Serialize) -> Result<Option<Value>, RunnerError> {
    let failed = |reason| RunnerError::ListenerState { listener, reason };
    Value::try_from(state).map(Some).map_err(|error| failed(error.to_string()))
}

/// Reads a listener's state.
fn state_of<T: serde::de::DeserializeOwned>(
    listener: &'static str,
    state: &Value,
) -> Result<T, RunnerError> {
    let failed = |reason| RunnerError::ListenerState { listener, reason };
    state.clone().try_into().map_err(|error: toml::de::Error| failed(error.message().to_string()))
}

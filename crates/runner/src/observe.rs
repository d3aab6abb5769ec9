//! What a run tells while it goes on: typed events, and who listens to them.
//!
//! The loop emits events and knows none of its listeners. A listener answers with a [`Verdict`].

mod download;
mod history;
mod progress;

use serde::Serialize;

use crate::error::RunnerError;
use crate::evaluate::Scores;

pub use download::DownloadBar;
pub use history::History;
pub use progress::Progress;

/// Something that happened in a run.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// Before the first step.
    Started {
        /// Epochs to come.
        epochs: usize,
        /// Steps in each.
        steps_per_epoch: usize,
        /// Images in the training part.
        images: usize,
    },
    /// After one update of the parameters.
    Step {
        /// From 0.
        epoch: usize,
        /// Updates done so far, this one included.
        step: u64,
        /// Mean loss of the batch.
        loss: f64,
        /// The rate used.
        learning_rate: f64,
        /// Images in the batch.
        images: usize,
    },
    /// After the last step of an epoch and its validation.
    Epoch {
        /// From 0.
        epoch: usize,
        /// Updates done so far.
        step: u64,
        /// Mean loss over the epoch's images, as seen while training.
        loss: f64,
        /// The rate of the last step.
        learning_rate: f64,
        /// Scores on the validation part, where there is one.
        validation: Option<Scores>,
        /// Training time of the epoch, validation not included.
        seconds: f64,
        /// Training throughput of the epoch.
        images_per_second: f64,
        /// Share of the epoch in which training waited for data, 0 to 1.
        data_wait: f64,
    },
    /// After the last epoch.
    Finished {
        /// Updates done.
        step: u64,
        /// Training time, validation included.
        seconds: f64,
        /// Why the run ended before its last epoch, if it did.
        stopped: Option<String>,
    },
}

/// What a listener wants of the loop.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Verdict {
    /// Go on.
    Continue,
    /// End the run after this event; the reason is told.
    Stop(String),
}

/// Somebody who follows a run.
pub trait Listener {
    /// Takes note of an event.
    ///
    /// # Errors
    /// Whatever keeps the listener from its work, a full disk for instance; it ends the run.
    fn observe(&mut self, event: &Event) -> Result<Verdict, RunnerError>;
}

/// Tells every listener; the first that wants to stop is heard.
pub(crate) fn tell(
    listeners: &mut [Box<dyn Listener>],
    event: &Event,
) -> Result<Verdict, RunnerError> {
    let mut verdict = Verdict::Continue;
    for listener in listeners {
        let answer = listener.observe(event)?;
        if verdict == Verdict::Continue {
            verdict = answer;
        }
    }
    Ok(verdict)
}

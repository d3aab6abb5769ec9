//! `history.jsonl`: what happened in a run, one JSON object a line.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use taper_untrusted::checksums::{self, RECORD};

use crate::error::RunFolderError;
use crate::scores::{Scores, number};

/// Something that happened in a run.
///
/// Listeners see every one; `history.jsonl` has a line for each but [`Event::Warned`], [`Event::Loaded`],
/// [`Event::BrokenCheckpoint`] and [`Event::Resumed`], and for those steps that it was asked to record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// First of all, where something may make the scores worthless; `metrics.json` has it.
    Warned {
        /// What.
        warnings: Vec<String>,
    },
    /// First of what is written, where something in the data was left out.
    LeftOut {
        /// How much, by reason.
        counts: BTreeMap<String, usize>,
        /// Of each image that cannot be read, why.
        faults: Vec<String>,
    },
    /// Before anything is computed.
    Loaded {
        /// What became of each tensor of the weights, as a table; empty where there are none.
        weights: String,
        /// What else is worth knowing before the run begins.
        notes: Vec<String>,
    },
    /// Where a run goes on: a checkpoint that is broken, and passed over for an older one.
    BrokenCheckpoint {
        /// Its file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// At the start of an epoch that trains other parameters than the one before.
    Unfrozen {
        /// From 0.
        epoch: usize,
        /// Elements of the parameters that are trained in this epoch.
        trainable: usize,
    },
    /// Before the first step.
    Started {
        /// Epochs to come.
        epochs: usize,
        /// Steps in each.
        steps_per_epoch: usize,
        /// Images in the training part.
        images: usize,
    },
    /// In place of that, where a run goes on.
    Resumed {
        /// Epochs in all.
        epochs: usize,
        /// Steps in each.
        steps_per_epoch: usize,
        /// Images in the training part.
        images: usize,
        /// The epoch that it goes on in, from 0.
        epoch: usize,
        /// Updates that are behind.
        step: u64,
    },
    /// After one update of the parameters.
    Step(Step),
    /// In place of that, where loss or gradient was not finite and nothing was updated.
    Skipped {
        /// From 0.
        epoch: usize,
        /// Updates done so far, this one included.
        step: u64,
        /// Updates skipped so far, this one included.
        skipped: u64,
        /// What was found, and where.
        reason: String,
    },
    /// After the last step of an epoch, or of the run, and its validation.
    Epoch(Epoch),
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

/// One update of the parameters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// From 0.
    pub epoch: usize,
    /// Updates done so far, this one included.
    pub step: u64,
    /// Mean loss of the batch.
    #[serde(deserialize_with = "number")]
    pub loss: f64,
    /// The rate used.
    pub learning_rate: f64,
    /// The 2-norm of all gradients, before they were clipped.
    #[serde(deserialize_with = "number")]
    pub gradient_norm: f64,
    /// Images in the batch.
    pub images: usize,
}

/// One pass over the training part, and its validation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// From 0.
    pub epoch: usize,
    /// Updates done so far.
    pub step: u64,
    /// Mean loss over the epoch's images, as seen while training.
    #[serde(deserialize_with = "number")]
    pub loss: f64,
    /// The rate of the last step.
    pub learning_rate: f64,
    /// Scores on the validation part, where there is one.
    pub validation: Option<Scores>,
    /// Training time of the epoch, validation not included.
    pub seconds: f64,
    /// Training throughput of the epoch.
    pub images_per_second: f64,
    /// Share of the epoch in which training waited for data, 0 to 1.
    pub data_wait: f64,
}

/// The events of a `history.jsonl`, and how many lines are none or are broken: these are passed over. What was not
/// finite is NaN.
///
/// # Errors
/// The file cannot be read.
pub fn read_history(path: &Path) -> Result<(Vec<Event>, usize), RunFolderError> {
    let bytes = checksums::read(path, RECORD).map_err(RunFolderError::io(path))?;
    let lines = bytes.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    let (mut events, mut broken) = (Vec::new(), 0);
    for line in lines {
        match serde_json::from_slice(line) {
            Ok(event) => events.push(event),
            Err(_) => broken += 1,
        }
    }
    Ok((events, broken))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loss_that_is_no_number_and_a_broken_line_leave_the_rest() {
        let history: &[u8] = b"{\"event\":\"step\",\"epoch\":0,\"step\":10,\"loss\":null,\"learning_rate\":0.1,\
                       \"gradient_norm\":1.0,\"images\":5}\n\
                       {\"event\":\"epoch\",\"epoch\":0,\"step\":12,\"loss\":0.5,\"learning_rate\":0.1,\
                       \"validation\":null,\"seconds\":1,\"images_per_second\":9,\"data_wait\":0}\n\
                       {\"event\":\"epo\xff";
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.jsonl");
        std::fs::write(&path, history).unwrap();
        let (events, broken) = read_history(&path).unwrap();
        assert_eq!((events.len(), broken), (2, 1));
        assert!(matches!(events[0], Event::Step(Step { step: 10, loss, .. }) if loss.is_nan()));
        assert!(matches!(events[1], Event::Epoch(Epoch { epoch: 0, loss: 0.5, .. })));
    }

    #[test]
    fn an_event_reads_back_from_its_line() {
        let scores = Scores::of(&[0, 1], &[1.0, 0.0, 0.5, 0.5], 2).unwrap();
        let event = Event::Epoch(Epoch {
            epoch: 1,
            step: 7,
            loss: 0.25,
            learning_rate: 1e-3,
            validation: Some(scores),
            seconds: 0.5,
            images_per_second: 10.0,
            data_wait: 0.0,
        });
        let line = serde_json::to_string(&event).unwrap();
        assert!(line.starts_with("{\"event\":\"epoch\",\"epoch\":1,"), "{line}");
        assert_eq!(serde_json::from_str::<Event>(&line).unwrap(), event);
    }
}

//! `history.jsonl`: what happened in a run, one JSON object a line.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use taper_untrusted::checksums::{self, RECORD};
use taper_untrusted::json;

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
        /// Of each image that cannot be read, why; of very many the last line says how many more there are.
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

/// What a `history.jsonl` tells.
#[derive(Debug, Default)]
pub struct History {
    /// The events. What was not finite is NaN.
    pub events: Vec<Event>,
    /// Lines that are none, or are broken: they are passed over.
    pub broken_lines: usize,
    /// Of the steps every so-manieth is there: 1 for all; more where there are so many that they would fill the memory.
    pub every: usize,
}

/// The most events that are kept.
const EVENTS: usize = 1 << 20;

/// The most that a line may stand for, by the estimate of [`json::read`].
const LINE: usize = json::MOST / 8;

/// Reads a `history.jsonl`.
///
/// # Errors
/// The file cannot be read; it has more than 786,432 events that are no steps.
pub fn read_history(path: &Path) -> Result<History, RunFolderError> {
    let bytes = checksums::read(path, RECORD).map_err(RunFolderError::io(path))?;
    parse(&bytes, EVENTS).map_err(|reason| RunFolderError::invalid(path, reason))
}

fn parse(bytes: &[u8], most: usize) -> Result<History, String> {
    let mut history = History { every: 1, ..History::default() };
    let mut steps = 0;
    for line in bytes.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
        let Ok(event) = json::read(line, LINE) else {
            history.broken_lines += 1;
            continue;
        };
        steps += usize::from(matches!(event, Event::Step(_)));
        if matches!(event, Event::Step(_)) && !steps.is_multiple_of(history.every) {
            continue;
        }
        if history.events.len() == most {
            history.every *= 2;
            let mut n = 0;
            history.events.retain(|event| {
                n += usize::from(matches!(event, Event::Step(_)));
                !matches!(event, Event::Step(_)) || n.is_multiple_of(2)
            });
            if history.events.len() > most / 4 * 3 {
                return Err(format!("it has more than {} events that are no steps", most / 4 * 3));
            }
        }
        if matches!(event, Event::Step(_)) && !steps.is_multiple_of(history.every) {
            continue;
        }
        history.events.push(event);
    }
    Ok(history)
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
        let History { events, broken_lines, every } = read_history(&path).unwrap();
        assert_eq!((events.len(), broken_lines, every), (2, 1, 1));
        assert!(matches!(events[0], Event::Step(Step { step: 10, loss, .. }) if loss.is_nan()));
        assert!(matches!(events[1], Event::Epoch(Epoch { epoch: 0, loss: 0.5, .. })));
    }

    #[test]
    fn of_more_steps_than_fit_every_second_is_kept_and_then_every_fourth() {
        let step = |n| {
            format!(
                "{{\"event\":\"step\",\"epoch\":0,\"step\":{n},\"loss\":1,\"learning_rate\":1,\
                 \"gradient_norm\":1,\"images\":5}}\n"
            )
        };
        let epoch = "{\"event\":\"unfrozen\",\"epoch\":0,\"trainable\":1}\n";
        let steps = |text: &str| {
            let history = parse(text.as_bytes(), 8)?;
            let steps = history.events.iter().filter_map(|event| match event {
                Event::Step(step) => Some(step.step),
                _ => None,
            });
            Ok::<_, String>((steps.collect::<Vec<_>>(), history.every, history.events.len()))
        };
        let text = |n| epoch.to_string() + &(1..=n).map(step).collect::<String>() + epoch;
        assert_eq!(steps(&text(6)).unwrap(), ((1..=6).collect(), 1, 8));
        assert_eq!(steps(&text(9)).unwrap(), (vec![2, 4, 6, 8], 2, 6));
        assert_eq!(steps(&text(25)).unwrap(), (vec![4, 8, 12, 16, 20, 24], 4, 8));
        assert_eq!(
            steps(&epoch.repeat(9)).unwrap_err(),
            "it has more than 6 events that are no steps"
        );
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

//! Whether what a run will write can be read again: readers have limits, and a run of days may not end beyond them.

use taper_optimizer::AverageConfig;
use taper_untrusted::checksums::RECORD;
use taper_untrusted::files::HEADER;

use super::training::Training;
use crate::error::{RunnerError, setting};

/// The most bytes of a line of `history.jsonl` of a step, and of an epoch.
const STEP: u64 = 256;
const EPOCH: u64 = 2048;

/// The most bytes of a tensor in a header beside its name, which a counter of images seen may have again.
const TENSOR: u64 = 240;

/// Bytes of a header that are for what is no tensor: a checkpoint's state as JSON, a model's description.
const STATE: u64 = 5 << 20;

/// Refuses, before the first step, a run whose history, checkpoints or weights would be beyond what is read.
///
/// # Errors
/// The setting that leads there, with one that does not.
pub(crate) fn check(training: &Training<'_>) -> Result<(), RunnerError> {
    let recipe = training.recipe();
    let epochs = recipe.train.epochs as u64 * EPOCH;
    check_history(training.total_steps(), recipe.log.every_steps, RECORD.saturating_sub(epochs))?;
    let mut copies = 1 + training.plan.rule.slots().len() as u64;
    copies += u64::from(recipe.average != AverageConfig::None {});
    copies += u64::from(recipe.select.best);
    let names = training.loaded.params.iter().map(|(name, _)| name.as_str());
    let tensors = names.clone().map(|name| 2 * name.len() as u64 + TENSOR).sum();
    check_headers(names.count(), tensors, recipe.checkpoint.enabled.then_some(copies))
}

fn check_history(steps: u64, every: u64, most: u64) -> Result<(), RunnerError> {
    let recorded = steps.checked_div(every).unwrap_or(0);
    match recorded.saturating_mul(STEP) <= most {
        true => Ok(()),
        false => {
            let least = steps.saturating_mul(STEP) / most + 1;
            let expected = format!(
                "{least} or more for {steps} steps, or 0 for none: a longer history.jsonl could not be read again"
            );
            Err(setting("log.every_steps", every, expected))
        }
    }
}

/// `copies`: how often the tensors stand in a checkpoint, where there are checkpoints.
fn check_headers(count: usize, tensors: u64, copies: Option<u64>) -> Result<(), RunnerError> {
    let most = HEADER - STATE;
    if copies.is_some_and(|copies| tensors.saturating_mul(copies) > most) {
        let expected = format!(
            "false for a net of {count} tensors: its checkpoints' headers would be too long to be read again"
        );
        return Err(setting("checkpoint.enabled", true, expected));
    }
    match tensors <= most {
        true => Ok(()),
        false => Err(setting(
            "model.net",
            format!("a net of {count} tensors"),
            "fewer: the header of its file would be too long to be read again",
        )),
    }
}

/// The most bytes of what a history tells of images that cannot be read.
const FAULTS: usize = 16 << 20;

/// Why images cannot be read, as a history can hold it: of more than fit the last line says how many there are.
pub(crate) fn told(faults: &[String]) -> Vec<String> {
    let mut left = FAULTS;
    let fits = |fault: &&String| match left.checked_sub(fault.len() + 64) {
        Some(rest) => {
            left = rest;
            true
        }
        None => false,
    };
    let mut told: Vec<String> = faults.iter().take_while(fits).cloned().collect();
    if told.len() < faults.len() {
        told.push(format!("and {} more", faults.len() - told.len()));
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_that_could_not_be_read_is_refused_with_a_number_of_steps_that_can() {
        assert!(check_history(u64::MAX, 0, RECORD).is_ok());
        assert!(check_history(4_000_000, 1, RECORD).is_ok());
        let error = check_history(100_000_000, 10, RECORD).unwrap_err().to_string();
        assert!(error.contains("log.every_steps") && error.contains("24 or more"), "{error}");
        assert!(check_history(100_000_000, 24, RECORD).is_ok());
    }

    #[test]
    fn headers_that_could_not_be_read_are_refused() {
        // As of the largest net there is, and ten times that.
        let tensors = |count: u64| count * (2 * 60 + TENSOR);
        assert!(check_headers(2000, tensors(2000), Some(5)).is_ok());
        let error = check_headers(20_000, tensors(20_000), Some(5)).unwrap_err().to_string();
        assert!(error.contains("checkpoint.enabled") && error.contains("20000 tensors"), "{error}");
        assert!(check_headers(20_000, tensors(20_000), None).is_ok());
        let error = check_headers(60_000, tensors(60_000), None).unwrap_err().to_string();
        assert!(error.contains("model.net") && error.contains("60000 tensors"), "{error}");
    }

    #[test]
    fn faults_that_are_too_many_for_a_line_are_counted() {
        let faults = vec!["x".repeat(1 << 20); 20];
        let told = told(&faults);
        assert_eq!((told.len(), told[15].as_str()), (16, "and 5 more"));
        assert_eq!(super::told(&faults[..3]), faults[..3]);
    }
}

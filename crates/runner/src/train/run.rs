//! The loop: batches, forward, loss, backward, clip, step, observe, save.

use std::time::Instant;

use taper_run_folder::TrainingSummary;

use super::training::Training;
use crate::error::RunnerError;
use crate::observe::{Listener, notify, notify_finished};

/// Trains: batches, forward, loss, backward, clip, step, observe, save; after each epoch, validate.
///
/// # Errors
/// Unreadable images, a loss or gradient that is not finite, a listener that fails or leaves off, a
/// checkpoint that cannot be written.
pub fn train(
    mut training: Training<'_>,
    listeners: &mut [Box<dyn Listener>],
) -> Result<TrainingSummary, RunnerError> {
    let accumulate = training.recipe().train.accumulate;
    let processes = &training.plan.processes;
    let verdicts = notify(listeners, &training.opening())?;
    training.apply(verdicts.of_first(processes)?)?;

    while training.goes_on() {
        let mut batches = training.batches()?;
        if let Some(event) = training.unfrozen() {
            let verdicts = notify(listeners, &event)?;
            training.apply(verdicts.of_first(processes)?)?;
            if !training.goes_on() {
                break;
            }
        }
        while training.position.stopped.is_none() {
            let started = Instant::now();
            let Some(group) = batches.next_group(accumulate)? else { break };
            let waited = started.elapsed().as_secs_f64();

            let rates = training.rates();
            let computed = training.gradients(&group)?;
            let event = training.update(computed, rates)?;
            let verdicts = notify(listeners, &event)?;

            training.position.sums.waited += waited;
            training.position.sums.seconds += started.elapsed().as_secs_f64();
            training.apply_after_step(verdicts.of_first(processes)?, listeners)?;
        }
        let (validation, verdicts) = training.validate(listeners)?;
        let event = training.close_epoch(validation);
        let verdicts = verdicts.and(notify(listeners, &event)?);
        training.apply_after_epoch(verdicts.of_first(processes)?, listeners)?;
    }
    training.choose_weights()?;
    let trained = training.trained();
    notify_finished(listeners, trained.steps, trained.seconds, trained.stopped.clone())?;
    Ok(trained)
}

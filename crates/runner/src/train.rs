//! The loop.

mod position;
mod saving;
mod stage;
mod step;
mod sweep;
mod training;
mod validation;

use std::time::Instant;

use taper_dataset::Batch;
use taper_run_folder::Trained;

use crate::error::RunnerError;
use crate::observe::{Event, Listener, tell};

pub use position::{EpochSums, Position};
pub(crate) use saving::Saving;
use stage::Batches;
pub(crate) use step::images_of;
pub use sweep::{Sweep, SweepConfig, SweepPoint, sweep};
pub use training::Training;

/// Trains: batches, forward, loss, backward, clip, step, observe, save; after each epoch, validate.
///
/// # Errors
/// Unreadable images, a loss or gradient that is not finite, a listener that fails or leaves off, a
/// checkpoint that cannot be written.
pub fn train(
    mut training: Training<'_>,
    listeners: &mut [Box<dyn Listener>],
) -> Result<Trained, RunnerError> {
    let accumulate = training.recipe().train.accumulate;
    let told = tell(listeners, &training.opening())?;
    training.heed_opening(told)?;

    while training.goes_on() {
        let mut batches = training.batches()?;
        if let Some(event) = training.unfrozen() {
            tell(listeners, &event)?;
        }
        while training.position.stopped.is_none() {
            let started = Instant::now();
            let group = next(&mut batches, accumulate)?;
            if group.is_empty() {
                break;
            }
            let waited = started.elapsed().as_secs_f64();

            let rates = training.rates();
            let computed = training.gradients(&group)?;
            let event = training.update(computed, rates)?;
            let told = tell(listeners, &event)?;

            training.position.sums.waited += waited;
            training.position.sums.seconds += started.elapsed().as_secs_f64();
            training.heed_step(told, listeners)?;
        }
        let validation = training.validate()?;
        let event = training.close_epoch(validation);
        let told = tell(listeners, &event)?;
        training.heed_epoch(told, listeners)?;
    }
    training.choose_weights()?;
    let trained = training.trained();
    let (step, seconds, stopped) = (trained.steps, trained.seconds, trained.stopped.clone());
    tell(listeners, &Event::Finished { step, seconds, stopped })?;
    Ok(trained)
}

/// The batches of one update; none at the end of the epoch.
fn next(batches: &mut Batches, accumulate: usize) -> Result<Vec<Batch>, RunnerError> {
    batches.take(accumulate).collect()
}

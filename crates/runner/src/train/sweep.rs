//! A sweep of learning rates: how the loss answers to ever larger ones.

use serde::Serialize;
use taper_optimizer::StepRates;

use super::batches::next_group;
use super::training::Training;
use crate::error::{RunnerError, TrainingError, setting};
use crate::observe::{Event, Listener, notify};

/// How a sweep goes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SweepConfig {
    /// The first rate. Default 1e-7.
    pub low: f64,
    /// The last rate, if the loss does not explode before. Default 10.
    pub high: f64,
    /// Updates from one to the other, the rate growing by the same factor each time. Default 100.
    pub steps: usize,
}

impl Default for SweepConfig {
    fn default() -> Self {
        Self { low: 1e-7, high: 10.0, steps: 100 }
    }
}

/// One update of a sweep.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct SweepPoint {
    /// The learning rate.
    pub learning_rate: f64,
    /// The mean loss of the batch, before the update.
    pub loss: f64,
    /// The exponential mean of the losses so far, its bias corrected.
    pub smoothed: f64,
}

/// What a sweep found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sweep {
    /// The updates, the rates rising.
    pub points: Vec<SweepPoint>,
    /// The middle of the longest fall of the smoothed loss; none where it never falls.
    pub suggestion: Option<f64>,
    /// Where the smoothed loss is lowest; higher rates diverge.
    pub lowest: Option<f64>,
    /// The rate at which the loss exploded, if it did.
    pub exploded: Option<f64>,
}

/// Weight of the past in the smoothed loss.
const SMOOTHING: f64 = 0.9;
/// Times the best smoothed loss at which the sweep ends.
const EXPLODED: f64 = 4.0;
/// Share of the points at the beginning that suggest nothing: the mean has hardly begun.
const SETTLING: f64 = 0.1;

/// Trains with ever larger learning rates, then puts all weights and running statistics back.
///
/// Each update is as in [`train`](crate::train()), but for the rate: batches in the run's order, loss, clipping,
/// decay. It ends early when loss or gradient is not finite, or the smoothed loss is 4 times its
/// best. After L. Smith, "Cyclical Learning Rates for Training Neural Networks" (2017); the
/// suggestion is fastai's `valley`: the middle of the longest fall, which noise moves less than it moves the
/// steepest place.
///
/// # Errors
/// Rates that do not rise, fewer than 10 steps; unreadable images; a listener that fails or leaves
/// off.
pub fn sweep(
    mut training: Training<'_>,
    config: &SweepConfig,
    listeners: &mut [Box<dyn Listener>],
) -> Result<Sweep, RunnerError> {
    let SweepConfig { low, high, steps } = *config;
    if !(low > 0.0 && low < high && high.is_finite()) {
        let found = format!("{low:e} to {high:e}");
        return Err(setting("learning rates of the sweep", found, "two rising numbers above 0"));
    }
    if steps < 10 {
        return Err(setting("steps of the sweep", steps, "10 or more"));
    }
    let weights = training.loaded.params.to_tensors()?;
    let swept = run(&mut training, config, listeners);
    training.loaded.params.set(&weights)?;
    let (points, exploded) = swept?;
    let (suggestion, lowest) = (valley(&points), lowest(&points));
    Ok(Sweep { points, suggestion, lowest, exploded })
}

fn run(
    training: &mut Training<'_>,
    config: &SweepConfig,
    listeners: &mut [Box<dyn Listener>],
) -> Result<(Vec<SweepPoint>, Option<f64>), RunnerError> {
    let SweepConfig { low, high, steps } = *config;
    let images = training.plan.data.train.len();
    let verdicts =
        notify(listeners, &Event::Started { epochs: 1, steps_per_epoch: steps, images })?;
    training.apply(verdicts)?;
    let mut batches = training.batches()?;
    let (mut points, mut mean, mut best) = (Vec::with_capacity(steps), 0.0, f64::INFINITY);
    let mut exploded = None;
    for step in 0..steps {
        if training.position.stopped.is_some() {
            break;
        }
        let mut group = next_group(&mut batches, training.recipe().train.accumulate)?;
        if group.is_empty() {
            training.position.next_epoch();
            batches = training.batches()?;
            group = next_group(&mut batches, training.recipe().train.accumulate)?;
        }
        let rate = low * (high / low).powf(step as f64 / (steps - 1) as f64);
        let learning_rate = training.position.rate_scale * rate;
        let computed = training.gradients(&group)?;
        let loss = computed.loss();
        mean = SMOOTHING * mean + (1.0 - SMOOTHING) * loss;
        let smoothed = mean / (1.0 - SMOOTHING.powi(step as i32 + 1));
        if !smoothed.is_finite() || smoothed > EXPLODED * best {
            exploded = Some(learning_rate);
            break;
        }
        best = best.min(smoothed);
        points.push(SweepPoint { learning_rate, loss, smoothed });
        let event = match training.update(computed, StepRates { learning_rate, momentum: None }) {
            Err(RunnerError::Training(TrainingError::NotFinite { .. })) => {
                exploded = Some(learning_rate);
                break;
            }
            event => event?,
        };
        let verdicts = notify(listeners, &event)?;
        training.apply(verdicts)?;
    }
    let (step, seconds) = (points.len() as u64, 0.0);
    let stopped = training.position.stopped.clone();
    // Nothing is left to stop or to suspend.
    let _ = notify(listeners, &Event::Finished { step, seconds, stopped })?;
    Ok((points, exploded))
}

/// The middle of the longest fall of the smoothed loss: of the most points of which each is lower than the one
/// before, others between them left out.
fn valley(points: &[SweepPoint]) -> Option<f64> {
    let settled = (SETTLING * points.len() as f64).ceil() as usize;
    let points = &points[settled.min(points.len())..];
    // Points of the longest fall that ends at each.
    let mut falls = Vec::with_capacity(points.len());
    for point in points {
        let before = points.iter().zip(&falls).filter(|(other, _)| other.smoothed > point.smoothed);
        falls.push(1 + before.map(|(_, fall)| *fall).max().unwrap_or(0usize));
    }
    let longest = *falls.iter().max()?;
    let end = falls.iter().position(|fall| *fall == longest)?;
    (longest > 1).then(|| points[end - longest / 2].learning_rate)
}

fn lowest(points: &[SweepPoint]) -> Option<f64> {
    place_of_lowest(points).map(|place| points[place].learning_rate)
}

fn place_of_lowest(points: &[SweepPoint]) -> Option<usize> {
    let places = points.iter().enumerate();
    places.min_by(|a, b| a.1.smoothed.total_cmp(&b.1.smoothed)).map(|(place, _)| place)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(loss: impl Fn(f64) -> f64) -> Vec<SweepPoint> {
        let rate = |i: u32| 10f64.powf(-6.0 + f64::from(i) / 10.0);
        let point = |i| {
            let loss = loss(rate(i).log10());
            SweepPoint { learning_rate: rate(i), loss, smoothed: loss }
        };
        (0..70).map(point).collect()
    }

    #[test]
    fn the_suggestion_is_the_middle_of_the_longest_fall() {
        // Falls as a sigmoid around 1e-3, rises again from 1e-1 on.
        let points = points(|x| 1.0 / (1.0 + (4.0 * (x + 3.0)).exp()) + (x + 1.0).max(0.0));
        let found = valley(&points).unwrap().log10();
        // It falls from the first point that counts, 10^-5.3, to 10^-1.
        assert!((found + 3.15).abs() < 0.11, "{found}");
        let lowest = lowest(&points).unwrap().log10();
        assert!((lowest + 1.0).abs() < 0.11, "{lowest}");
    }

    #[test]
    fn a_jump_moves_the_suggestion_little() {
        let fall = |x: f64| 1.0 / (1.0 + (4.0 * (x + 3.0)).exp()) + (x + 1.0).max(0.0);
        let smooth = valley(&points(fall)).unwrap();
        // The steepest place of all, and a rise.
        let jumps = |x: f64| {
            fall(x) - if x > -4.0 { 0.3 } else { 0.0 }
                + if (x + 2.5).abs() < 0.15 { 0.2 } else { 0.0 }
        };
        let jumping = valley(&points(jumps)).unwrap();
        assert!((smooth / jumping).ln().abs() < 2f64.ln(), "{smooth:e} {jumping:e}");
    }

    #[test]
    fn a_loss_that_never_falls_suggests_nothing() {
        assert_eq!(valley(&points(|x| x + 7.0)), None);
        assert_eq!(valley(&[]), None);
    }
}

//! A sweep of learning rates: how the loss answers to ever larger ones.

use serde::Serialize;
use taper_optimizer::StepRates;

use super::training::Training;
use crate::error::{RunnerError, TrainingError, setting};
use crate::observe::{Event, Listener, notify, notify_finished, notify_warnings};

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
    /// A third of the centre of the lower half of the valley, of the loss smoothed to both sides; none where it
    /// never falls.
    pub suggestion: Option<f64>,
    /// Where the smoothed loss is lowest; higher rates diverge.
    pub lowest: Option<f64>,
    /// The rate at which the loss exploded, if it did.
    pub exploded: Option<f64>,
}

/// The most updates: each is a point that is kept.
const MOST_STEPS: usize = 1_000_000;
/// Weight of the past in the smoothed loss.
const SMOOTHING: f64 = 0.9;
/// Times the best smoothed loss at which the sweep ends.
const EXPLODED: f64 = 4.0;
/// Share of the points at the beginning that suggest nothing: the mean has hardly begun.
const SETTLING: f64 = 0.1;
/// Standard deviation of the bell curve, as a share of the points.
const BELL: f64 = 0.04;

/// Trains with ever larger learning rates, then puts all weights and running statistics back.
///
/// Each update is as in [`train`](crate::train()), but for the rate: batches in the run's order, loss, clipping,
/// decay. It ends early when loss or gradient is not finite, or the smoothed loss is 4 times its
/// best. After L. Smith, "Cyclical Learning Rates for Training Neural Networks" (2017). The suggestion is a
/// third of the centre of the lower half of the valley. The steepest place and the longest fall (fastai's `valley`) hang
/// on the noise of the batches: over seeds they were up to five times apart where this was less than twice.
///
/// # Errors
/// Rates that do not rise, fewer than 10 steps or more than a million; unreadable images; a listener that fails or leaves
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
    if !(10..=MOST_STEPS).contains(&steps) {
        return Err(setting("steps of the sweep", steps, format!("10 to {MOST_STEPS}")));
    }
    let weights = training.loaded.params.to_tensors()?;
    let swept = run(&mut training, config, listeners);
    training.loaded.params.set(&weights)?;
    let (points, exploded) = swept?;
    let (suggestion, lowest) = (suggestion(&points), lowest(&points));
    Ok(Sweep { points, suggestion, lowest, exploded })
}

fn run(
    training: &mut Training<'_>,
    config: &SweepConfig,
    listeners: &mut [Box<dyn Listener>],
) -> Result<(Vec<SweepPoint>, Option<f64>), RunnerError> {
    let SweepConfig { low, high, steps } = *config;
    let images = training.plan.data.train.len();
    let warned = notify_warnings(training.plan, listeners)?;
    let started = Event::Started { epochs: 1, steps_per_epoch: steps, images };
    let verdicts = warned.and(notify(listeners, &started)?);
    training.apply(verdicts)?;
    let mut batches = training.batches()?;
    let accumulate = training.recipe().train.accumulate;
    let (mut points, mut mean, mut best) = (Vec::new(), 0.0, f64::INFINITY);
    let mut exploded = None;
    for step in 0..steps {
        if training.position.stopped.is_some() {
            break;
        }
        let mut group = batches.next_group(accumulate)?;
        if group.is_none() {
            training.position.next_epoch();
            batches = training.batches()?;
            group = batches.next_group(accumulate)?;
        }
        let Some(group) = group else { break };
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
    let stopped = training.position.stopped.clone();
    notify_finished(listeners, points.len() as u64, 0.0, stopped)?;
    Ok((points, exploded))
}

/// A third of the centre of the lower half of the valley: the mean of the rates' logarithms, each weighted by how
/// far its loss is below the half of the whole fall.
fn suggestion(points: &[SweepPoint]) -> Option<f64> {
    let points = before_the_explosion(points);
    let losses = smoothed_to_both_sides(points);
    let settled = (SETTLING * points.len() as f64).ceil() as usize;
    let begin = losses.get(settled..settled + points.len().div_ceil(5))?;
    let begin = begin.iter().sum::<f64>() / begin.len() as f64;
    let (place, lowest) = losses.iter().enumerate().min_by(|a, b| a.1.total_cmp(b.1))?;
    if place < settled || *lowest >= begin {
        return None;
    }
    let half = (lowest + begin) / 2.0;
    let below = points.iter().zip(&losses).skip(settled);
    let (sum, weights) = below.fold((0.0, 0.0), |(sum, weights), (point, loss)| {
        let weight = (half - loss).max(0.0);
        (sum + weight * point.learning_rate.ln(), weights + weight)
    });
    Some((sum / weights).exp() / 3.0)
}

/// The points without a last one whose loss has exploded, which would be smeared over those before it.
fn before_the_explosion(points: &[SweepPoint]) -> &[SweepPoint] {
    match points {
        [before @ .., previous, last] if last.loss > EXPLODED * previous.smoothed => {
            &points[..before.len() + 1]
        }
        _ => points,
    }
}

/// The losses, each the mean of those around it, weighted by a bell curve: unlike the exponential mean it does not
/// lag behind.
fn smoothed_to_both_sides(points: &[SweepPoint]) -> Vec<f64> {
    let deviation = BELL * points.len() as f64;
    let at = |middle: usize| {
        let weight = |i: usize| (-0.5 * ((i as f64 - middle as f64) / deviation).powi(2)).exp();
        let all = points.iter().enumerate();
        let (sum, weights) = all.fold((0.0, 0.0), |(sum, weights), (i, point)| {
            (sum + weight(i) * point.loss, weights + weight(i))
        });
        sum / weights
    };
    (0..points.len()).map(at).collect()
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

    /// Falls as a sigmoid around 1e-4, rises again from 1e-1 on.
    fn valley(x: f64) -> f64 {
        1.0 / (1.0 + (3.0 * (x + 4.0)).exp()) + (2.0 * (x + 1.0)).max(0.0)
    }

    #[test]
    fn the_suggestion_is_a_third_of_the_centre_of_the_valley() {
        // Half of the fall is done at 1e-4, and undone at 10^-0.75.
        let found = (3.0 * suggestion(&points(valley)).unwrap()).log10();
        assert!((found + 2.3).abs() < 0.2, "{found}");
        let lowest = lowest(&points(valley)).unwrap().log10();
        assert!((lowest + 1.0).abs() < 0.11, "{lowest}");
    }

    #[test]
    fn noise_moves_the_suggestion_little() {
        let found = (0..50u64).map(|seed| {
            let mut state = seed;
            let mut noise = || {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                (state >> 40) as f64 / (1u64 << 24) as f64 - 0.5
            };
            let mut points = points(valley);
            points.iter_mut().for_each(|point| point.loss += 0.4 * noise());
            suggestion(&points).unwrap()
        });
        let (low, high) =
            found.fold((f64::INFINITY, 0f64), |(low, high), x| (low.min(x), high.max(x)));
        assert!(high < 2.0 * low, "{low:e} {high:e}");
    }

    #[test]
    fn a_last_loss_that_explodes_moves_nothing() {
        let calm = points(valley);
        let mut exploded = calm.clone();
        exploded.push(SweepPoint { learning_rate: 10.0, loss: 1e3, smoothed: 10.0 });
        assert_eq!(suggestion(&exploded), suggestion(&calm));
    }

    #[test]
    fn a_loss_that_never_falls_suggests_nothing() {
        assert_eq!(suggestion(&points(|x| x + 7.0)), None);
        assert_eq!(suggestion(&[]), None);
    }
}

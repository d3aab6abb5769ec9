//! Learning-rate schedules: pure functions of the step.

mod by_name;
mod curves;
mod kind;
mod one_cycle;

pub use by_name::{TakeSchedule, schedules};
pub use kind::{ConstantRate, CosineDecay, ExponentialDecay, LinearDecay, ScheduleKind, StepDecay};
pub use one_cycle::{Anneal, MomentumCycle, OneCycle};

use std::sync::Arc;

use crate::check::Check;
use crate::error::OptimizerError;
use curves::lerp;

/// How the learning rate goes over a run: a [`ScheduleKind`] after a linear warm-up.
///
/// With `W` warm-up steps, step `s < W` has the rate at which the kind starts, times
/// `warmup_start + (1 - warmup_start) * s / W`; from step `W` on the kind runs over what is left of
/// the steps. That is PyTorch's `SequentialLR` of a `LinearLR` and the kind's own scheduler.
///
/// Steps count optimizer steps from 0. Past the end of the run the rate stays at its last value.
///
/// # Example
///
/// ```
/// use taper_optimizer::Schedule;
///
/// let schedule = Schedule { warmup_steps: 10, ..Schedule::cosine(0.0) };
/// let rate = |step| schedule.learning_rate(0.1, step, 110);
/// assert!(rate(0) < rate(9) && rate(9) < rate(10));
/// assert_eq!(rate(10), 0.1);
/// assert!((rate(60) - 0.05).abs() < 1e-12);
/// assert_eq!(rate(110), 0.0);
/// ```
#[derive(Clone, Debug)]
pub struct Schedule {
    /// What the rate does after the warm-up. Default constant.
    pub kind: Arc<dyn ScheduleKind>,
    /// How many steps the warm-up takes; 0: as `warmup_ratio` says. Default 0.
    pub warmup_steps: u64,
    /// The part of all steps that the warm-up takes where `warmup_steps` is 0, from 0 to 1; rounded
    /// down. Default 0: none.
    pub warmup_ratio: f64,
    /// What part of the rate the warm-up starts from, from 0 to 1. Default 0.01.
    pub warmup_start: f64,
}

/// The rates of one step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepRates {
    /// The learning rate.
    pub learning_rate: f64,
    /// The momentum (`beta1` in Adam) where the schedule cycles it, else `None`: the rule's own.
    pub momentum: Option<f64>,
}

/// A constant rate without warm-up.
impl Default for Schedule {
    fn default() -> Self {
        Self::constant()
    }
}

impl Schedule {
    /// A kind without a warm-up.
    pub fn of(kind: impl ScheduleKind + 'static) -> Self {
        Schedule { kind: Arc::new(kind), warmup_steps: 0, warmup_ratio: 0.0, warmup_start: 0.01 }
    }

    /// The base rate throughout.
    pub fn constant() -> Self {
        Self::of(ConstantRate {})
    }

    /// Straight down to `final_scale` times the base rate.
    pub fn linear(final_scale: f64) -> Self {
        Self::of(LinearDecay { final_scale })
    }

    /// Multiplied by `factor` after every `every` steps.
    pub fn step(every: u64, factor: f64) -> Self {
        Self::of(StepDecay { every, factor })
    }

    /// Times `factor` a step.
    pub fn exponential(factor: f64) -> Self {
        Self::of(ExponentialDecay { every: 1, factor })
    }

    /// Down to `final_scale` times the base rate along half a cosine.
    pub fn cosine(final_scale: f64) -> Self {
        Self::of(CosineDecay { final_scale })
    }

    /// PyTorch's one-cycle policy, without cycling the momentum.
    pub fn one_cycle() -> Self {
        Self::of(OneCycle::pytorch())
    }

    /// Checks the fields.
    ///
    /// # Errors
    ///
    /// The first field outside its range.
    pub fn validate(&self) -> Result<(), OptimizerError> {
        Check("schedule").unit("warmup_start", self.warmup_start)?;
        Check("schedule").unit("warmup_ratio", self.warmup_ratio)?;
        self.kind.validate()
    }

    /// The learning rate of a step, counted from 0, in a run of `total` steps.
    pub fn learning_rate(&self, base: f64, step: u64, total: u64) -> f64 {
        let (warmup, step, steps) = self.place(step, total);
        base * warmup.map_or(1.0, |share| lerp(self.warmup_start, 1.0, share))
            * self.kind.scale(step, steps)
    }

    /// The momentum of a step, where the schedule cycles it; during the warm-up, that of the start.
    pub fn momentum(&self, step: u64, total: u64) -> Option<f64> {
        let (_, step, steps) = self.place(step, total);
        self.kind.momentum(step, steps)
    }

    /// Both, for [`Optimizer::step_at`](crate::Optimizer::step_at).
    pub fn rates(&self, base: f64, step: u64, total: u64) -> StepRates {
        let learning_rate = self.learning_rate(base, step, total);
        StepRates { learning_rate, momentum: self.momentum(step, total) }
    }

    /// How far the warm-up is, if it is not over, and the kind's own step and steps.
    fn place(&self, step: u64, total: u64) -> (Option<f64>, u64, u64) {
        let warmup = match self.warmup_steps {
            0 => (self.warmup_ratio * total as f64) as u64,
            steps => steps,
        };
        let steps = total.saturating_sub(warmup).max(1);
        if step < warmup {
            return (Some(step as f64 / warmup as f64), 0, steps);
        }
        (None, (step - warmup).min(steps), steps)
    }
}

#[cfg(test)]
mod tests;

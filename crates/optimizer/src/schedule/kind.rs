//! Courses of the learning rate; one of one's own is one more.

use std::fmt::Debug;

use serde::{Deserialize, Serialize};

use super::curves::{cosine, lerp};
use crate::check::Check;
use crate::error::OptimizerError;

/// The course of the learning rate over `n` steps, as a part of the base rate; one of one's own goes into a
/// [`Schedule`](crate::Schedule) as those of this crate do.
///
/// ```
/// use std::sync::Arc;
/// use taper_optimizer::{Schedule, ScheduleKind};
///
/// /// A cosine that starts anew `cycles` times (Loshchilov and Hutter 2016).
/// #[derive(Debug)]
/// struct Restarts {
///     cycles: u64,
/// }
///
/// impl ScheduleKind for Restarts {
///     fn scale(&self, step: u64, total: u64) -> f64 {
///         let share = (step * self.cycles) as f64 / total as f64;
///         (1.0 + (std::f64::consts::PI * share.fract()).cos()) / 2.0
///     }
/// }
///
/// let schedule = Schedule::of(Restarts { cycles: 2 });
/// assert_eq!(schedule.learning_rate(0.1, 50, 100), 0.1);
/// assert!((schedule.learning_rate(0.1, 75, 100) - 0.05).abs() < 1e-12);
/// ```
pub trait ScheduleKind: Debug + Send + Sync {
    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// The first outside its range. By default none.
    fn validate(&self) -> Result<(), OptimizerError> {
        Ok(())
    }

    /// The rate at a step, from 0 to `total`, as a part of the base rate: 0 or more.
    fn scale(&self, step: u64, total: u64) -> f64;

    /// The momentum at a step, from 0 to below 1, for a schedule that cycles it. By default `None`: the rule's own.
    fn momentum(&self, step: u64, total: u64) -> Option<f64> {
        let _ = (step, total);
        None
    }
}

/// `base`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConstantRate {}

impl ScheduleKind for ConstantRate {
    fn scale(&self, _: u64, _: u64) -> f64 {
        1.0
    }
}

/// `base * (1 - (1 - final_scale) * step / n)` (PyTorch's `LinearLR` from factor 1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LinearDecay {
    /// The part of the base rate that is left at the end, 0 or more. Default 0.
    pub final_scale: f64,
}

impl ScheduleKind for LinearDecay {
    fn validate(&self) -> Result<(), OptimizerError> {
        Check("linear schedule").non_negative("final_scale", self.final_scale)
    }

    fn scale(&self, step: u64, steps: u64) -> f64 {
        lerp(1.0, self.final_scale, step as f64 / steps as f64)
    }
}

/// `base * factor ^ floor(step / every)` (PyTorch's `StepLR`).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepDecay {
    /// Steps between two changes, 1 or more.
    pub every: u64,
    /// What each change multiplies the rate with, above 0.
    pub factor: f64,
}

impl ScheduleKind for StepDecay {
    fn validate(&self) -> Result<(), OptimizerError> {
        Check("step schedule").at_least_one("every", self.every)?;
        Check("step schedule").positive("factor", self.factor)
    }

    fn scale(&self, step: u64, _: u64) -> f64 {
        self.factor.powf((step / self.every.max(1)) as f64)
    }
}

/// `base * factor ^ (step / every)` (PyTorch's `ExponentialLR` has `every` 1).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExponentialDecay {
    /// Steps after which the rate has changed by `factor`, 1 or more. Default 1.
    #[serde(default = "one_step")]
    pub every: u64,
    /// What the rate is multiplied with after that many steps, above 0.
    pub factor: f64,
}

fn one_step() -> u64 {
    1
}

impl ScheduleKind for ExponentialDecay {
    fn validate(&self) -> Result<(), OptimizerError> {
        Check("exponential schedule").at_least_one("every", self.every)?;
        Check("exponential schedule").positive("factor", self.factor)
    }

    fn scale(&self, step: u64, _: u64) -> f64 {
        self.factor.powf(step as f64 / self.every.max(1) as f64)
    }
}

/// `base * (f + (1 - f) * (1 + cos(pi * step / n)) / 2)`, `f` being `final_scale` (PyTorch's
/// `CosineAnnealingLR`; Loshchilov and Hutter 2016, <https://arxiv.org/abs/1608.03983>).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CosineDecay {
    /// The part of the base rate that is left at the end, 0 or more. Default 0.
    pub final_scale: f64,
}

impl ScheduleKind for CosineDecay {
    fn validate(&self) -> Result<(), OptimizerError> {
        Check("cosine schedule").non_negative("final_scale", self.final_scale)
    }

    fn scale(&self, step: u64, steps: u64) -> f64 {
        cosine(1.0, self.final_scale, step as f64 / steps as f64)
    }
}

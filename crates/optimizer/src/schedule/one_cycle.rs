//! The one-cycle policy.

use serde::{Deserialize, Serialize};

use super::curves::{cosine, lerp};
use super::kind::ScheduleKind;
use crate::check::Check;
use crate::error::OptimizerError;

/// The one-cycle policy (Smith and Topin 2017, <https://arxiv.org/abs/1708.07120>), as PyTorch's
/// `OneCycleLR` has it, the base rate being its `max_lr`.
///
/// The rate goes from `base / start_divisor` up to `base` by step `rise * n - 1`, then down to
/// `base / start_divisor / final_divisor` by step `n - 1`. With `three_phases` it comes back to
/// where it started by step `2 * rise * n - 2` and sinks to the end from there. A momentum that is
/// cycled goes the other way.
///
/// Where `rise * n` is 1 PyTorch divides by zero; here step 0 has the base rate.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OneCycle {
    /// The part of the steps in which the rate rises, from 0 to 1 (0.5 with `three_phases`).
    /// Default 0.3.
    pub rise: f64,
    /// The base rate over the rate at the start, above 0. Default 25.
    pub start_divisor: f64,
    /// The rate at the start over the rate at the end, above 0. Default 10,000.
    pub final_divisor: f64,
    /// The curve between two rates. Default cosine.
    pub anneal: Anneal,
    /// Sink to the end only after a whole, symmetric cycle. Default false.
    pub three_phases: bool,
    /// Cycle the momentum, for a rule that has one. Default `None`; PyTorch cycles it.
    pub momentum: Option<MomentumCycle>,
}

/// The curve between two rates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Anneal {
    /// Half a cosine.
    #[default]
    Cosine,
    /// A line.
    Linear,
}

/// Between which values the momentum is cycled.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MomentumCycle {
    /// The momentum where the rate is highest, from 0 to below 1. Default 0.85.
    pub low: f64,
    /// The momentum at the start and the end, from 0 to below 1. Default 0.95.
    pub high: f64,
}

/// PyTorch's: between 0.85 and 0.95.
impl Default for MomentumCycle {
    fn default() -> Self {
        MomentumCycle { low: 0.85, high: 0.95 }
    }
}

/// PyTorch's, without cycling the momentum.
impl Default for OneCycle {
    fn default() -> Self {
        Self::pytorch()
    }
}

impl OneCycle {
    /// `OneCycleLR`'s defaults, without cycling the momentum.
    pub const fn pytorch() -> Self {
        OneCycle {
            rise: 0.3,
            start_divisor: 25.0,
            final_divisor: 1e4,
            anneal: Anneal::Cosine,
            three_phases: false,
            momentum: None,
        }
    }
}

impl ScheduleKind for OneCycle {
    fn validate(&self) -> Result<(), OptimizerError> {
        let check = Check("one-cycle schedule");
        check.unit("rise", self.rise)?;
        if self.three_phases && self.rise > 0.5 {
            return Err(OptimizerError::Hyperparameter {
                owner: "one-cycle schedule".into(),
                field: "rise",
                value: self.rise,
                expected: "a number from 0 to 0.5 with three_phases",
            });
        }
        check.positive("start_divisor", self.start_divisor)?;
        check.positive("final_divisor", self.final_divisor)?;
        let momentum = self.momentum.unwrap_or_default();
        check.fraction("momentum.low", momentum.low)?;
        check.fraction("momentum.high", momentum.high)
    }

    fn scale(&self, step: u64, steps: u64) -> f64 {
        let start = 1.0 / self.start_divisor;
        let end = start / self.final_divisor;
        if self.three_phases {
            self.at(step, steps, &[start, 1.0, start, end])
        } else {
            self.at(step, steps, &[start, 1.0, end])
        }
    }

    fn momentum(&self, step: u64, steps: u64) -> Option<f64> {
        self.momentum.map(|MomentumCycle { low, high }| {
            let corners: &[f64] =
                if self.three_phases { &[high, low, high, high] } else { &[high, low, high] };
            self.at(step, steps, corners)
        })
    }
}

impl OneCycle {
    /// The value at a step, from corner to corner.
    fn at(&self, step: u64, steps: u64, corners: &[f64]) -> f64 {
        let (step, last) = (step as f64, steps as f64 - 1.0);
        let step = step.min(last);
        let rise = self.rise * steps as f64 - 1.0;
        let ends: &[f64] =
            if self.three_phases { &[rise, 2.0 * rise, last] } else { &[rise, last] };
        let mut start = 0.0;
        for (i, &end) in ends.iter().enumerate() {
            if step <= end || i + 1 == ends.len() {
                // A phase without length is at its end.
                let share = if end > start { (step - start) / (end - start) } else { 1.0 };
                return match self.anneal {
                    Anneal::Cosine => cosine(corners[i], corners[i + 1], share),
                    Anneal::Linear => lerp(corners[i], corners[i + 1], share),
                };
            }
            start = end;
        }
        corners[corners.len() - 1]
    }
}

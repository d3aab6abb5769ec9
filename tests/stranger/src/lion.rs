//! An optimizer: Lion.

use serde::{Deserialize, Serialize};
use taper_cli::taper_runner::taper_optimizer::{Chunk, Real, Rule, Slot, StepContext};

/// Lion (Chen et al. 2023, <https://arxiv.org/abs/2302.06675>): the sign of a mean gradient.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Lion {
    /// Default 1e-4.
    pub learning_rate: f64,
    /// How much of the mean stands beside the new gradient. Default 0.9.
    pub beta1: f64,
    /// How much of the mean is kept. Default 0.99.
    pub beta2: f64,
    /// Decoupled. Default 0.
    pub weight_decay: f64,
}

impl Default for Lion {
    fn default() -> Self {
        Self { learning_rate: 1e-4, beta1: 0.9, beta2: 0.99, weight_decay: 0.0 }
    }
}

impl Rule for Lion {
    fn name(&self) -> &'static str {
        "lion"
    }

    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    fn weight_decay(&self) -> f64 {
        self.weight_decay
    }

    fn slots(&self) -> Vec<Slot> {
        vec![Slot::zero("exp_avg")]
    }

    fn update<T: Real>(&self, step: &StepContext, chunk: Chunk<'_, T>) {
        let (rate, beta1, beta2) =
            (T::of(step.learning_rate), T::of(self.beta1), T::of(self.beta2));
        let (new1, new2) = (T::of(1.0 - self.beta1), T::of(1.0 - self.beta2));
        let keep = T::of(1.0 - step.learning_rate * step.weight_decay);
        chunk.each(|p, g, [mean]| {
            *p = *p * keep - rate * (beta1 * *mean + new1 * g).sign();
            *mean = beta2 * *mean + new2 * g;
        });
    }
}

//! AdamW.

use serde::{Deserialize, Serialize};

use super::adam::{Adam, AdamEpsilon};
use super::forms::Decay;
use crate::error::OptimizerError;
use crate::real::Real;
use crate::rule::{Chunk, Rule, Slot, StepContext};

/// AdamW: [`Adam`] with decoupled weight decay (Loshchilov and Hutter 2017,
/// <https://arxiv.org/abs/1711.05101>).
///
/// ```text
/// p = p * (1 - learning_rate * weight_decay), then Adam's step
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdamW {
    /// The learning rate. Default 0.001.
    pub learning_rate: f64,
    /// How much of the mean gradient is kept, from 0 to below 1. Default 0.9.
    pub beta1: f64,
    /// How much of the mean square is kept, from 0 to below 1. Default 0.999.
    pub beta2: f64,
    /// Keeps the denominator from zero, above 0; PyTorch 1e-8, Keras 1e-7.
    pub epsilon: f64,
    /// Where epsilon stands; PyTorch after the correction, Keras before.
    pub epsilon_place: AdamEpsilon,
    /// Divide by the largest mean square so far. Default false.
    pub amsgrad: bool,
    /// The decay, 0 or more; PyTorch 0.01, Keras 0.004.
    pub weight_decay: f64,
}

impl AdamW {
    /// `torch.optim.AdamW`'s defaults and form.
    pub const fn pytorch() -> Self {
        AdamW {
            learning_rate: 1e-3,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            epsilon_place: AdamEpsilon::AfterCorrection,
            amsgrad: false,
            weight_decay: 0.01,
        }
    }

    /// `keras.optimizers.AdamW`'s defaults and form.
    pub const fn keras() -> Self {
        AdamW {
            epsilon: 1e-7,
            epsilon_place: AdamEpsilon::BeforeCorrection,
            weight_decay: 0.004,
            ..Self::pytorch()
        }
    }

    fn adam(&self) -> Adam {
        let AdamW { learning_rate, beta1, beta2, epsilon, epsilon_place, amsgrad, weight_decay } =
            *self;
        let decay = Decay::Decoupled;
        Adam { learning_rate, beta1, beta2, epsilon, epsilon_place, amsgrad, weight_decay, decay }
    }
}

impl Rule for AdamW {
    fn name(&self) -> &'static str {
        "adamw"
    }

    fn validate(&self) -> Result<(), OptimizerError> {
        self.adam().validate_as(self.name())
    }

    rate_and_decay!();

    fn has_momentum(&self) -> bool {
        true
    }

    fn slots(&self) -> Vec<Slot> {
        self.adam().slots()
    }

    fn update<T: Real>(&self, context: &StepContext, chunk: Chunk<'_, T>) {
        self.adam().update(context, chunk);
    }
}

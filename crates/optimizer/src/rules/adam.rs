//! Adam, and the arithmetic that AdamW shares.

use serde::{Deserialize, Serialize};

use super::forms::Decay;
use crate::check::Check;
use crate::error::OptimizerError;
use crate::real::Real;
use crate::rule::{Chunk, Rule, Slot, StepContext};

/// Adam (Kingma and Ba 2014, <https://arxiv.org/abs/1412.6980>), with AMSGrad at choice (Reddi et
/// al. 2018, <https://arxiv.org/abs/1904.09237>).
///
/// ```text
/// m = beta1 * m + (1 - beta1) * g,   c1 = 1 - beta1^step
/// v = beta2 * v + (1 - beta2) * g^2, c2 = 1 - beta2^step
/// p = p - learning_rate * (m / c1) / (sqrt(v / c2) + epsilon)
/// ```
///
/// AMSGrad takes the largest `v` so far in place of `v`. Keras adds epsilon before the correction
/// of `v`, see [`AdamEpsilon`], and its weight decay is decoupled, so that Keras's Adam with
/// weight decay is AdamW.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Adam {
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
    /// The decay, 0 or more. Default 0.
    pub weight_decay: f64,
    /// How it enters; PyTorch L2, Keras decoupled.
    pub decay: Decay,
}

/// Where Adam's epsilon stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AdamEpsilon {
    /// `sqrt(v / c2) + epsilon` (the paper's algorithm 1; PyTorch).
    #[default]
    AfterCorrection,
    /// `sqrt(v) + epsilon`, with the rate times `sqrt(c2)` (the end of the paper's section 2, which
    /// calls it "epsilon hat"; Keras). In early steps it acts like a larger epsilon.
    BeforeCorrection,
}

impl Adam {
    /// `torch.optim.Adam`'s defaults and form.
    pub const fn pytorch() -> Self {
        Adam {
            learning_rate: 1e-3,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            epsilon_place: AdamEpsilon::AfterCorrection,
            amsgrad: false,
            weight_decay: 0.0,
            decay: Decay::L2,
        }
    }

    /// `keras.optimizers.Adam`'s defaults and form.
    pub const fn keras() -> Self {
        Adam {
            epsilon: 1e-7,
            epsilon_place: AdamEpsilon::BeforeCorrection,
            decay: Decay::Decoupled,
            ..Self::pytorch()
        }
    }

    pub(super) fn validate_as(&self, name: &str) -> Result<(), OptimizerError> {
        let check = Check(name);
        check.non_negative("learning_rate", self.learning_rate)?;
        check.fraction("beta1", self.beta1)?;
        check.fraction("beta2", self.beta2)?;
        check.positive("epsilon", self.epsilon)?;
        check.non_negative("weight_decay", self.weight_decay)
    }
}

impl Rule for Adam {
    fn name(&self) -> &'static str {
        "adam"
    }

    fn validate(&self) -> Result<(), OptimizerError> {
        self.validate_as(self.name())
    }

    rate_and_decay!();

    fn has_momentum(&self) -> bool {
        true
    }

    fn slots(&self) -> Vec<Slot> {
        let mut slots = vec![Slot::zero("exp_avg"), Slot::zero("exp_avg_sq")];
        if self.amsgrad {
            slots.push(Slot::zero("max_exp_avg_sq"));
        }
        slots
    }

    fn update<T: Real>(&self, context: &StepContext, chunk: Chunk<'_, T>) {
        let (l2, keep) = self.decay.factors::<T>(context);
        let beta1 = context.momentum.unwrap_or(self.beta1);
        let (new1, new2) = (T::of(1.0 - beta1), T::of(1.0 - self.beta2));
        let beta2 = T::of(self.beta2);
        // A step count beyond f64's whole numbers has long since left a correction of 1.
        let step = context.step as f64;
        let correction1 = 1.0 - beta1.powf(step);
        let correction2 = (1.0 - self.beta2.powf(step)).sqrt();
        let rate = context.learning_rate;
        let (rate, scale) = match self.epsilon_place {
            AdamEpsilon::AfterCorrection => (rate / correction1, 1.0 / correction2),
            AdamEpsilon::BeforeCorrection => (rate * correction2 / correction1, 1.0),
        };
        let (rate, scale, epsilon) = (T::of(rate), T::of(scale), T::of(self.epsilon));

        let average = |m: &mut T, v: &mut T, g: T| {
            *m = *m + new1 * (g - *m);
            *v = beta2 * *v + new2 * (g * g);
        };
        let apply = |p: &mut T, m: T, v: T| {
            *p = *p * keep - rate * (m / (v.sqrt() * scale + epsilon));
        };
        if self.amsgrad {
            chunk.each(|p, g, [m, v, largest]| {
                average(m, v, g + l2 * *p);
                *largest = largest.max(*v);
                apply(p, *m, *largest);
            });
        } else {
            chunk.each(|p, g, [m, v]| {
                average(m, v, g + l2 * *p);
                apply(p, *m, *v);
            });
        }
    }
}

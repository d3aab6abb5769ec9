//! Adagrad.

use serde::{Deserialize, Serialize};

use super::forms::{Decay, EpsilonPlace};
use crate::check::Check;
use crate::error::OptimizerError;
use crate::real::Real;
use crate::rule::{Chunk, Rule, Slot, StepContext};

/// Adagrad (Duchi et al. 2011, <https://jmlr.org/papers/v12/duchi11a.html>).
///
/// ```text
/// sum = sum + g^2
/// p   = p - learning_rate / (1 + (step - 1) * learning_rate_decay) * g / (sqrt(sum) + epsilon)
/// ```
///
/// PyTorch starts `sum` from 0 and adds epsilon outside the root; Keras starts it from 0.1 and
/// adds epsilon inside. They also differ in the [`Decay`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Adagrad {
    /// The learning rate; PyTorch 0.01, Keras 0.001.
    pub learning_rate: f64,
    /// How fast the rate falls with the steps, 0 or more. Default 0; Keras has none.
    pub learning_rate_decay: f64,
    /// What the sum of squares starts from, 0 or more; PyTorch 0, Keras 0.1.
    pub initial_accumulator: f64,
    /// Keeps the denominator from zero, above 0; PyTorch 1e-10, Keras 1e-7.
    pub epsilon: f64,
    /// Where epsilon stands; PyTorch outside the root, Keras inside.
    pub epsilon_place: EpsilonPlace,
    /// The decay, 0 or more. Default 0.
    pub weight_decay: f64,
    /// How it enters; PyTorch L2, Keras decoupled.
    pub decay: Decay,
}

impl Adagrad {
    /// `torch.optim.Adagrad`'s defaults and form.
    pub const fn pytorch() -> Self {
        Adagrad {
            learning_rate: 1e-2,
            learning_rate_decay: 0.0,
            initial_accumulator: 0.0,
            epsilon: 1e-10,
            epsilon_place: EpsilonPlace::OutsideRoot,
            weight_decay: 0.0,
            decay: Decay::L2,
        }
    }

    /// `keras.optimizers.Adagrad`'s defaults and form.
    pub const fn keras() -> Self {
        Adagrad {
            learning_rate: 1e-3,
            learning_rate_decay: 0.0,
            initial_accumulator: 0.1,
            epsilon: 1e-7,
            epsilon_place: EpsilonPlace::InsideRoot,
            weight_decay: 0.0,
            decay: Decay::Decoupled,
        }
    }
}

impl Rule for Adagrad {
    fn name(&self) -> &'static str {
        "adagrad"
    }

    fn validate(&self) -> Result<(), OptimizerError> {
        let check = Check(self.name());
        check.non_negative("learning_rate", self.learning_rate)?;
        check.non_negative("learning_rate_decay", self.learning_rate_decay)?;
        check.non_negative("initial_accumulator", self.initial_accumulator)?;
        check.positive("epsilon", self.epsilon)?;
        check.non_negative("weight_decay", self.weight_decay)
    }

    rate_and_decay!();

    fn slots(&self) -> Vec<Slot> {
        vec![Slot { name: "sum", initial: self.initial_accumulator }]
    }

    fn update<T: Real>(&self, context: &StepContext, chunk: Chunk<'_, T>) {
        let (l2, keep) = self.decay.factors::<T>(context);
        let (inside, outside) = self.epsilon_place.split::<T>(self.epsilon);
        let slowing = 1.0 + (context.step.saturating_sub(1)) as f64 * self.learning_rate_decay;
        let rate = T::of(context.learning_rate / slowing);
        chunk.each(|p, g, [sum]| {
            let g = g + l2 * *p;
            *sum = *sum + g * g;
            *p = *p * keep - rate * (g / ((*sum + inside).sqrt() + outside));
        });
    }
}

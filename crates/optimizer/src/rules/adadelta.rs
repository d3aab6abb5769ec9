//! Adadelta.

use serde::{Deserialize, Serialize};

use super::forms::Decay;
use crate::check::Check;
use crate::error::OptimizerError;
use crate::real::Real;
use crate::rule::{Chunk, Rule, Slot, StepContext};

/// Adadelta (Zeiler 2012, <https://arxiv.org/abs/1212.5701>).
///
/// ```text
/// square_avg = rho * square_avg + (1 - rho) * g^2
/// delta      = sqrt(acc_delta + epsilon) / sqrt(square_avg + epsilon) * g
/// acc_delta  = rho * acc_delta + (1 - rho) * delta^2
/// p          = p - learning_rate * delta
/// ```
///
/// PyTorch and Keras agree on the formula and differ in every default, and in the [`Decay`]:
///
/// | | learning_rate | rho | epsilon |
/// | --- | --- | --- | --- |
/// | [`pytorch`](Self::pytorch) | 1.0 | 0.9 | 1e-6 |
/// | [`keras`](Self::keras) | 0.001 | 0.95 | 1e-7 |
/// | [`keras_reference`](Self::keras_reference) | 1.0 | 0.95 | 1e-7 |
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Adadelta {
    /// The learning rate; 1 is the paper's method.
    pub learning_rate: f64,
    /// How much of the running averages is kept, from 0 to below 1.
    pub rho: f64,
    /// Added to both averages inside the root, above 0 (it starts the first step).
    pub epsilon: f64,
    /// The decay, 0 or more. Default 0.
    pub weight_decay: f64,
    /// How it enters; PyTorch L2, Keras decoupled.
    pub decay: Decay,
}

impl Adadelta {
    /// `torch.optim.Adadelta`'s defaults.
    pub const fn pytorch() -> Self {
        Adadelta {
            learning_rate: 1.0,
            rho: 0.9,
            epsilon: 1e-6,
            weight_decay: 0.0,
            decay: Decay::L2,
        }
    }

    /// `keras.optimizers.Adadelta`'s defaults.
    ///
    /// The learning rate is small: the Keras MNIST example trained with it stops near 84 %.
    pub const fn keras() -> Self {
        Adadelta {
            learning_rate: 1e-3,
            rho: 0.95,
            epsilon: 1e-7,
            weight_decay: 0.0,
            decay: Decay::Decoupled,
        }
    }

    /// Keras's defaults of the day when its MNIST example was published: [`keras`](Self::keras)
    /// with a learning rate of 1.
    pub const fn keras_reference() -> Self {
        Adadelta { learning_rate: 1.0, ..Self::keras() }
    }
}

impl Rule for Adadelta {
    fn name(&self) -> &'static str {
        "adadelta"
    }

    fn validate(&self) -> Result<(), OptimizerError> {
        let check = Check(self.name());
        check.non_negative("learning_rate", self.learning_rate)?;
        check.fraction("rho", self.rho)?;
        check.positive("epsilon", self.epsilon)?;
        check.non_negative("weight_decay", self.weight_decay)
    }

    rate_and_decay!();

    fn slots(&self) -> Vec<Slot> {
        vec![Slot::zero("square_avg"), Slot::zero("acc_delta")]
    }

    fn update<T: Real>(&self, context: &StepContext, chunk: Chunk<'_, T>) {
        let (l2, keep) = self.decay.factors::<T>(context);
        let rate = T::of(context.learning_rate);
        let (rho, new) = (T::of(self.rho), T::of(1.0 - self.rho));
        let epsilon = T::of(self.epsilon);
        chunk.each(|p, g, [square, acc]| {
            let g = g + l2 * *p;
            *square = rho * *square + new * (g * g);
            // One root of the quotient in place of a quotient of two roots.
            let delta = ((*acc + epsilon) / (*square + epsilon)).sqrt() * g;
            *acc = rho * *acc + new * (delta * delta);
            *p = *p * keep - rate * delta;
        });
    }
}

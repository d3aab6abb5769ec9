//! RMSprop.

use serde::{Deserialize, Serialize};

use super::forms::{Decay, EpsilonPlace, MomentumForm};
use crate::check::Check;
use crate::error::OptimizerError;
use crate::real::Real;
use crate::rule::{Chunk, Rule, Slot, StepContext};

/// RMSprop (Hinton, lecture 6 of "Neural networks for machine learning", 2012), plain or centered
/// (Graves 2013, <https://arxiv.org/abs/1308.0850>), with or without momentum.
///
/// ```text
/// square_avg = rho * square_avg + (1 - rho) * g^2
/// grad_avg   = rho * grad_avg + (1 - rho) * g                  (centered)
/// v          = square_avg - grad_avg^2 (centered), or square_avg
/// d          = g / (sqrt(v) + epsilon)
/// b          = momentum * b + d                                (with momentum)
/// p          = p - learning_rate * b, or * d
/// ```
///
/// PyTorch calls rho `alpha`, adds epsilon outside the root and gathers gradients in the momentum
/// buffer; Keras adds it inside and gathers updates. They also differ in the [`Decay`]. Where
/// rounding makes the centered `v` negative it counts as 0 here; in both of them it is NaN.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RmsProp {
    /// The learning rate; PyTorch 0.01, Keras 0.001.
    pub learning_rate: f64,
    /// How much of the running averages is kept, from 0 to below 1; PyTorch 0.99, Keras 0.9.
    pub rho: f64,
    /// Keeps the denominator from zero, above 0; PyTorch 1e-8, Keras 1e-7.
    pub epsilon: f64,
    /// Where epsilon stands; PyTorch outside the root, Keras inside.
    pub epsilon_place: EpsilonPlace,
    /// Divide by the variance in place of the second moment. Default false.
    pub centered: bool,
    /// How much of the buffer is kept, from 0 to below 1; 0 keeps no buffer. Default 0.
    pub momentum: f64,
    /// What the buffer gathers; PyTorch gradients, Keras updates.
    pub momentum_form: MomentumForm,
    /// The decay, 0 or more. Default 0.
    pub weight_decay: f64,
    /// How it enters; PyTorch L2, Keras decoupled.
    pub decay: Decay,
}

impl RmsProp {
    /// `torch.optim.RMSprop`'s defaults and form.
    pub const fn pytorch() -> Self {
        RmsProp {
            learning_rate: 1e-2,
            rho: 0.99,
            epsilon: 1e-8,
            epsilon_place: EpsilonPlace::OutsideRoot,
            centered: false,
            momentum: 0.0,
            momentum_form: MomentumForm::Gradient,
            weight_decay: 0.0,
            decay: Decay::L2,
        }
    }

    /// `keras.optimizers.RMSprop`'s defaults and form.
    pub const fn keras() -> Self {
        RmsProp {
            learning_rate: 1e-3,
            rho: 0.9,
            epsilon: 1e-7,
            epsilon_place: EpsilonPlace::InsideRoot,
            centered: false,
            momentum: 0.0,
            momentum_form: MomentumForm::Update,
            weight_decay: 0.0,
            decay: Decay::Decoupled,
        }
    }
}

impl Rule for RmsProp {
    fn name(&self) -> &'static str {
        "rmsprop"
    }

    fn validate(&self) -> Result<(), OptimizerError> {
        let check = Check(self.name());
        check.non_negative("learning_rate", self.learning_rate)?;
        check.fraction("rho", self.rho)?;
        check.positive("epsilon", self.epsilon)?;
        check.fraction("momentum", self.momentum)?;
        check.non_negative("weight_decay", self.weight_decay)
    }

    rate_and_decay!();

    fn has_momentum(&self) -> bool {
        self.momentum > 0.0
    }

    fn slots(&self) -> Vec<Slot> {
        let mut slots = vec![Slot::zero("square_avg")];
        if self.centered {
            slots.push(Slot::zero("grad_avg"));
        }
        if self.has_momentum() {
            slots.push(Slot::zero("momentum_buffer"));
        }
        slots
    }

    fn update<T: Real>(&self, context: &StepContext, chunk: Chunk<'_, T>) {
        let (l2, keep) = self.decay.factors::<T>(context);
        let (rho, new) = (T::of(self.rho), T::of(1.0 - self.rho));
        let (inside, outside) = self.epsilon_place.split::<T>(self.epsilon);
        let rate = T::of(context.learning_rate);
        let momentum = T::of(context.momentum.unwrap_or(self.momentum));
        let (into, out) = self.momentum_form.rates::<T>(context.learning_rate);

        let average = |average: &mut T, value: T| {
            *average = rho * *average + new * value;
            *average
        };
        let variance = |square: &mut T, mean: &mut T, g: T| {
            let mean = average(mean, g);
            (average(square, g * g) - mean * mean).max(T::of(0.0))
        };
        let quotient = |g: T, v: T| g / ((v + inside).sqrt() + outside);
        let plain = |p: &mut T, d: T| *p = *p * keep - rate * d;
        let buffered = |p: &mut T, b: &mut T, d: T| {
            *b = momentum * *b + into * d;
            *p = *p * keep - out * *b;
        };
        match (self.centered, self.has_momentum()) {
            (false, false) => chunk.each(|p, g, [square]| {
                let g = g + l2 * *p;
                plain(p, quotient(g, average(square, g * g)));
            }),
            (true, false) => chunk.each(|p, g, [square, mean]| {
                let g = g + l2 * *p;
                plain(p, quotient(g, variance(square, mean, g)));
            }),
            (false, true) => chunk.each(|p, g, [square, b]| {
                let g = g + l2 * *p;
                buffered(p, b, quotient(g, average(square, g * g)));
            }),
            (true, true) => chunk.each(|p, g, [square, mean, b]| {
                let g = g + l2 * *p;
                buffered(p, b, quotient(g, variance(square, mean, g)));
            }),
        }
    }
}

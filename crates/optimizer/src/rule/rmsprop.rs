//! RMSprop.

use super::{Check, Decay, EpsilonPlace, MomentumForm, Piece, Rule, Slot, Update};
use crate::{OptimizerError, Real, Symbol};
use serde::{Deserialize, Serialize};

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

    fn update<T: Real>(&self, update: &Update, piece: Piece<'_, T>) {
        let (l2, keep) = self.decay.factors::<T>(update);
        let (rho, new) = (T::of(self.rho), T::of(1.0 - self.rho));
        let (inside, outside) = self.epsilon_place.split::<T>(self.epsilon);
        let rate = T::of(update.learning_rate);
        let momentum = T::of(update.momentum.unwrap_or(self.momentum));
        let (into, out) = self.momentum_form.rates::<T>(update.learning_rate);

        let average = |average: &mut T, value: T| {
            *average = rho * *average + new * value;
            *average
        };
        let variance = |square: &mut T, mean: &mut T, g: T| {
            let mean = average(mean, g);
            (average(square, g * g) - mean * mean).larger(T::of(0.0))
        };
        let quotient = |g: T, v: T| g / ((v + inside).sqrt() + outside);

        match (self.centered, self.has_momentum()) {
            (false, false) => {
                let (p, g, [square]) = piece.parts();
                for ((p, &g), square) in p.iter_mut().zip(g).zip(square) {
                    let g = g + l2 * *p;
                    *p = *p * keep - rate * quotient(g, average(square, g * g));
                }
            }
            (true, false) => {
                let (p, g, [square, mean]) = piece.parts();
                for ((p, &g), (square, mean)) in
                    p.iter_mut().zip(g).zip(square.iter_mut().zip(mean))
                {
                    let g = g + l2 * *p;
                    *p = *p * keep - rate * quotient(g, variance(square, mean, g));
                }
            }
            (false, true) => {
                let (p, g, [square, buffer]) = piece.parts();
                for ((p, &g), (square, b)) in p.iter_mut().zip(g).zip(square.iter_mut().zip(buffer))
                {
                    let g = g + l2 * *p;
                    *b = momentum * *b + into * quotient(g, average(square, g * g));
                    *p = *p * keep - out * *b;
                }
            }
            (true, true) => {
                let (p, g, [square, mean, buffer]) = piece.parts();
                for ((p, &g), ((square, mean), b)) in
                    p.iter_mut().zip(g).zip(square.iter_mut().zip(mean).zip(buffer))
                {
                    let g = g + l2 * *p;
                    *b = momentum * *b + into * quotient(g, variance(square, mean, g));
                    *p = *p * keep - out * *b;
                }
            }
        }
    }
}

/// PyTorch's.
impl Default for RmsProp {
    fn default() -> Self {
        Self::pytorch()
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

    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    fn weight_decay(&self) -> f64 {
        self.weight_decay
    }

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

    fn update_f32(&self, update: &Update, piece: Piece<'_, f32>) {
        self.update(update, piece);
    }

    fn update_f64(&self, update: &Update, piece: Piece<'_, f64>) {
        self.update(update, piece);
    }

    fn formula(&self, update: &Update, piece: Piece<'_, Symbol>) -> bool {
        self.update(update, piece);
        true
    }
}

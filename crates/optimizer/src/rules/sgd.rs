//! Stochastic gradient descent.

use serde::{Deserialize, Serialize};

use super::forms::{Decay, MomentumForm};
use crate::check::Check;
use crate::error::OptimizerError;
use crate::real::Real;
use crate::rule::{Chunk, Rule, Slot, StepContext};

/// Stochastic gradient descent, with momentum, dampening and Nesterov's form.
///
/// With `g` the gradient (plus `weight_decay * p` under [`Decay::L2`]):
///
/// ```text
/// b = momentum * b + (1 - dampening) * g     (b = g at the first update)
/// d = g + momentum * b  with nesterov,  b  without,  g  where momentum is 0
/// p = p - learning_rate * d
/// ```
///
/// Nesterov's form is that of Sutskever et al. 2013
/// (<https://proceedings.mlr.press/v28/sutskever13.html>), as both PyTorch and Keras have it; they
/// differ in the [`MomentumForm`] and in the [`Decay`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sgd {
    /// The learning rate; PyTorch 0.001, Keras 0.01.
    pub learning_rate: f64,
    /// How much of the buffer is kept, from 0 to below 1; 0 keeps no buffer. Default 0.
    pub momentum: f64,
    /// How much of a new gradient is held back from the buffer, from 0 to 1. Default 0.
    pub dampening: f64,
    /// Look ahead; needs momentum, and no dampening. Default false.
    pub nesterov: bool,
    /// What the buffer gathers; PyTorch gradients, Keras updates.
    pub momentum_form: MomentumForm,
    /// The decay, 0 or more. Default 0.
    pub weight_decay: f64,
    /// How it enters; PyTorch L2, Keras decoupled.
    pub decay: Decay,
}

impl Sgd {
    /// `torch.optim.SGD`'s defaults and form.
    pub const fn pytorch() -> Self {
        Sgd {
            learning_rate: 1e-3,
            momentum: 0.0,
            dampening: 0.0,
            nesterov: false,
            momentum_form: MomentumForm::Gradient,
            weight_decay: 0.0,
            decay: Decay::L2,
        }
    }

    /// `keras.optimizers.SGD`'s defaults and form.
    pub const fn keras() -> Self {
        Sgd {
            learning_rate: 1e-2,
            momentum_form: MomentumForm::Update,
            decay: Decay::Decoupled,
            ..Self::pytorch()
        }
    }
}

impl Rule for Sgd {
    fn name(&self) -> &'static str {
        "sgd"
    }

    fn validate(&self) -> Result<(), OptimizerError> {
        let check = Check(self.name());
        check.non_negative("learning_rate", self.learning_rate)?;
        check.fraction("momentum", self.momentum)?;
        check.unit("dampening", self.dampening)?;
        check.non_negative("weight_decay", self.weight_decay)?;
        if self.nesterov && (self.momentum == 0.0 || self.dampening != 0.0) {
            let (momentum, dampening) = (self.momentum, self.dampening);
            return Err(OptimizerError::Nesterov { momentum, dampening });
        }
        Ok(())
    }

    rate_and_decay!();

    fn has_momentum(&self) -> bool {
        self.momentum > 0.0
    }

    fn slots(&self) -> Vec<Slot> {
        if self.has_momentum() { vec![Slot::zero("momentum_buffer")] } else { vec![] }
    }

    fn update<T: Real>(&self, context: &StepContext, chunk: Chunk<'_, T>) {
        let (l2, keep) = self.decay.factors::<T>(context);
        let rate = T::of(context.learning_rate);
        if !self.has_momentum() {
            return chunk.each(|p, g, []| *p = *p * keep - rate * (g + l2 * *p));
        }
        let momentum = T::of(context.momentum.unwrap_or(self.momentum));
        // The buffer starts from zero, so that an undampened first step makes it the gradient.
        let take = T::of(if context.step == 1 { 1.0 } else { 1.0 - self.dampening });
        let (into, out) = self.momentum_form.rates::<T>(context.learning_rate);
        if self.nesterov {
            chunk.each(|p, g, [b]| {
                let g = into * (g + l2 * *p);
                *b = momentum * *b + take * g;
                *p = *p * keep - out * (g + momentum * *b);
            });
        } else {
            chunk.each(|p, g, [b]| {
                *b = momentum * *b + take * into * (g + l2 * *p);
                *p = *p * keep - out * *b;
            });
        }
    }
}

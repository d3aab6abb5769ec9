//! In which form a rule has its decay, its momentum and its epsilon: where PyTorch and Keras differ.

use serde::{Deserialize, Serialize};

use crate::real::Real;
use crate::rule::StepContext;

/// How weight decay enters the update.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decay {
    /// As the gradient of a penalty: `g + weight_decay * p` (PyTorch, but for AdamW).
    #[default]
    L2,
    /// Beside the gradient: `p * (1 - learning_rate * weight_decay)` before the update
    /// (AdamW; every rule in Keras; Loshchilov and Hutter, <https://arxiv.org/abs/1711.05101>).
    Decoupled,
}

impl Decay {
    /// The two factors `(l2, keep)` of `g + l2 * p` and `keep * p`; one of them changes nothing.
    pub(super) fn factors<T: Real>(self, context: &StepContext) -> (T, T) {
        match self {
            Decay::L2 => (T::of(context.weight_decay), T::of(1.0)),
            Decay::Decoupled => {
                (T::of(0.0), T::of(1.0 - context.learning_rate * context.weight_decay))
            }
        }
    }
}

/// Whether a momentum buffer gathers gradients or updates.
///
/// The two agree while the learning rate stays the same. Under a schedule a change of rate acts at
/// once in the first form, and only on what comes new into the buffer in the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MomentumForm {
    /// `b = momentum * b + g; p -= learning_rate * b` (PyTorch).
    #[default]
    Gradient,
    /// `b = momentum * b + learning_rate * g; p -= b` (Keras).
    Update,
}

impl MomentumForm {
    /// The rate on the way into the buffer and the rate on the way out of it.
    pub(super) fn rates<T: Real>(self, learning_rate: f64) -> (T, T) {
        match self {
            MomentumForm::Gradient => (T::of(1.0), T::of(learning_rate)),
            MomentumForm::Update => (T::of(learning_rate), T::of(1.0)),
        }
    }
}

/// Where epsilon stands in a denominator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EpsilonPlace {
    /// `sqrt(v) + epsilon` (PyTorch).
    #[default]
    OutsideRoot,
    /// `sqrt(v + epsilon)` (Keras).
    InsideRoot,
}

impl EpsilonPlace {
    /// `(inside, outside)`, one of them zero: the denominator is `sqrt(v + inside) + outside`.
    pub(super) fn split<T: Real>(self, epsilon: f64) -> (T, T) {
        match self {
            EpsilonPlace::OutsideRoot => (T::of(0.0), T::of(epsilon)),
            EpsilonPlace::InsideRoot => (T::of(epsilon), T::of(0.0)),
        }
    }
}

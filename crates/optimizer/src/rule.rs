//! What a rule is, and the rules there are.
//!
//! A rule turns (parameter, gradient, state, rates, step) into new values of the parameter and
//! the state, element by element, in place. Each lives in its own file as a plain config struct
//! of public fields with named constructors; [`RuleConfig`] is the sum of them, for recipes.

mod adadelta;
mod adagrad;
mod adam;
mod adamw;
mod check;
mod config;
mod rmsprop;
mod sgd;

pub use adadelta::Adadelta;
pub use adagrad::Adagrad;
pub use adam::{Adam, AdamEpsilon};
pub use adamw::AdamW;
pub use config::RuleConfig;
pub use rmsprop::RmsProp;
pub use sgd::Sgd;

pub(crate) use check::Check;

use crate::{OptimizerError, Real, Symbol};
use serde::{Deserialize, Serialize};
use std::fmt::Debug;

/// An update rule.
///
/// A rule works element by element: the optimizer cuts a large parameter into pieces, which it
/// hands over in any order and on several threads. So the result depends on neither.
///
/// # Example
///
/// A rule of one's own: signSGD (Bernstein et al. 2018, <https://arxiv.org/abs/1802.04434>).
///
/// ```
/// use taper_optimizer::{OptimizerError, Piece, Rule, Slot, Update};
///
/// #[derive(Debug)]
/// struct SignSgd;
///
/// impl Rule for SignSgd {
///     fn name(&self) -> &'static str { "signsgd" }
///     fn validate(&self) -> Result<(), OptimizerError> { Ok(()) }
///     fn learning_rate(&self) -> f64 { 1e-3 }
///     fn weight_decay(&self) -> f64 { 0.0 }
///     fn slots(&self) -> Vec<Slot> { vec![] }
///     fn update_f32(&self, update: &Update, piece: Piece<'_, f32>) {
///         let rate = update.learning_rate as f32;
///         for (p, g) in piece.parameter.iter_mut().zip(piece.gradient) {
///             *p -= rate * g.signum();
///         }
///     }
///     fn update_f64(&self, update: &Update, piece: Piece<'_, f64>) {
///         for (p, g) in piece.parameter.iter_mut().zip(piece.gradient) {
///             *p -= update.learning_rate * g.signum();
///         }
///     }
/// }
///
/// let mut parameter = [1f32, 2.0];
/// let update = Update { learning_rate: 0.5, weight_decay: 0.0, momentum: None, step: 1 };
/// let piece = Piece { parameter: &mut parameter, gradient: &[3.0, -4.0], state: vec![] };
/// SignSgd.update_f32(&update, piece);
/// assert_eq!(parameter, [0.5, 2.5]);
/// ```
pub trait Rule: Debug + Send + Sync {
    /// The rule's name, lower case, as in a recipe.
    fn name(&self) -> &'static str;

    /// Checks the hyperparameters.
    ///
    /// # Errors
    ///
    /// The first hyperparameter outside its range.
    fn validate(&self) -> Result<(), OptimizerError>;

    /// The learning rate that a schedule starts from.
    fn learning_rate(&self) -> f64;

    /// The weight decay of a parameter whose group has none of its own.
    fn weight_decay(&self) -> f64;

    /// Whether [`Update::momentum`] means anything to this rule.
    fn has_momentum(&self) -> bool {
        false
    }

    /// The state kept for each element, in the order of [`Piece::state`].
    fn slots(&self) -> Vec<Slot>;

    /// Updates a piece of an `f32` parameter and its state in place.
    fn update_f32(&self, update: &Update, piece: Piece<'_, f32>);

    /// Updates a piece of an `f64` parameter and its state in place.
    fn update_f64(&self, update: &Update, piece: Piece<'_, f64>);

    /// The same over a piece of one symbol, for parameters on a GPU: what the rule does to it is then done to whole
    /// tensors. Gives whether it did; a rule that does not is carried out on the host, which is slow.
    fn formula(&self, update: &Update, piece: Piece<'_, Symbol>) -> bool {
        let _ = (update, piece);
        false
    }
}

/// One kind of state that a rule keeps, a value for each element of a parameter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Slot {
    /// Its name, as in PyTorch's `state_dict`: `square_avg`.
    pub name: &'static str,
    /// The value before the first update.
    pub initial: f64,
}

impl Slot {
    /// A slot that starts from zero.
    pub const fn zero(name: &'static str) -> Self {
        Slot { name, initial: 0.0 }
    }
}

/// What one update of one parameter needs to know beside its values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Update {
    /// The rate of this step, the group's scale included.
    pub learning_rate: f64,
    /// The decay of this parameter.
    pub weight_decay: f64,
    /// Takes the place of the rule's momentum (of `beta1` in Adam), for schedules that cycle it.
    pub momentum: Option<f64>,
    /// How many updates this parameter has had, this one included: 1 at the first.
    pub step: u64,
}

/// A run of elements of one parameter, with the gradient and state of the same elements.
#[derive(Debug)]
pub struct Piece<'a, T> {
    /// The values to update.
    pub parameter: &'a mut [T],
    /// The gradient, of the same length.
    pub gradient: &'a [T],
    /// One slice of the same length for each of the rule's [slots](Rule::slots), in their order.
    pub state: Vec<&'a mut [T]>,
}

impl<'a, T> Piece<'a, T> {
    /// Takes the parts, with the state as an array.
    ///
    /// # Panics
    ///
    /// Where `N` is not the number of slots. The optimizer always hands over as many as
    /// [`Rule::slots`] names, so a rule that asks for those never sees it.
    pub fn parts<const N: usize>(self) -> (&'a mut [T], &'a [T], [&'a mut [T]; N]) {
        let found = self.state.len();
        let state = self.state.try_into();
        let state = state.unwrap_or_else(|_| panic!("the rule asks for {N} slots of {found}"));
        (self.parameter, self.gradient, state)
    }
}

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
    pub(crate) fn factors<T: Real>(self, update: &Update) -> (T, T) {
        match self {
            Decay::L2 => (T::of(update.weight_decay), T::of(1.0)),
            Decay::Decoupled => {
                (T::of(0.0), T::of(1.0 - update.learning_rate * update.weight_decay))
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
    pub(crate) fn rates<T: Real>(self, learning_rate: f64) -> (T, T) {
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
    pub(crate) fn split<T: Real>(self, epsilon: f64) -> (T, T) {
        match self {
            EpsilonPlace::OutsideRoot => (T::of(0.0), T::of(epsilon)),
            EpsilonPlace::InsideRoot => (T::of(epsilon), T::of(0.0)),
        }
    }
}

#[cfg(test)]
mod tests;

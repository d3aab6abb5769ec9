//! The rules by name.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::adadelta::Adadelta;
use super::adagrad::Adagrad;
use super::adam::Adam;
use super::adamw::AdamW;
use super::rmsprop::RmsProp;
use super::sgd::Sgd;
use crate::rule::Rule;

/// Whoever takes in rules by name, each with its settings.
pub trait TakeRule {
    /// Takes in a rule under a name.
    fn take<R: Rule + Serialize + DeserializeOwned + 'static>(&mut self, name: &str, rule: R);
}

/// Gives every rule of this crate by name: with PyTorch's defaults under the plain name, which is the rule's own,
/// with Keras's under that with `-keras`; `adadelta-keras-reference` is the one of the published Keras MNIST example.
///
/// ```
/// use serde::{Serialize, de::DeserializeOwned};
/// use taper_optimizer::{BoxedRule, Rule, TakeRule, presets};
///
/// struct Found(&'static str, Option<BoxedRule>);
///
/// impl TakeRule for Found {
///     fn take<R: Rule + Serialize + DeserializeOwned + 'static>(&mut self, name: &str, rule: R) {
///         if name == self.0 {
///             self.1 = Some(rule.into());
///         }
///     }
/// }
///
/// let mut found = Found("sgd-keras", None);
/// presets(&mut found);
/// assert_eq!(found.1.map(|rule| rule.learning_rate()), Some(0.01));
/// ```
pub fn presets(into: &mut impl TakeRule) {
    into.take("sgd", Sgd::pytorch());
    into.take("sgd-keras", Sgd::keras());
    into.take("adadelta", Adadelta::pytorch());
    into.take("adadelta-keras", Adadelta::keras());
    into.take("adadelta-keras-reference", Adadelta::keras_reference());
    into.take("adagrad", Adagrad::pytorch());
    into.take("adagrad-keras", Adagrad::keras());
    into.take("rmsprop", RmsProp::pytorch());
    into.take("rmsprop-keras", RmsProp::keras());
    into.take("adam", Adam::pytorch());
    into.take("adam-keras", Adam::keras());
    into.take("adamw", AdamW::pytorch());
    into.take("adamw-keras", AdamW::keras());
}

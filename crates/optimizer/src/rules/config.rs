//! Rules by name, for recipes.

use std::ops::Deref;

use serde::{Deserialize, Serialize};

use super::adadelta::Adadelta;
use super::adagrad::Adagrad;
use super::adam::Adam;
use super::adamw::AdamW;
use super::rmsprop::RmsProp;
use super::sgd::Sgd;
use crate::error::OptimizerError;
use crate::rule::{BoxedRule, Rule};

/// One of the rules of this crate, as a recipe gives it: `name` says which, the rest are its
/// fields. It gives the rule's methods, and turns into a [`BoxedRule`]. A field left out has PyTorch's default; a field that the rule lacks is an error.
///
/// ```
/// use taper_optimizer::{Adadelta, RuleConfig};
///
/// let json = r#"{ "name": "adadelta", "rho": 0.95, "epsilon": 1e-7 }"#;
/// let rule: RuleConfig = serde_json::from_str(json).unwrap();
/// let expected = Adadelta { rho: 0.95, epsilon: 1e-7, ..Adadelta::pytorch() };
/// assert_eq!(rule, RuleConfig::Adadelta(expected));
///
/// let json = r#"{ "name": "adadelta", "beta1": 0.9 }"#;
/// assert!(serde_json::from_str::<RuleConfig>(json).is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "lowercase")]
pub enum RuleConfig {
    /// [`Sgd`].
    Sgd(Sgd),
    /// [`Adadelta`].
    Adadelta(Adadelta),
    /// [`Adagrad`].
    Adagrad(Adagrad),
    /// [`RmsProp`].
    RmsProp(RmsProp),
    /// [`Adam`].
    Adam(Adam),
    /// [`AdamW`].
    AdamW(AdamW),
}

/// The presets: PyTorch's defaults under the plain name, Keras's under the name with `-keras`.
const PRESETS: &[(&str, RuleConfig)] = &[
    ("sgd", RuleConfig::Sgd(Sgd::pytorch())),
    ("sgd-keras", RuleConfig::Sgd(Sgd::keras())),
    ("adadelta", RuleConfig::Adadelta(Adadelta::pytorch())),
    ("adadelta-keras", RuleConfig::Adadelta(Adadelta::keras())),
    ("adadelta-keras-reference", RuleConfig::Adadelta(Adadelta::keras_reference())),
    ("adagrad", RuleConfig::Adagrad(Adagrad::pytorch())),
    ("adagrad-keras", RuleConfig::Adagrad(Adagrad::keras())),
    ("rmsprop", RuleConfig::RmsProp(RmsProp::pytorch())),
    ("rmsprop-keras", RuleConfig::RmsProp(RmsProp::keras())),
    ("adam", RuleConfig::Adam(Adam::pytorch())),
    ("adam-keras", RuleConfig::Adam(Adam::keras())),
    ("adamw", RuleConfig::AdamW(AdamW::pytorch())),
    ("adamw-keras", RuleConfig::AdamW(AdamW::keras())),
];

impl RuleConfig {
    /// The names that [`preset`](Self::preset) knows.
    pub fn presets() -> impl Iterator<Item = &'static str> {
        PRESETS.iter().map(|(name, _)| *name)
    }

    /// A rule with the defaults of a library, by name: `adadelta` is PyTorch's, `adadelta-keras`
    /// is Keras's, `adadelta-keras-reference` is the one of the published Keras MNIST example.
    ///
    /// # Errors
    ///
    /// An unknown name, with the names there are.
    pub fn preset(name: &str) -> Result<Self, OptimizerError> {
        let found = PRESETS.iter().find(|(known, _)| *known == name);
        found.map(|(_, rule)| *rule).ok_or_else(|| OptimizerError::UnknownPreset {
            name: name.to_string(),
            known: Self::presets().collect(),
        })
    }
}

/// The rule inside.
impl Deref for RuleConfig {
    type Target = dyn Rule;

    fn deref(&self) -> &(dyn Rule + 'static) {
        match self {
            RuleConfig::Sgd(rule) => rule,
            RuleConfig::Adadelta(rule) => rule,
            RuleConfig::Adagrad(rule) => rule,
            RuleConfig::RmsProp(rule) => rule,
            RuleConfig::Adam(rule) => rule,
            RuleConfig::AdamW(rule) => rule,
        }
    }
}

/// Here, and not inlined elsewhere, so that the formulas are compiled with this crate and as fast as it, however
/// the crate that makes the optimizer is compiled.
impl From<RuleConfig> for BoxedRule {
    #[inline(never)]
    fn from(config: RuleConfig) -> Self {
        match config {
            RuleConfig::Sgd(rule) => rule.into(),
            RuleConfig::Adadelta(rule) => rule.into(),
            RuleConfig::Adagrad(rule) => rule.into(),
            RuleConfig::RmsProp(rule) => rule.into(),
            RuleConfig::Adam(rule) => rule.into(),
            RuleConfig::AdamW(rule) => rule.into(),
        }
    }
}

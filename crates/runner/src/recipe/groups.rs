//! Groups of parameters, as a recipe names them.

use serde::{Deserialize, Serialize};
use taper_model::pattern::matches;
use taper_optimizer::ParamGroup;

/// Parameters that share a rate and a decay of their own; a parameter belongs to the first group
/// with a pattern that matches its name.
///
/// Biases, and the scales and shifts of norms, are not decayed, unless their group says
/// `decay_biases`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupRecipe {
    /// The group's name, unique.
    pub name: String,
    /// Patterns of parameters' names; `*` stands for any run of characters, also none.
    pub patterns: Vec<String>,
    /// What the learning rate is multiplied with, 0 or more. Default 1.
    #[serde(default = "one")]
    pub learning_rate_scale: f64,
    /// Takes the place of the rule's weight decay; `None` keeps the rule's. Default `None`.
    #[serde(default)]
    pub weight_decay: Option<f64>,
    /// Decay parameters of rank below 2 as well. Default false.
    #[serde(default)]
    pub decay_biases: bool,
}

fn one() -> f64 {
    1.0
}

impl GroupRecipe {
    /// The group with those of `names` that a pattern matches. A pattern that matches none stays,
    /// so that the optimizer refuses it.
    pub(crate) fn of(&self, names: &[String]) -> ParamGroup {
        let mut parameters = Vec::new();
        for pattern in &self.patterns {
            let before = parameters.len();
            parameters.extend(names.iter().filter(|name| matches(pattern, name)).cloned());
            if parameters.len() == before {
                parameters.push(pattern.clone());
            }
        }
        ParamGroup {
            name: self.name.clone(),
            parameters,
            learning_rate_scale: self.learning_rate_scale,
            weight_decay: self.weight_decay,
            decay_biases: self.decay_biases,
        }
    }
}

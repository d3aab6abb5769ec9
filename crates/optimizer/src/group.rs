//! Parameter groups: which parameters learn at another rate or decay differently.

use candle_core::Var;
use serde::{Deserialize, Serialize};

use crate::check::Check;
use crate::error::OptimizerError;

/// Parameters that share a rate and a decay of their own.
///
/// A parameter belongs to the first group that names it, else to none, and then has the rule's rate
/// and decay. Parameters of rank below 2 (biases, and the scales and shifts of norms) are not
/// decayed, unless their group says `decay_biases`. PyTorch and Keras decay them; a group of all
/// parameters with `decay_biases` does as they do.
///
/// ```
/// use taper_optimizer::ParamGroup;
///
/// let head = ParamGroup {
///     parameters: vec!["fc2.weight".into(), "fc2.bias".into()],
///     learning_rate_scale: 10.0,
///     ..ParamGroup::new("head")
/// };
/// assert!(head.contains("fc2.weight") && !head.contains("fc1.weight"));
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ParamGroup {
    /// The group's name, unique.
    pub name: String,
    /// The names of its parameters; `patterns` in a recipe, which are replaced by the names that they match.
    #[serde(rename = "patterns")]
    pub parameters: Vec<String>,
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

impl ParamGroup {
    /// A group without parameters, at the rule's rate and decay.
    pub fn new(name: impl Into<String>) -> Self {
        ParamGroup {
            name: name.into(),
            parameters: vec![],
            learning_rate_scale: 1.0,
            weight_decay: None,
            decay_biases: false,
        }
    }

    /// Whether the group names the parameter.
    pub fn contains(&self, parameter: &str) -> bool {
        self.parameters.iter().any(|name| name == parameter)
    }

    fn validate(&self) -> Result<(), OptimizerError> {
        let owner = format!("parameter group `{}`", self.name);
        let check = Check(&owner);
        check.non_negative("learning_rate_scale", self.learning_rate_scale)?;
        check.non_negative("weight_decay", self.weight_decay.unwrap_or(0.0))
    }
}

/// What the groups make of one parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct Assignment {
    /// The parameter's name.
    pub parameter: String,
    /// Its group's name, `None` where no group names it.
    pub group: Option<String>,
    /// What its learning rate is multiplied with.
    pub learning_rate_scale: f64,
    /// Its weight decay.
    pub weight_decay: f64,
}

/// Assigns each parameter to its group.
pub(crate) fn assign(
    params: &[(String, Var)],
    groups: &[ParamGroup],
    rule_decay: f64,
) -> Result<Vec<Assignment>, OptimizerError> {
    for (i, group) in groups.iter().enumerate() {
        group.validate()?;
        if groups[..i].iter().any(|other| other.name == group.name) {
            return Err(OptimizerError::DuplicateGroup { group: group.name.clone() });
        }
        for parameter in &group.parameters {
            if !params.iter().any(|(name, _)| name == parameter) {
                let (group, parameter) = (group.name.clone(), parameter.clone());
                return Err(OptimizerError::UnknownParameter { group, parameter });
            }
        }
    }
    let assignment = |(name, var): &(String, Var)| {
        let group = groups.iter().find(|group| group.contains(name));
        let decayed = var.rank() >= 2 || group.is_some_and(|group| group.decay_biases);
        let decay = group.and_then(|group| group.weight_decay).unwrap_or(rule_decay);
        Assignment {
            parameter: name.clone(),
            group: group.map(|group| group.name.clone()),
            learning_rate_scale: group.map_or(1.0, |group| group.learning_rate_scale),
            weight_decay: if decayed { decay } else { 0.0 },
        }
    };
    Ok(params.iter().map(assignment).collect())
}

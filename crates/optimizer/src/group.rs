//! Parameter groups: which parameters learn at another rate or decay differently.

use crate::check::Check;
use crate::error::OptimizerError;
use candle_core::Var;
use serde::{Deserialize, Serialize};

/// Parameters that share a rate and a decay of their own.
///
/// A parameter belongs to the first group with a pattern that matches its name, else to none, and
/// then has the rule's rate and decay. Parameters of rank below 2 (biases, and the scales and
/// shifts of norms) are not decayed, unless their group says `decay_biases`. PyTorch and Keras
/// decay them; a group with the pattern `*` and `decay_biases` does as they do.
///
/// ```
/// use taper_optimizer::ParamGroup;
///
/// let head = ParamGroup {
///     patterns: vec!["fc2.*".into()],
///     learning_rate_scale: 10.0,
///     ..ParamGroup::new("head")
/// };
/// assert!(head.matches("fc2.weight") && !head.matches("fc1.weight"));
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ParamGroup {
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

impl ParamGroup {
    /// A group without patterns, at the rule's rate and decay.
    pub fn new(name: impl Into<String>) -> Self {
        ParamGroup {
            name: name.into(),
            patterns: vec![],
            learning_rate_scale: 1.0,
            weight_decay: None,
            decay_biases: false,
        }
    }

    /// Every parameter, decayed whatever its rank: what PyTorch and Keras do by default.
    pub fn decay_all() -> Self {
        ParamGroup { patterns: vec!["*".into()], decay_biases: true, ..Self::new("all") }
    }

    /// Whether one of the patterns matches the name.
    pub fn matches(&self, name: &str) -> bool {
        self.patterns.iter().any(|pattern| glob(pattern, name))
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
    /// Its group's name, `None` where no group matches.
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
        for pattern in &group.patterns {
            if !params.iter().any(|(name, _)| glob(pattern, name)) {
                let (group, pattern) = (group.name.clone(), pattern.clone());
                return Err(OptimizerError::UnmatchedPattern { group, pattern });
            }
        }
    }
    let assignment = |(name, var): &(String, Var)| {
        let group = groups.iter().find(|group| group.matches(name));
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

/// Whether the pattern matches the whole text; `*` stands for any run of characters.
fn glob(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    // The leftmost place of each middle part leaves the most room for those that follow.
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::glob;

    #[test]
    fn a_star_stands_for_any_run_of_characters() {
        for (pattern, text, expected) in [
            ("conv1.*", "conv1.weight", true),
            ("conv1.*", "conv10.weight", false),
            ("*.bias", "layer1.0.bias", true),
            ("*.bias", "bias", false),
            ("*", "", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("ab*ba", "aba", false),
            ("fc1.weight", "fc1.weight", true),
            ("fc1.weight", "fc1.weights", false),
            ("", "", true),
            ("", "a", false),
            ("**é*", "caf é!", true),
        ] {
            assert_eq!(glob(pattern, text), expected, "{pattern} on {text}");
        }
    }
}

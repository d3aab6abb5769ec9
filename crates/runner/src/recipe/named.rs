//! A part of a run that is chosen by name, with settings of its own.

use std::collections::BTreeMap;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use taper_dataset::Augment;
use toml::{Table, Value};

use crate::fault::unexpected;

/// A part of a run that is chosen by name, such as `adamw`, with settings of its own: a table with a `name`, or the
/// name alone.
///
/// What the settings are is known to who registered the name ([`Registry`](crate::Registry)); until the plan is made
/// they are what the recipe says, and then complete.
///
/// ```
/// use taper_runner::{Named, resolve, Registry};
///
/// let set = [("optimizer", "sgd"), ("optimizer.momentum", "0.9")];
/// let set = set.map(|(key, value)| (key.to_string(), value.to_string()));
/// let recipe = resolve(None, &set, &Registry::new())?;
/// assert_eq!(recipe.optimizer.name, "sgd");
/// assert_eq!(recipe.optimizer.number("momentum"), Some(0.9));
/// assert_eq!(recipe.optimizer.number("dampening"), Some(0.0));
/// # Ok::<(), taper_runner::RunnerError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Named {
    /// The name.
    pub name: String,
    /// The settings, beside it in the table.
    #[serde(flatten)]
    pub settings: Table,
}

impl Named {
    /// A name with these settings.
    ///
    /// # Panics
    /// Settings that TOML has no words for, such as maps whose keys are numbers.
    pub fn new(name: impl Into<String>, settings: &impl Serialize) -> Self {
        let settings = match size_of_val(settings) {
            // TOML has no word for a struct without fields.
            0 => Table::new(),
            _ => Table::try_from(settings).expect("settings are numbers, texts, lists and tables"),
        };
        Self { name: name.into(), settings }
    }

    /// A name with what its settings are by default.
    pub fn plain(name: impl Into<String>) -> Self {
        Self { name: name.into(), settings: Table::new() }
    }

    /// A setting that is a number.
    pub fn number(&self, key: &str) -> Option<f64> {
        let value = self.settings.get(key)?;
        value.as_float().or_else(|| value.as_integer().map(|whole| whole as f64))
    }
}

impl<'de> Deserialize<'de> for Named {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wrong = |value: &Value, expected| {
            D::Error::custom(format!("invalid type: {}, expected {expected}", unexpected(value)))
        };
        match Value::deserialize(deserializer)? {
            Value::String(name) => Ok(Self::plain(name)),
            Value::Table(mut settings) => match settings.remove("name") {
                Some(Value::String(name)) => Ok(Self { name, settings }),
                Some(other) => Err(wrong(&other, "text")),
                None => Err(D::Error::missing_field("name")),
            },
            other => Err(wrong(&other, "a name, or a table with a `name`")),
        }
    }
}

/// How the learning rate goes over a run: what it does after a warm-up, and the warm-up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScheduleRecipe {
    /// What the rate does after the warm-up. Default `constant`.
    pub kind: Named,
    /// Steps of the linear warm-up; 0: as `warmup_ratio` says. Default 0.
    pub warmup_steps: u64,
    /// The share of all steps that the warm-up takes where `warmup_steps` is 0. Default 0.
    pub warmup_ratio: f64,
    /// The part of the rate that the warm-up starts from. Default 0.01.
    pub warmup_start: f64,
}

impl Default for ScheduleRecipe {
    fn default() -> Self {
        Self {
            kind: Named::plain("constant"),
            warmup_steps: 0,
            warmup_ratio: 0.0,
            warmup_start: 0.01,
        }
    }
}

/// Random changes to training images: the settings of those that come with Taper, and for each of a program's own
/// that is on a table under its name.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(try_from = "Table")]
pub struct AugmentRecipe {
    /// Those that come with Taper.
    #[serde(flatten)]
    pub settings: Augment,
    /// Others, by the names that they are registered under; they come last, in the order of their names.
    #[serde(flatten)]
    pub own: BTreeMap<String, Table>,
}

impl TryFrom<Table> for AugmentRecipe {
    type Error = String;

    fn try_from(table: Table) -> Result<Self, String> {
        let is_known =
            |key: &str| taper_dataset::augment::KEYS.iter().any(|(known, _)| *known == key);
        let mut found = Self::default();
        let mut settings = Table::new();
        for (key, value) in table {
            match value {
                Value::Table(own) if !is_known(&key) => drop(found.own.insert(key, own)),
                value => drop(settings.insert(key, value)),
            }
        }
        let settings = Value::Table(settings).try_into();
        found.settings = settings.map_err(|error: toml::de::Error| error.message().to_string())?;
        Ok(found)
    }
}

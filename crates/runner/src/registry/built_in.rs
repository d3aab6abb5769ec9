//! What comes with Taper, added as what is a program's own.

use serde::Serialize;
use serde::de::DeserializeOwned;
use taper_model::loss::CrossEntropy;
use taper_optimizer::{Rule, ScheduleKind, TakeRule, TakeSchedule, presets, schedules};

use super::Registry;
use crate::recipe::Named;

/// The recipes: name and TOML text.
const RECIPES: &[(&str, &str)] = &[
    ("fast-mnist", include_str!("../../recipes/fast-mnist.toml")),
    ("finetune-digits", include_str!("../../recipes/finetune-digits.toml")),
    ("keras-mnist", include_str!("../../recipes/keras-mnist.toml")),
    ("photos", include_str!("../../recipes/photos.toml")),
    ("photos-best", include_str!("../../recipes/photos-best.toml")),
    ("photos-fast", include_str!("../../recipes/photos-fast.toml")),
    ("reading", include_str!("../../recipes/reading.toml")),
];

impl Registry {
    /// What comes with Taper, but for weights.
    pub fn new() -> Self {
        let mut registry = Self::empty();
        presets(&mut registry);
        schedules(&mut registry);
        registry.add_loss::<CrossEntropy>("cross-entropy");
        for (name, toml) in RECIPES {
            registry.add_recipe(name, toml);
        }
        registry
    }
}

impl Default for Registry {
    fn default() -> Self {
        Self::new()
    }
}

/// A rule under its own name; under another it is that rule with other defaults.
impl TakeRule for Registry {
    fn take<R: Rule + Serialize + DeserializeOwned + 'static>(&mut self, name: &str, rule: R) {
        match name == rule.name() {
            true => self.add_rule::<R>(name),
            false => {
                self.rules.add_preset(name, rule.name(), Named::new(name, &rule).settings);
            }
        }
    }
}

impl TakeSchedule for Registry {
    fn take<S: ScheduleKind + Serialize + DeserializeOwned + 'static>(&mut self, name: &str) {
        self.add_schedule::<S>(name);
    }
}

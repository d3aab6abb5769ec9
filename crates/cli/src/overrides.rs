//! Flags to overrides of a recipe's keys.

use taper_runner::Recipe;

use crate::flags::{FinetuneFlags, InspectFlags, Layout, RecipeFlags, SubsetFlags};

/// The overrides that the shared flags ask for; `--set` comes last and wins.
pub fn shared(flags: &RecipeFlags) -> Vec<(String, String)> {
    let mut overrides = Vec::new();
    text(&mut overrides, "device", &flags.device.map(|device| device.to_string()));
    text(&mut overrides, "data.source", &flags.data);
    subset(&mut overrides, &flags.subset);
    text(&mut overrides, "augment", &flags.augment);
    text(&mut overrides, "model.net", &flags.net);
    number(&mut overrides, "train.epochs", flags.epochs);
    number(&mut overrides, "train.batch_size", flags.batch_size);
    number(&mut overrides, "train.accumulate", flags.accumulate);
    number(&mut overrides, "train.max_steps", flags.max_steps);
    number(&mut overrides, "train.max_minutes", flags.max_time.map(Float));
    number(&mut overrides, "data.overfit_batches", flags.overfit_batches);
    if flags.tensorboard {
        overrides.push(("log.tensorboard".to_string(), "true".to_string()));
    }
    number(&mut overrides, "seed", flags.seed);
    text(&mut overrides, "optimizer", &flags.optimizer);
    number(&mut overrides, "optimizer.learning_rate", flags.learning_rate.map(Float));
    overrides.extend(flags.set.iter().cloned());
    overrides
}

fn subset(overrides: &mut Vec<(String, String)>, flags: &SubsetFlags) {
    number(overrides, "data.limit", flags.limit);
    number(overrides, "data.per_class", flags.per_class);
    list(overrides, "data.classes", &flags.classes);
}

/// The overrides of `inspect`.
pub fn inspect(flags: &InspectFlags) -> Vec<(String, String)> {
    let mut overrides = Vec::new();
    text(&mut overrides, "data.source", &flags.data);
    subset(&mut overrides, &flags.subset);
    text(&mut overrides, "augment", &flags.augment);
    overrides.extend(flags.set.iter().cloned());
    overrides
}

/// The overrides of `finetune`.
pub fn finetune(flags: &FinetuneFlags) -> Vec<(String, String)> {
    let mut overrides = Vec::new();
    text(&mut overrides, "model.weights", &flags.weights);
    let layout = flags.layout.map(|layout| match layout {
        Layout::Pytorch => "pytorch".to_string(),
        Layout::Keras => "keras".to_string(),
    });
    text(&mut overrides, "model.layout", &layout);
    text(&mut overrides, "method", &flags.method);
    if flags.merge {
        overrides.push(("method.merge".to_string(), "true".to_string()));
    }
    list(&mut overrides, "model.freeze", &flags.freeze);
    list(&mut overrides, "model.allow_missing", &flags.allow_missing);
    list(&mut overrides, "model.allow_unused", &flags.allow_unused);
    overrides.extend(shared(&flags.recipe));
    overrides
}

/// Makes a recipe a trial of whether everything works, if that is asked for: one epoch of one batch
/// of each part.
pub fn shorten(recipe: &mut Recipe, flags: &RecipeFlags) {
    if flags.fast_dev_run {
        recipe.train.epochs = 1;
        recipe.data.limit = recipe.train.batch_size;
    }
}

/// A float that TOML does not take for an integer.
struct Float(f64);

impl std::fmt::Display for Float {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // TOML's word for it; the plan says what is expected instead.
        if self.0.is_nan() { write!(f, "nan") } else { write!(f, "{:?}", self.0) }
    }
}

fn text(overrides: &mut Vec<(String, String)>, key: &str, value: &Option<String>) {
    if let Some(value) = value {
        overrides.push((key.to_string(), quoted(value)));
    }
}

fn number<T: std::fmt::Display>(
    overrides: &mut Vec<(String, String)>,
    key: &str,
    value: Option<T>,
) {
    if let Some(value) = value {
        overrides.push((key.to_string(), value.to_string()));
    }
}

fn list(overrides: &mut Vec<(String, String)>, key: &str, values: &[String]) {
    if !values.is_empty() {
        let items: Vec<_> = values.iter().map(|v| quoted(v)).collect();
        overrides.push((key.to_string(), format!("[{}]", items.join(", "))));
    }
}

/// A TOML basic string; JSON's escapes are a part of TOML's.
fn quoted(value: &str) -> String {
    serde_json::Value::String(value.to_string()).to_string()
}

//! Layers of a recipe: named recipe, file, single keys, merged as TOML tables before they are read.

use std::path::Path;

use taper_optimizer::RuleConfig;
use toml::{Table, Value};

use super::Recipe;
use crate::error::RunnerError;

/// The recipes that come with Taper: name and TOML text.
pub const NAMED: &[(&str, &str)] = &[
    ("finetune-digits", include_str!("../../recipes/finetune-digits.toml")),
    ("keras-mnist", include_str!("../../recipes/keras-mnist.toml")),
];

/// The TOML text of a recipe that comes with Taper.
pub fn named(name: &str) -> Option<&'static str> {
    NAMED.iter().find(|(n, _)| *n == name).map(|(_, text)| *text)
}

/// Resolves a recipe: the defaults, then `base` (a named recipe or a TOML file, if given), then
/// `overrides`, pairs of a dotted key and a value such as `("train.epochs", "3")`.
///
/// A value is read as TOML; what is no TOML value is taken as a string, so that `model.net=lenet5`
/// needs no quotes. A layer changes the keys that it names and leaves the others, with two
/// additions: `optimizer = "adam-keras"` stands for all settings of that preset
/// ([`RuleConfig::preset`]), and a table with another `name` replaces the one below, since its
/// keys belong to something else.
///
/// # Errors
/// An unknown recipe name, an unreadable file, an unknown key, a value of the wrong type.
pub fn resolve(base: Option<&str>, overrides: &[(String, String)]) -> Result<Recipe, RunnerError> {
    let origin = base.unwrap_or("the flags");
    let invalid = |reason: String| RunnerError::Recipe {
        origin: origin.to_string(),
        reason: one_line(&reason),
    };
    let mut table = Table::try_from(Recipe::default()).map_err(|e| invalid(e.to_string()))?;
    if let Some(base) = base {
        merge(&mut table, read(base)?)?;
    }
    for (key, value) in overrides {
        let overlay = key.rsplit('.').fold(parse_value(value), |value, part| {
            Value::Table(Table::from_iter([(part.into(), value)]))
        });
        if let Value::Table(overlay) = overlay {
            merge(&mut table, overlay)?;
        }
    }
    let mut recipe: Recipe =
        Value::Table(table).try_into().map_err(|e: toml::de::Error| invalid(e.to_string()))?;
    recipe.taper_version = env!("CARGO_PKG_VERSION").to_string();
    Ok(recipe)
}

/// Lays `above` over `below`.
fn merge(below: &mut Table, above: Table) -> Result<(), RunnerError> {
    for (key, mut value) in above {
        if let ("optimizer", Value::String(preset)) = (key.as_str(), &value) {
            let rule = RuleConfig::preset(preset)?;
            value = Value::try_from(rule)
                .map_err(|e| RunnerError::Recipe { origin: key.clone(), reason: e.to_string() })?;
        }
        match (below.get_mut(&key), value) {
            (Some(Value::Table(old)), Value::Table(new)) if !renames(old, &new) => merge(old, new)?,
            (_, value) => {
                below.insert(key, value);
            }
        }
    }
    Ok(())
}

/// Whether `new` is about something else than `old`.
fn renames(old: &Table, new: &Table) -> bool {
    new.get("name").is_some_and(|name| old.get("name") != Some(name))
}

fn read(base: &str) -> Result<Table, RunnerError> {
    let is_path = base.ends_with(".toml") || Path::new(base).components().count() > 1;
    let text = match named(base) {
        Some(text) => text.to_string(),
        None if is_path => std::fs::read_to_string(base)
            .map_err(|source| RunnerError::Io { path: base.into(), source })?,
        None => {
            let known: Vec<_> = NAMED.iter().map(|(n, _)| *n).collect();
            return Err(RunnerError::Unknown {
                what: "recipe",
                name: base.to_string(),
                known: known.join(", "),
            });
        }
    };
    text.parse::<Table>().map_err(|e| RunnerError::Recipe {
        origin: base.to_string(),
        reason: one_line(&e.to_string()),
    })
}

fn parse_value(text: &str) -> Value {
    format!("v = {text}")
        .parse::<Table>()
        .ok()
        .and_then(|mut t| t.remove("v"))
        .unwrap_or_else(|| Value::String(text.to_string()))
}

/// TOML's errors draw the place over several lines; an error of ours is one line.
pub(super) fn one_line(message: &str) -> String {
    let lines: Vec<_> = message
        .lines()
        .map(str::trim)
        .filter(|l| !l.is_empty() && !l.starts_with('|') && !l.ends_with('|'))
        .collect();
    lines.join("; ")
}

//! Layers of a recipe, merged as TOML tables before they are read.

use std::path::Path;

use serde::Serialize;
use taper_dataset::Augment;
use taper_run_folder::RunFolderError;
use taper_untrusted::checksums::{self, SETTINGS};
use toml::{Table, Value};

use super::method::Method;
use super::named::AugmentRecipe;
use super::tables::Recipe;
use crate::error::{RecipeError, RunnerError};
use crate::fault::{Fault, settings_of, table_of_text};

impl Recipe {
    /// The same recipe with single keys changed, as [`resolve`](crate::resolve) does it.
    ///
    /// # Errors
    /// An unknown key, a value of the wrong type. Names of optimizers and the like, and their settings, are looked at
    /// when the plan is made.
    pub fn with(&self, overrides: &[(String, String)]) -> Result<Recipe, RunnerError> {
        let mut table = table_of(self)?;
        override_keys(&mut table, overrides)?;
        Ok(settings_of(table).map_err(invalid(""))?)
    }
}

pub(crate) fn invalid(origin: &str) -> impl Fn(Fault) -> RecipeError {
    move |fault| {
        let error = RecipeError::Invalid { fault };
        match origin {
            "" => error,
            _ => RecipeError::In {
                origin: origin.to_string(),
                error: Box::new(RunnerError::from(error)),
            },
        }
    }
}

/// Settings as a table.
pub(crate) fn table_of(settings: &impl Serialize) -> Result<Table, RecipeError> {
    Table::try_from(settings).map_err(|error| invalid("")(Fault::Text(error.to_string())))
}

pub(crate) fn override_keys(
    table: &mut Table,
    overrides: &[(String, String)],
) -> Result<(), RunnerError> {
    for (key, value) in overrides {
        let overlay = key
            .rsplit('.')
            .fold(parse_value(value), |value, part| Value::Table(table_with(part, value)));
        if let Value::Table(overlay) = overlay {
            merge(table, overlay)?;
        }
    }
    Ok(())
}

/// Lays `above` over `below`, table by table, as [`resolve`](crate::resolve) describes it.
pub(crate) fn merge(below: &mut Table, above: Table) -> Result<(), RunnerError> {
    merge_in("", below, above)
}

/// As [`merge`], of the tables `within` a recipe: only keys of the recipe itself have words that stand for tables, not
/// settings of the same name of a part of a program's own.
fn merge_in(within: &str, below: &mut Table, above: Table) -> Result<(), RunnerError> {
    for (key, mut value) in above {
        let path = if within.is_empty() { key.clone() } else { format!("{within}.{key}") };
        // A name alone stands for all settings of what it names.
        let whole = match (path.as_str(), &value) {
            ("optimizer" | "loss", Value::String(name)) => {
                Some(table_with("name", name.clone().into()))
            }
            ("augment", Value::String(name)) => Some(policy(name)?),
            _ => None,
        };
        if let Some(whole) = whole {
            below.insert(key, Value::Table(whole));
            continue;
        }
        if let ("schedule", Value::String(name)) = (path.as_str(), &value) {
            value = Value::Table(table_with("kind", Value::String(name.clone())));
        }
        if let ("method", Value::String(name)) = (path.as_str(), &value) {
            value = Value::Table(method(name)?);
        }
        if let ("schedule.kind" | "average", Value::String(name)) = (path.as_str(), &value) {
            value = Value::Table(table_with("name", Value::String(name.clone())));
        }
        match (below.get_mut(&key), value) {
            (Some(Value::Table(old)), Value::Table(new)) if !renames(old, &new) => {
                merge_in(&path, old, new)?;
            }
            (_, value) => {
                below.insert(key, value);
            }
        }
    }
    Ok(())
}

/// A method by its name; `last-3` is `last-n` with three blocks.
fn method(name: &str) -> Result<Table, RecipeError> {
    let last = name.strip_prefix("last-").and_then(|blocks| blocks.parse::<i64>().ok());
    let mut table = table_with("name", Value::String(name.to_string()));
    if let Some(blocks) = last {
        table.insert("name".to_string(), "last-n".into());
        table.insert("blocks".to_string(), blocks.into());
    } else if !Method::NAMES.contains(&name) {
        let known = Method::NAMES.join(", ") + " (last-2: the last two blocks)";
        let known = known.split(", ").map(String::from).collect();
        return Err(RecipeError::Unknown { what: "method", name: name.to_string(), known });
    }
    Ok(table)
}

/// A policy of its name alone; what is no policy is an augmentation of a program's own.
fn policy(name: &str) -> Result<Table, RecipeError> {
    let settings = Augment::preset(name);
    let mut policy =
        AugmentRecipe { settings: settings.unwrap_or_default(), ..AugmentRecipe::default() };
    if settings.is_none() {
        policy.own.insert(name.to_string(), Table::new());
    }
    table_of(&policy)
}

fn table_with(key: &str, value: Value) -> Table {
    Table::from_iter([(key.to_string(), value)])
}

/// Whether `new` is about something else than `old`.
fn renames(old: &Table, new: &Table) -> bool {
    new.get("name").is_some_and(|name| old.get("name") != Some(name))
}

/// Reads a complete recipe, as a run writes it.
///
/// # Errors
/// The file cannot be read, or is no recipe.
pub fn read_resolved(path: &Path) -> Result<Recipe, RecipeError> {
    let text = checksums::read_text(path, SETTINGS).map_err(RunFolderError::io(path))?;
    resolved(&text, &path.display().to_string())
}

/// Reads a recipe that a run wrote, from its text; `origin` is for the error.
///
/// # Errors
/// It is no recipe.
pub fn resolved(text: &str, origin: &str) -> Result<Recipe, RecipeError> {
    table_of_text(text).and_then(settings_of).map_err(invalid(origin))
}

fn parse_value(text: &str) -> Value {
    format!("v = {text}")
        .parse::<Table>()
        .ok()
        .and_then(|mut t| t.remove("v"))
        .unwrap_or_else(|| Value::String(text.to_string()))
}

//! A recipe resolved in layers: named recipe, file, single keys, and what the names in it stand for.

use std::path::Path;

use taper_run_folder::RunFolderError;
use taper_untrusted::checksums::{self, SETTINGS};
use toml::Table;

use crate::error::{RecipeError, RunnerError};
use crate::fault::{settings_of, table_of_text};
use crate::recipe::{Recipe, invalid, merge, override_keys, table_of};
use crate::registry::Registry;

/// Resolves a recipe: the defaults, then `base` (a named recipe or a TOML file, if given), then
/// `overrides`, pairs of a dotted key and a value such as `("train.epochs", "3")`.
///
/// A value is read as TOML; what is no TOML value is taken as a string, so that `model.net=lenet5`
/// needs no quotes. A layer changes the keys that it names and leaves the others, with some
/// additions: `optimizer = "adam-keras"` stands for all settings of that preset
/// ([`presets`](taper_optimizer::presets)), `augment = "digits"` for those of that policy, or a program's own augmentation alone,
/// `schedule = "cosine"` for that schedule with its defaults,
/// `method = "head"` for that [`Method`](crate::Method) with its (`last-2` is the last two blocks),
/// `average = "ema"` for that average,
/// `loss = "cross-entropy"` for that loss,
/// and a table with another `name` replaces the one below, since its keys belong to something else.
///
/// # Errors
/// An unknown name, an unreadable file, an unknown key, a value of the wrong type.
pub fn resolve(
    base: Option<&str>,
    overrides: &[(String, String)],
    registry: &Registry,
) -> Result<Recipe, RunnerError> {
    layered(None, Table::new(), base, overrides, registry)
}

/// Resolves a recipe: the defaults, the recipe `below`, the settings `said`, then `base` and
/// `overrides`.
pub(crate) fn layered(
    below: Option<&str>,
    said: Table,
    base: Option<&str>,
    overrides: &[(String, String)],
    registry: &Registry,
) -> Result<Recipe, RunnerError> {
    let mut table = table_of(&Recipe::default())?;
    if let Some(below) = below {
        merge(&mut table, read(below, registry)?)?;
    }
    merge(&mut table, said)?;
    let mut fault = None;
    if let Some(base) = base {
        let read = read(base, registry)?;
        merge(&mut table, read).map_err(|error| error.of_recipe(base))?;
        fault = complete(table.clone(), registry).err().map(|error| (base, error.to_string()));
    }
    override_keys(&mut table, overrides)?;
    let mut recipe = complete(table, registry).map_err(|error| match fault {
        Some((base, fault)) if fault == error.to_string() => error.of_recipe(base),
        // It has come with the overrides.
        _ => error,
    })?;
    // Of another one the plan says that nothing has its name.
    if let Some(base) = base
        && !overrides.iter().any(|(key, _)| key == "model.net")
    {
        let net = registry.models.net(&recipe.model.net);
        net.map_err(|error| RunnerError::from(error).of_recipe(base))?;
    }
    recipe.taper_version = env!("CARGO_PKG_VERSION").to_string();
    Ok(recipe)
}

/// The recipe that a table is, its settings complete.
fn complete(table: Table, registry: &Registry) -> Result<Recipe, RunnerError> {
    let mut recipe: Recipe = settings_of(table).map_err(invalid(""))?;
    registry.choose(&mut recipe)?;
    Ok(recipe)
}

fn read(base: &str, registry: &Registry) -> Result<Table, RecipeError> {
    let is_path = base.ends_with(".toml") || Path::new(base).components().count() > 1;
    let text = match registry.recipe(base) {
        Some(text) => text.to_string(),
        None if is_path => checksums::read_text(Path::new(base), SETTINGS)
            .map_err(RunFolderError::io(Path::new(base)))?,
        None => {
            let known = registry.recipe_names().map(String::from).collect();
            return Err(RecipeError::Unknown { what: "recipe", name: base.to_string(), known });
        }
    };
    table_of_text(&text).map_err(invalid(base))
}

#[cfg(test)]
mod tests;

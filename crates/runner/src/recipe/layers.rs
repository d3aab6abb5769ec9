//! Layers of a recipe: named recipe, file, single keys, merged as TOML tables before they are read.

use std::path::Path;

use serde::Serialize;
use taper_dataset::Augment;
use taper_dataset::augment::PRESETS;
use taper_optimizer::RuleConfig;
use taper_run_folder::RunFolderError;
use taper_untrusted::checksums::{self, TEXT};
use toml::{Table, Value};

use super::method::Method;
use super::tables::Recipe;
use crate::error::{RecipeError, RunnerError};
use crate::fault::{Fault, settings_of, table_of_text};

/// The recipes that come with Taper: name and TOML text.
pub const NAMED: &[(&str, &str)] = &[
    ("fast-mnist", include_str!("../../recipes/fast-mnist.toml")),
    ("finetune-digits", include_str!("../../recipes/finetune-digits.toml")),
    ("keras-mnist", include_str!("../../recipes/keras-mnist.toml")),
    ("photos", include_str!("../../recipes/photos.toml")),
    ("photos-best", include_str!("../../recipes/photos-best.toml")),
    ("photos-fast", include_str!("../../recipes/photos-fast.toml")),
    ("reading", include_str!("../../recipes/reading.toml")),
];

/// The TOML text of a recipe that comes with Taper.
pub fn named(name: &str) -> Option<&'static str> {
    NAMED.iter().find(|(n, _)| *n == name).map(|(_, text)| *text)
}

/// Resolves a recipe: the defaults, then `base` (a named recipe or a TOML file, if given), then
/// `overrides`, pairs of a dotted key and a value such as `("train.epochs", "3")`.
///
/// A value is read as TOML; what is no TOML value is taken as a string, so that `model.net=lenet5`
/// needs no quotes. A layer changes the keys that it names and leaves the others, with five
/// additions: `optimizer = "adam-keras"` stands for all settings of that preset
/// ([`RuleConfig::preset`]), `augment = "digits"` for those of that policy,
/// `schedule = "cosine"` for that schedule with its defaults,
/// `method = "head"` for that [`Method`] with its (`last-2` is the last two blocks),
/// `average = "ema"` for that average,
/// and a table with another `name` replaces the one below, since its keys belong to something else.
///
/// # Errors
/// An unknown recipe name, an unreadable file, an unknown key, a value of the wrong type.
pub fn resolve(base: Option<&str>, overrides: &[(String, String)]) -> Result<Recipe, RunnerError> {
    layered(None, Table::new(), base, overrides)
}

/// Resolves a recipe: the defaults, the recipe `below`, the settings `said`, then `base` and
/// `overrides`.
pub(crate) fn layered(
    below: Option<&str>,
    said: Table,
    base: Option<&str>,
    overrides: &[(String, String)],
) -> Result<Recipe, RunnerError> {
    let mut origin = "";
    let mut table = table_of(&Recipe::default())?;
    if let Some(below) = below {
        merge(&mut table, read(below)?)?;
    }
    merge(&mut table, said)?;
    if let Some(base) = base {
        merge(&mut table, read(base)?)?;
        // What is wrong with a recipe that is right by itself has come with the overrides.
        if settings_of::<Recipe>(table.clone()).is_err() {
            origin = base;
        }
    }
    override_keys(&mut table, overrides)?;
    let mut recipe: Recipe = settings_of(table).map_err(invalid(origin))?;
    recipe.taper_version = env!("CARGO_PKG_VERSION").to_string();
    Ok(recipe)
}

impl Recipe {
    /// The same recipe with single keys changed, as [`resolve`] does it.
    ///
    /// # Errors
    /// An unknown key, a value of the wrong type.
    pub fn with(&self, overrides: &[(String, String)]) -> Result<Recipe, RunnerError> {
        let mut table = table_of(self)?;
        override_keys(&mut table, overrides)?;
        Ok(settings_of(table).map_err(invalid(""))?)
    }
}

fn invalid(origin: &str) -> impl Fn(Fault) -> RecipeError {
    move |fault| RecipeError::Invalid { origin: origin.to_string(), fault }
}

/// Settings as a table.
fn table_of(settings: &impl Serialize) -> Result<Table, RecipeError> {
    Table::try_from(settings).map_err(|error| invalid("")(Fault::Text(error.to_string())))
}

fn override_keys(table: &mut Table, overrides: &[(String, String)]) -> Result<(), RunnerError> {
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

/// Lays `above` over `below`, table by table, as [`resolve`] describes it.
pub(crate) fn merge(below: &mut Table, above: Table) -> Result<(), RunnerError> {
    for (key, mut value) in above {
        if let ("optimizer", Value::String(preset)) = (key.as_str(), &value) {
            let rule = RuleConfig::preset(preset)?;
            value = Value::Table(table_of(&rule)?);
        }
        if let ("augment", Value::String(name)) = (key.as_str(), &value) {
            value = Value::Table(table_of(&policy(name)?)?);
        }
        if let ("schedule", Value::String(name)) = (key.as_str(), &value) {
            value = Value::Table(table_with("kind", Value::String(name.clone())));
        }
        if let ("method", Value::String(name)) = (key.as_str(), &value) {
            value = Value::Table(method(name)?);
        }
        if let ("kind" | "average", Value::String(name)) = (key.as_str(), &value) {
            value = Value::Table(table_with("name", Value::String(name.clone())));
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

fn policy(name: &str) -> Result<Augment, RecipeError> {
    Augment::preset(name).ok_or_else(|| {
        let known = PRESETS.iter().map(|(known, _)| known.to_string()).collect();
        let (what, name) = ("augmentation", name.to_string());
        RecipeError::Unknown { what, name, known }
    })
}

fn table_with(key: &str, value: Value) -> Table {
    Table::from_iter([(key.to_string(), value)])
}

/// Whether `new` is about something else than `old`.
fn renames(old: &Table, new: &Table) -> bool {
    new.get("name").is_some_and(|name| old.get("name") != Some(name))
}

fn read(base: &str) -> Result<Table, RecipeError> {
    let is_path = base.ends_with(".toml") || Path::new(base).components().count() > 1;
    let text = match named(base) {
        Some(text) => text.to_string(),
        None if is_path => checksums::read_text(Path::new(base), TEXT)
            .map_err(RunFolderError::io(Path::new(base)))?,
        None => {
            let known = NAMED.iter().map(|(name, _)| name.to_string()).collect();
            return Err(RecipeError::Unknown { what: "recipe", name: base.to_string(), known });
        }
    };
    table_of_text(&text).map_err(invalid(base))
}

/// Reads a complete recipe, as a run writes it.
///
/// # Errors
/// The file cannot be read, or is no recipe.
pub fn read_resolved(path: &Path) -> Result<Recipe, RecipeError> {
    let text = checksums::read_text(path, TEXT).map_err(RunFolderError::io(path))?;
    table_of_text(&text).and_then(settings_of).map_err(invalid(&path.display().to_string()))
}

fn parse_value(text: &str) -> Value {
    format!("v = {text}")
        .parse::<Table>()
        .ok()
        .and_then(|mut t| t.remove("v"))
        .unwrap_or_else(|| Value::String(text.to_string()))
}

#[cfg(test)]
mod tests {
    use taper_optimizer::{Adadelta, Adam, ScheduleKind};

    use super::*;

    fn with(base: Option<&str>, overrides: &[(&str, &str)]) -> Result<Recipe, String> {
        let overrides: Vec<_> =
            overrides.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        resolve(base, &overrides).map_err(|e| e.to_string())
    }

    #[test]
    fn without_layers_a_recipe_is_the_defaults() {
        let recipe = with(None, &[]).unwrap();
        let taper_version = recipe.taper_version.clone();
        assert_eq!(recipe, Recipe { taper_version, ..Recipe::default() });
    }

    #[test]
    fn the_reference_recipe_is_the_keras_example() {
        let recipe = with(Some("keras-mnist"), &[]).unwrap();
        assert_eq!(recipe.model.net, "keras-cnn");
        assert_eq!((recipe.train.epochs, recipe.train.batch_size), (12, 128));
        let rule = Adadelta { rho: 0.95, epsilon: 1e-7, ..Adadelta::pytorch() };
        assert_eq!(recipe.optimizer, RuleConfig::Adadelta(rule));
        assert_eq!(recipe.optimizer.learning_rate(), 1.0);
    }

    #[test]
    fn every_named_recipe_resolves_and_survives_being_written() {
        for (name, _) in NAMED {
            let recipe = with(Some(name), &[]).unwrap();
            let text = toml::to_string(&recipe).unwrap();
            assert_eq!(toml::from_str::<Recipe>(&text).unwrap(), recipe, "{name}");
        }
    }

    #[test]
    fn a_later_layer_wins_and_leaves_the_other_keys() {
        let overrides = [("train.epochs", "3"), ("train.epochs", "4"), ("model.net", "lenet5")];
        let recipe = with(Some("keras-mnist"), &overrides).unwrap();
        assert_eq!(recipe.train.epochs, 4);
        assert_eq!(recipe.train.batch_size, 128);
        assert_eq!(recipe.model.net, "lenet5");
    }

    #[test]
    fn another_optimizer_replaces_all_settings_of_the_one_before() {
        let overrides = [("optimizer", "adam-keras"), ("optimizer.learning_rate", "0.5")];
        let recipe = with(Some("keras-mnist"), &overrides).unwrap();
        let rule = Adam { learning_rate: 0.5, ..Adam::keras() };
        assert_eq!(recipe.optimizer, RuleConfig::Adam(rule));
    }

    #[test]
    fn a_policy_stands_for_all_its_settings_and_keys_change_it() {
        let recipe = with(None, &[("augment", "digits"), ("augment.rotation", "3")]).unwrap();
        let digits = Augment::preset("digits").unwrap();
        assert_eq!(recipe.augment, Augment { rotation: 3.0, ..digits });
        let recipe = with(None, &[("augment", "cifar"), ("augment", "light")]).unwrap();
        assert_eq!(Some(recipe.augment), Augment::preset("light"));
        let error = with(None, &[("augment", "digit")]).unwrap_err();
        assert!(
            error.starts_with("unknown augmentation `digit`, expected one of: none"),
            "{error}"
        );
    }

    #[test]
    fn another_schedule_replaces_all_settings_of_the_one_before() {
        let overrides = [("schedule.kind.name", "step"), ("schedule.kind.every", "5")];
        let error = with(Some("finetune-digits"), &overrides).unwrap_err();
        assert!(error.contains("factor"), "{error}");
        let kind = [("schedule.kind", r#"{ name = "step", every = 5, factor = 0.5 }"#)];
        let recipe = with(Some("finetune-digits"), &kind).unwrap();
        assert_eq!(recipe.schedule.kind, ScheduleKind::Step { every: 5, factor: 0.5 });
    }

    #[test]
    fn a_schedule_can_be_given_by_its_name() {
        for key in ["schedule", "schedule.kind", "schedule.kind.name"] {
            let recipe = with(Some("keras-mnist"), &[(key, "cosine")]).unwrap();
            assert_eq!(recipe.schedule.kind, ScheduleKind::Cosine { final_scale: 0.0 }, "{key}");
        }
        let error = with(None, &[("schedule", "cosin")]).unwrap_err();
        assert!(error.contains("`cosin`") && error.contains("`cosine`"), "{error}");
    }

    #[test]
    fn a_value_of_another_type_is_told_in_plain_words() {
        for (key, value, expected) in [
            (
                "train.epochs",
                "abc",
                "`train.epochs` is `abc`, expected a whole number of 0 or more",
            ),
            ("train.epochs", "-1", "`train.epochs` is -1, expected a whole number of 0 or more"),
            (
                "optimizer.learning_rate",
                "fast",
                "`optimizer.learning_rate` is `fast`, expected a number",
            ),
            ("train", "1", "`train` is 1, expected a table"),
            ("groups", "1", "`groups` is 1, expected a list such as [1, 2] or [\"a\", \"b\"]"),
            ("data.classes", "[1]", "`data.classes[0]` is 1, expected text"),
            (
                "train.balance",
                "los",
                "`train.balance` is `los`, expected one of `none`, `loss`, `sampling`",
            ),
            ("log.report", "1", "`log.report` is 1, expected true or false"),
            ("groups", "[{ name = 1 }]", "`groups[0].name` is 1, expected text"),
            ("schedule", "step", "`schedule.kind.every` is missing"),
            (
                "train.epoch",
                "3",
                "unknown key `train.epoch`, expected one of `train.epochs`, `train.batch",
            ),
            ("method.rank", "3", "unknown key `method.rank`, expected one of `method.layer_decay`"),
        ] {
            let error = with(Some("keras-mnist"), &[(key, value)]).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
        let resize = "expected one of \"asis\", \"stretch\", \"fit\", \"digit\", or { crop = 0.875 }, or { crop = { edge = 256, of = 224 } }";
        let error = with(None, &[("image.placement", "crop")]).unwrap_err();
        assert_eq!(error, format!("`image.placement` is `crop`, {resize}"));
        assert!(with(None, &[("image.placement", "{ crop = 0.9, of = 3 }")]).is_err());
    }

    #[test]
    fn no_key_s_error_speaks_in_the_words_of_its_parser() {
        let words = [
            "invalid type",
            "invalid value",
            "unknown variant",
            "missing field",
            "unknown field",
            "expected struct",
            "variant",
            "enum",
            "usize",
            "u64",
            "f64",
            "sequence",
            "newtype",
            "serde",
        ];
        let values = [
            "abc",
            "-1",
            "0.5",
            "true",
            "[1]",
            "[\"a\"]",
            "{ a = 1 }",
            "{ name = \"a\" }",
            "1979-05-27",
        ];
        let methods = ["full", "head", "last-2", "gradual", "lora"];
        let kinds =
            ["constant", "linear", "cosine", "{ name = \"step\", every = 1, factor = 0.5 }"];
        let rules = ["sgd", "adadelta", "adagrad", "rmsprop", "adam", "adamw"];
        let averages = ["ema", "swa"];
        let mut bases: Vec<Vec<(&str, &str)>> = vec![Vec::new()];
        bases.extend(methods.map(|method| vec![("method", method)]));
        bases.extend(kinds.map(|kind| vec![("schedule.kind", kind)]));
        bases.extend(rules.map(|rule| vec![("optimizer", rule)]));
        bases.extend(averages.map(|average| vec![("average", average)]));
        let (mut errors, mut bad) = (0, Vec::new());
        for base in bases {
            let recipe = with(None, &base).unwrap();
            let mut nodes = vec![(String::new(), Value::try_from(&recipe).unwrap())];
            let mut keys = Vec::new();
            while let Some((key, value)) = nodes.pop() {
                if let Value::Table(table) = value {
                    let dotted = |name| if key.is_empty() { name } else { format!("{key}.{name}") };
                    nodes.extend(table.into_iter().map(|(name, value)| (dotted(name), value)));
                }
                keys.push(key);
            }
            keys.retain(|key| !key.is_empty() && key != "taper_version");
            // Of the tables that another base has not changed, once is enough.
            let changed = base.first().map_or("", |(key, _)| key.split('.').next().unwrap());
            for key in keys.iter().filter(|key| key.starts_with(changed)) {
                for value in values {
                    let overrides: Vec<_> =
                        base.iter().copied().chain([(key.as_str(), value)]).collect();
                    let Err(error) = with(None, &overrides) else { continue };
                    errors += 1;
                    // What a key is called may be a word of the parser.
                    let told = error.replace(key.as_str(), "").replace("a `name`", "");
                    let table = key.split('.').next().unwrap();
                    if words.iter().any(|word| told.contains(word))
                        || !error.contains(table)
                        || error.lines().count() > 1
                    {
                        bad.push(format!("{key} = {value}: {error}"));
                    }
                }
            }
        }
        assert!(bad.is_empty(), "{}", bad.join("\n"));
        assert!(errors > 500, "{errors}");
    }

    #[test]
    fn a_fault_of_a_recipe_file_is_told_of_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mine.toml");
        std::fs::write(&path, "[train]\nepoch = 3").unwrap();
        let error = with(path.to_str(), &[("train.epochs", "3")]).unwrap_err();
        assert!(error.contains("mine.toml: unknown key `train.epoch`"), "{error}");
    }

    #[test]
    fn whole_numbers_do_for_floats() {
        let recipe = with(None, &[("optimizer", "sgd"), ("optimizer.learning_rate", "1")]).unwrap();
        assert_eq!(recipe.optimizer.learning_rate(), 1.0);
    }

    #[test]
    fn an_unknown_key_is_an_error_that_names_those_there_are() {
        let error = with(None, &[("train.epoch", "3")]).unwrap_err();
        assert!(error.contains("`train.epoch`") && error.contains("`train.epochs`"), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }

    #[test]
    fn a_recipe_file_that_is_no_toml_is_an_error_in_one_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mine.toml");
        std::fs::write(&path, "[train\nepochs = 3").unwrap();
        let error = with(path.to_str(), &[]).unwrap_err();
        assert!(error.contains("mine.toml"), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

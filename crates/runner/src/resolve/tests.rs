use taper_dataset::Augment;
use taper_optimizer::{Adadelta, Adam, CosineDecay, StepDecay};
use toml::Value;

use super::*;
use crate::recipe::Named;

fn with(base: Option<&str>, overrides: &[(&str, &str)]) -> Result<Recipe, String> {
    let overrides: Vec<_> = overrides.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
    resolve(base, &overrides, &Registry::new()).map_err(|e| e.to_string())
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
    assert_eq!(recipe.optimizer, Named::new("adadelta", &rule));
    assert_eq!(recipe.optimizer.number("learning_rate"), Some(1.0));
}

#[test]
fn every_named_recipe_resolves_and_survives_being_written() {
    for name in Registry::new().recipe_names() {
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
    assert_eq!(recipe.optimizer, Named::new("adam", &rule));
}

#[test]
fn a_policy_stands_for_all_its_settings_and_keys_change_it() {
    let recipe = with(None, &[("augment", "digits"), ("augment.rotation", "3")]).unwrap();
    let digits = Augment::preset("digits").unwrap();
    assert_eq!(recipe.augment.settings, Augment { rotation: 3.0, ..digits });
    let recipe = with(None, &[("augment", "cifar"), ("augment", "light")]).unwrap();
    assert_eq!(Some(recipe.augment.settings), Augment::preset("light"));
    let error = with(None, &[("augment", "digit")]).unwrap_err();
    assert!(error.starts_with("unknown augmentation `digit`, expected one of: none"), "{error}");
}

#[test]
fn another_schedule_replaces_all_settings_of_the_one_before() {
    let overrides = [("schedule.kind.name", "step"), ("schedule.kind.every", "5")];
    let error = with(Some("finetune-digits"), &overrides).unwrap_err();
    assert!(error.contains("factor"), "{error}");
    let kind = [("schedule.kind", r#"{ name = "step", every = 5, factor = 0.5 }"#)];
    let recipe = with(Some("finetune-digits"), &kind).unwrap();
    assert_eq!(recipe.schedule.kind, Named::new("step", &StepDecay { every: 5, factor: 0.5 }));
}

#[test]
fn a_schedule_can_be_given_by_its_name() {
    for key in ["schedule", "schedule.kind", "schedule.kind.name"] {
        let recipe = with(Some("keras-mnist"), &[(key, "cosine")]).unwrap();
        assert_eq!(
            recipe.schedule.kind,
            Named::new("cosine", &CosineDecay { final_scale: 0.0 }),
            "{key}"
        );
    }
    let error = with(None, &[("schedule", "cosin")]).unwrap_err();
    assert!(
        error.starts_with("unknown schedule `cosin`, expected one of: constant, cosine,"),
        "{error}"
    );
}

#[test]
fn a_value_of_another_type_is_told_in_plain_words() {
    for (key, value, expected) in [
        ("train.epochs", "abc", "`train.epochs` is `abc`, expected a whole number of 0 or more"),
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
    let kinds = ["constant", "linear", "cosine", "{ name = \"step\", every = 1, factor = 0.5 }"];
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
fn a_name_in_a_recipe_file_that_nothing_has_is_told_of_the_file_and_one_of_a_flag_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.toml");
    for (toml, expected) in [
        ("optimizer = \"admw\"", "unknown optimizer `admw`"),
        ("[optimizer]\nname = \"admw\"", "unknown optimizer `admw`"),
        ("schedule = \"cosin\"", "unknown schedule `cosin`"),
        ("loss = \"focl\"", "unknown loss `focl`"),
        ("method = \"haed\"", "unknown method `haed`"),
        ("[augment.scam]\nby = 1", "unknown augmentation `scam`"),
        ("[model]\nnet = \"lenet\"", "unknown net `lenet`, expected one of"),
        ("[select]\nmetric = \"f1\"", "`select.metric` is `f1`, expected one of"),
        ("[augment]\nnoise = -1", "augment.noise is -1, expected"),
    ] {
        std::fs::write(&path, toml).unwrap();
        let error = with(path.to_str(), &[]).unwrap_err();
        assert!(error.starts_with("recipe ") && error.contains("mine.toml: "), "{error}");
        assert!(error.contains(expected), "{toml}: {error}");
    }
    std::fs::write(&path, "optimizer = \"admw\"").unwrap();
    let error = with(path.to_str(), &[("optimizer", "sdg")]).unwrap_err();
    assert!(error.starts_with("unknown optimizer `sdg`"), "{error}");
    assert!(with(path.to_str(), &[("optimizer", "sgd")]).is_ok());
}

#[test]
fn whole_numbers_do_for_floats() {
    let recipe = with(None, &[("optimizer", "sgd"), ("optimizer.learning_rate", "1")]).unwrap();
    assert_eq!(recipe.optimizer.number("learning_rate"), Some(1.0));
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

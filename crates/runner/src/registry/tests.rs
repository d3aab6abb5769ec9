use candle_core::Tensor;
use serde::Deserialize;
use taper_dataset::Image;
use taper_dataset::augment::Scratch;
use taper_dataset::random::Random;
use taper_model::loss::{LossError, Targets};
use taper_optimizer::Sgd;

use super::*;
use crate::plan::Plan;
use crate::resolve;

/// A course without settings, as one writes it first.
#[derive(Debug, Serialize, Deserialize)]
struct Half;

impl ScheduleKind for Half {
    fn scale(&self, _: u64, _: u64) -> f64 {
        0.5
    }
}

/// A loss whose settings have the names of tables of a recipe.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Odd {
    kind: String,
    method: String,
    average: String,
    optimizer: String,
    /// What it gives: nothing for the mean.
    gives: String,
}

impl Loss for Odd {
    fn loss(&self, logits: &Tensor, targets: &Targets) -> Result<Tensor, LossError> {
        targets.classes()?;
        Ok(match self.gives.as_str() {
            "each" => logits.sum(1)?,
            "wide" => logits.mean_all()?.to_dtype(candle_core::DType::F64)?,
            _ => logits.mean_all()?,
        })
    }
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Called {
    name: String,
}

impl ScheduleKind for Called {
    fn scale(&self, _: u64, _: u64) -> f64 {
        1.0
    }
}

fn set(keys: &[(&str, &str)]) -> Vec<(String, String)> {
    keys.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
}

fn plan(keys: &[(&str, &str)], registry: &Registry) -> Result<Plan, String> {
    let recipe = resolve(None, &set(keys), registry).map_err(|error| error.to_string())?;
    Plan::new(recipe, registry).map_err(|error| error.to_string())
}

#[test]
fn a_part_without_settings_is_a_struct_without_fields() {
    let mut registry = Registry::new();
    registry.add_schedule::<Half>("half");
    assert_eq!(plan(&[("schedule", "half")], &registry).unwrap().recipe.schedule.kind.name, "half");
    let error = plan(&[("schedule", "half"), ("schedule.kind.by", "2")], &registry).err().unwrap();
    assert_eq!(error, "unknown key `schedule.kind.by`, expected none here");
    let settings = Named::new("half", &Half).settings;
    assert!(settings.is_empty());
}

#[test]
fn settings_of_ones_own_may_be_called_as_keys_of_a_recipe_are() {
    let mut registry = Registry::new();
    registry.add_loss::<Odd>("odd");
    let keys = ["kind", "method", "average", "optimizer"].map(|key| (format!("loss.{key}"), "x"));
    let keys: Vec<_> = keys.iter().map(|(key, value)| (key.as_str(), *value)).collect();
    let recipe = resolve(None, &set(&[&[("loss", "odd")], &keys[..]].concat()), &registry).unwrap();
    for key in ["kind", "method", "average", "optimizer"] {
        assert_eq!(recipe.loss.settings[key].as_str(), Some("x"), "{key}");
    }
}

/// An augmentation whose random numbers are those of a lane.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Lane<const LANE: u32>;

impl<const LANE: u32> Augmentation for Lane<LANE> {
    fn name(&self) -> &str {
        "lane"
    }

    fn lane(&self) -> u32 {
        LANE
    }

    fn apply(&self, _: &mut Image, _: &mut Random, _: &mut Scratch) {}
}

#[test]
fn augmentations_that_draw_the_same_random_numbers_are_refused() {
    let mut registry = Registry::new();
    registry.add_augment::<Lane<128>>("a");
    registry.add_augment::<Lane<{ 128 + 256 }>>("b");
    registry.add_augment::<Lane<{ 128 + 256 }>>("c");
    registry.add_augment::<Lane<9>>("blurred");
    let tried = |names: &[&str]| {
        let mut recipe = AugmentRecipe::default();
        recipe.own.extend(names.iter().map(|name| (name.to_string(), toml::Table::new())));
        registry.policy(&mut recipe).map(|_| ()).map_err(|error| error.to_string())
    };
    assert_eq!(tried(&["a", "b"]), Ok(()));
    let error = tried(&["b", "c"]).unwrap_err();
    assert!(
        error.starts_with(
            "`augment.c` is an augmentation that draws the random numbers of `b`, expected one"
        ),
        "{error}"
    );
    let error = tried(&["blurred"]).unwrap_err();
    assert!(error.contains("of one that comes with Taper"), "{error}");
}

#[test]
fn a_setting_called_name_is_refused() {
    let mut registry = Registry::new();
    registry.add_schedule::<Called>("called");
    let error = plan(&[("schedule", "called")], &registry).err().unwrap();
    assert!(error.contains("a setting is called `name`"), "{error}");
}

#[test]
fn a_name_that_something_else_has_is_refused() {
    let with = |add: fn(&mut Registry)| {
        let mut registry = Registry::new();
        add(&mut registry);
        plan(&[], &registry).err().unwrap_or_default()
    };
    for (what, name, add) in [
        ("schedule", "cosine", (|r| r.add_schedule::<Half>("cosine")) as fn(&mut Registry)),
        ("loss", "cross-entropy", |r| r.add_loss::<Odd>("cross-entropy")),
        ("optimizer", "adam", |r| r.add_rule::<Sgd>("adam")),
        ("optimizer", "adam-keras", |r| r.add_rule::<Sgd>("adam-keras")),
        ("metric", "accuracy", |r| r.add_metric("accuracy", Better::More, |_| 0.0)),
        ("metric", "loss", |r| r.add_metric("loss", Better::Less, |_| 0.0)),
    ] {
        let expected = format!(
            "the {what} `{name}` of this program has the name of another that is known; call it otherwise"
        );
        assert_eq!(with(add), expected);
    }
    let twice = |r: &mut Registry| {
        r.add_metric("cost", Better::Less, |_| 0.0);
        r.add_metric("cost", Better::Less, |_| 1.0);
    };
    assert!(with(twice).starts_with("the metric `cost` of this program"));
    // The same again is the same.
    let same = |r: &mut Registry| {
        r.add_rule::<Sgd>("sgd");
        (0..2).for_each(|_| r.add_metric("cost", Better::Less, |_| 0.0));
    };
    assert_eq!(with(same), "");
}

#[test]
fn what_a_loss_does_not_take_or_give_is_told_before_the_first_step() {
    let mut registry = Registry::new();
    registry.add_loss::<Odd>("odd");
    let odd = [("loss", "odd")];
    assert!(plan(&odd, &registry).is_ok());
    let error = plan(&[&odd[..], &[("augment.mixup", "0.4")]].concat(), &registry).err().unwrap();
    assert!(
        error.starts_with("`loss` is `odd`, expected one that takes what is trained on"),
        "{error}"
    );
    assert!(error.contains("mixup"), "{error}");
    for (gives, found) in [("each", "f32 of shape [2]"), ("wide", "f64 of shape []")] {
        let keys = [("loss", "odd"), ("loss.gives", gives)];
        let error = plan(&keys, &registry).err().unwrap();
        let expected = format!(
            "`loss` is `odd`, which gives {found}, expected one that gives one f32, the mean over the images"
        );
        assert_eq!(error, expected);
    }
}

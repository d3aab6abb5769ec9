//! The recipe: every knob of a run, its default and its unit.
//!
//! A recipe is a TOML file. It is resolved in layers, each overriding the one before: the defaults,
//! a named recipe (`keras-mnist`), a recipe file, single keys (`train.epochs=3`). What comes out is
//! complete: the run writes it to `recipe.toml`, and that file alone repeats the run.
//!
//! Each key is declared once, by `settings!`: the struct's field, its default, and its description
//! in [`keys`](tables::keys), which the command line shows, come from there.

mod callbacks;
mod choices;
mod keys;
mod method;
mod named;
mod tables;

mod differences;
mod layers;

pub use callbacks::{
    CalibrationRecipe, CardRecipe, CheckpointRecipe, EarlyStoppingRecipe, GuardRecipe, LogRecipe,
    NonFinite, PlateauRecipe, SelectRecipe,
};
pub use choices::{Choice, choices};
pub(crate) use differences::{differences, recipe_differences};
pub use keys::Key;
pub(crate) use layers::{invalid, merge, override_keys, table_of};
pub use layers::{read_resolved, resolved};
pub use method::{
    FeatureCache, FullMethod, GradualMethod, HeadMethod, LastNMethod, LoraMethod, Method,
};
pub use named::{AugmentRecipe, Named, ScheduleRecipe};
pub use tables::{
    Balance, BrokenImages, DataRecipe, ImageRecipe, ModelRecipe, Recipe, TrainRecipe, keys,
};

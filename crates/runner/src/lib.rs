//! From a recipe to a trained model and its scores.
//!
//! cargo optimizes nothing by default, and training takes thirty times as long then, which a run says once. This
//! in the `Cargo.toml` of a program optimizes what it depends on:
//!
//! ```toml
//! [profile.dev.package."*"]
//! opt-level = 3
//! ```
//!
//! A [`Recipe`] holds every setting; [`resolve`] layers it from defaults, a named recipe, a file and
//! single keys. A [`Plan`] is a recipe validated, with the data open and the weights read; [`run`]
//! carries it out and leaves a run's folder, to which `taper_report::complete` adds the model card and the
//! page. [`open_run`] opens one again. What the runner
//! knows by name is a [`Registry`]; a caller adds nets, data sets and weights of its own. A run that
//! was killed or suspended goes on ([`Existing::Resume`]) and ends with the bits of one that never stopped.
//!
//! ```no_run
//! use taper_runner::{Existing, FolderLock, Plan, Registry, resolve, run};
//!
//! let registry = Registry::new();
//! let mut recipe = resolve(Some("keras-mnist"), &[], &registry)?;
//! recipe.data.source = "photos".to_string();
//! let folder = FolderLock::take("runs/photos".as_ref())?;
//! let plan = Plan::new(recipe, &registry)?;
//! let outcome = run(&plan, &folder, Existing::Refuse, Vec::new())?;
//! println!("{:.2} %", 100.0 * outcome.results.after.accuracy);
//! # Ok::<(), taper_runner::RunnerError>(())
//! ```

mod fault;

mod error;

mod processes;

mod hub;
mod pretrained;
mod recipe;
mod registry;
mod resolve;

mod contamination;
mod data;
mod image_kind;
mod method;
mod plan;

mod last_batch;
mod load;
mod machine;
mod memory;

pub mod checkpoint;
mod features;
pub mod observe;
mod position;
mod train;

mod calibrate;
mod finish;
mod mistakes;
mod results;
mod saliency;
mod scores;

mod agreement;
mod evaluate;
mod open_weights;
mod outcome;
mod resume;
mod run;

mod builder;

pub use builder::Run;
pub use data::{Data, split_dataset};
pub use error::{
    DataError, Difference, RecipeError, ResumeError, RunnerError, TrainingError, setting,
};
pub use evaluate::{Evaluated, EvaluationParts, EvaluationSet, evaluate_on, open_run};
pub use fault::{Fault, settings_of, table_of_text};
pub use image_kind::{ImageKind, image_kind};
pub use load::{Loaded, load};
pub use open_weights::open_weights;
pub use outcome::Outcome;
pub use plan::Plan;
pub use position::{EpochSums, Position};
pub use pretrained::{resolve_pretrained, resolve_untrained};
#[cfg(feature = "mpi")]
pub use processes::Mpi;
pub use processes::{Processes, Transport};
pub use recipe::{
    AugmentRecipe, Balance, BrokenImages, CalibrationRecipe, CardRecipe, CheckpointRecipe, Choice,
    DataRecipe, EarlyStoppingRecipe, FeatureCache, FullMethod, GradualMethod, GuardRecipe,
    HeadMethod, ImageRecipe, Key, LastNMethod, LogRecipe, LoraMethod, Method, ModelRecipe, Named,
    NonFinite, PlateauRecipe, Recipe, ScheduleRecipe, SelectRecipe, TrainRecipe, choices, keys,
    read_resolved, resolved,
};
pub use registry::{Metrics, Registry};
pub use resolve::resolve;
pub use run::{Existing, follow, from_scratch, run};
pub use scores::{judgement, scores};
/// The crates that a run is made of, in the versions that go together.
pub use {
    taper_classifier, taper_dataset, taper_metrics, taper_model, taper_optimizer, taper_pretrained,
    taper_run_folder,
};

/// candle, in the version that this crate is built with.
pub use candle_core as candle;

pub use taper_classifier::{
    Classifier, DeviceChoice, Evaluation, Prediction, Tta, evaluate, summarize,
};
pub use taper_pretrained::Models;
pub use taper_run_folder::{
    Better, DataResults, ExtendedScores, FolderLock, Metric, OwnScore, ParameterCounts, Results,
    RunFolder, RunFolderError, Scores,
};
pub use train::{Sweep, SweepConfig, SweepPoint, Training, sweep, train};

/// The README's example, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

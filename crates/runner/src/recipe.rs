//! The recipe: every knob of a run, its default and its unit.
//!
//! A recipe is a TOML file. It is resolved in layers, each overriding the one before: the defaults
//! below, a named recipe (`keras-mnist`), a recipe file, single keys (`train.epochs=3`). What comes
//! out is complete: the run writes it to `recipe.toml`, and that file alone repeats the run.

mod card;
mod differences;
mod groups;
mod layers;
mod long_runs;
mod method;

use std::path::Path;

use serde::{Deserialize, Serialize};
use taper_classifier::{DeviceChoice, Tta};
use taper_dataset::{Augment, Filter, Placement};
use taper_model::weights::Layout;
use taper_optimizer::{AdamW, AverageConfig, RuleConfig, Schedule};

use taper_pretrained::{Fit, Rename};

use crate::error::RecipeError;

pub(crate) use differences::{check_recipe, recipe_differences};
pub(crate) use layers::layered;
pub use layers::{NAMED, named, resolve};
pub use long_runs::{
    CalibrationRecipe, CheckpointRecipe, EarlyStoppingRecipe, GuardRecipe, LogRecipe, NonFinite,
    PlateauRecipe, SelectRecipe,
};

pub use card::CardRecipe;
pub use groups::GroupRecipe;
pub use method::{FeatureCache, Method};

/// Every setting of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Recipe {
    /// The version of Taper that resolved the recipe; written, and not read back.
    pub taper_version: String,
    /// Seed of initialization, order and dropout. Default 0.
    pub seed: u64,
    /// Where the run computes: `auto`, `cpu`, `cuda`, `cuda:N` or `metal`. Default `auto`: the first GPU that this
    /// program was built for and that is there, else the CPU; a run writes which it was.
    pub device: DeviceChoice,
    /// Where the images come from and how they are divided.
    pub data: DataRecipe,
    /// How an image becomes the net's input.
    pub image: ImageRecipe,
    /// How images to train on are changed at random: a table, or the name of a policy (`none`,
    /// `light`, `digits`, `cifar`, `imagenet`). Default `none`.
    pub augment: Augment,
    /// The net and the weights it starts from.
    pub model: ModelRecipe,
    /// Which parameters are trained. Default `full`: all.
    pub method: Method,
    /// Epochs, batches, loss and clipping.
    pub train: TrainRecipe,
    /// The learning rate over the run.
    pub schedule: Schedule,
    /// The update rule, its learning rate and its other hyperparameters. Default `adamw`.
    pub optimizer: RuleConfig,
    /// Parameters with a learning rate or a weight decay of their own. Default none.
    pub groups: Vec<GroupRecipe>,
    /// The average of the weights that is validated and saved in their place. Default `none`.
    pub average: AverageConfig,
    /// When the state of the run is saved.
    pub checkpoint: CheckpointRecipe,
    /// What happens when loss or gradient is not finite.
    pub guard: GuardRecipe,
    /// Which epoch's weights the run ends with.
    pub select: SelectRecipe,
    /// When a run that no longer gets better ends.
    pub early_stopping: EarlyStoppingRecipe,
    /// When the learning rate of a run that no longer gets better is lowered.
    pub plateau: PlateauRecipe,
    /// What is fitted on the validation part at the end.
    pub calibration: CalibrationRecipe,
    /// What the run tells of itself.
    pub log: LogRecipe,
    /// What the model card says beside what the run knows.
    pub card: CardRecipe,
}

/// Where the images come from and how they are divided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DataRecipe {
    /// A file or folder, the name of a data set, or `hub:OWNER/NAME`; `docs/data.md` has them all.
    /// Default `digits`.
    pub source: String,
    /// The column of images, or of their paths, of a list or a parquet file. Default empty: found by
    /// its name or type.
    pub image_column: String,
    /// The column of labels of a list or a parquet file. Default empty: found by its name or type.
    pub label_column: String,
    /// Take these classes only, numbered in this order. Default empty: all.
    pub classes: Vec<String>,
    /// The share held out for testing when the source has no test part of its own. Default 0.2.
    pub test_fraction: f64,
    /// The share held out for validation: of all images, or of the training part where the source
    /// has a test part of its own. Default 0: no validation.
    pub validation_fraction: f64,
    /// Seed of the stratified split; independent of the run's seed. Default 0.
    pub split_seed: u64,
    /// Train on one of this many stratified folds' complement and test on the fold, both taken
    /// from the training part alone: the held-out part stays unseen. Default 0: off.
    pub folds: usize,
    /// Which fold is tested, from 0.
    pub fold: usize,
    /// Take at most so many images of each part, evenly spread over the classes. Default 0: all.
    pub limit: usize,
    /// Take at most so many images of each class to train on, drawn at random. Default 0: all.
    pub per_class: usize,
    /// Seed of that draw, independent of the split's and the run's. Default 0.
    pub draw_seed: u64,
    /// What happens when images cannot be read. Default `stop`.
    pub broken: BrokenImages,
    /// Images of a part that are decoded once and kept, in MiB at the net's size; a part that takes
    /// more is decoded anew in each epoch. Default 1024.
    pub cache_mib: usize,
    /// Train on so many batches of the training part, and validate on the same: a net that can
    /// learn at all gets them right. Default 0: off.
    pub overfit_batches: usize,
}

/// What happens when images cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BrokenImages {
    /// The run stops, all of them having been listed.
    #[default]
    Stop,
    /// They are left out; every image is decoded once before the run to find them.
    Skip,
}

/// How an image becomes the net's input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ImageRecipe {
    /// Height in pixels; 0 takes the net's default.
    pub height: usize,
    /// Width in pixels; 0 takes the net's default.
    pub width: usize,
    /// 1 (grey) or 3 (RGB); 0 takes the net's default.
    pub channels: usize,
    /// How an image of another size is brought to this one. Default `stretch`.
    pub placement: Placement,
    /// How pixels are weighed when an image is resized. Default `bilinear`.
    pub filter: Filter,
    /// Subtracted from each channel after scaling to 0..1; one number stands for all. Default 0.
    pub mean: Vec<f64>,
    /// Divides each channel after the mean is subtracted; one number stands for all. Default 1.
    pub std: Vec<f64>,
    /// Take mean and standard deviation of the training part in place of the two above; of a fold,
    /// its training part. Default false.
    pub fit_normalization: bool,
}

/// The net and the weights it starts from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ModelRecipe {
    /// Name of the net. Default `keras-cnn`.
    pub net: String,
    /// A file (safetensors, PyTorch's, the index of several), a folder of the Hub's layout, the
    /// folder of a run, `hub:OWNER/NAME[@REVISION]`, or a name that the registry knows; empty: the
    /// weights are initialized from the seed. Default empty.
    pub weights: String,
    /// The net's key map that the file's names need, such as `transformers`; empty: none. What is
    /// given in `renames` is applied after it. Default empty.
    pub key_map: String,
    /// How the file stores its arrays: `pytorch` or `keras`. Default `pytorch`.
    pub layout: LayoutRecipe,
    /// Renames of the file's tensors, `from` to `to`, tried in the order written. Default none.
    pub renames: Vec<Rename>,
    /// Parameters that stay as loaded, by name or pattern (`conv*`). Default none.
    pub freeze: Vec<String>,
    /// Batch norms use their running statistics in training too, and leave them as they are.
    /// Default false; those whose parameters are all frozen do so anyway.
    pub freeze_statistics: bool,
    /// Parameters that the file may lack (they are initialized), by name or pattern.
    pub allow_missing: Vec<String>,
    /// Tensors of the file that the net need not use, by name or pattern.
    pub allow_unused: Vec<String>,
}

/// How a weights file stores its arrays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LayoutRecipe {
    /// Convolution kernels (out, in, height, width), dense ones (out, in).
    Pytorch,
    /// Convolution kernels (height, width, in, out), dense ones (in, out), flattened channels last.
    Keras,
}

/// Epochs, batches, loss and clipping.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainRecipe {
    /// Passes over the training part. Default 12.
    pub epochs: usize,
    /// Images at once when training. Default 128.
    pub batch_size: usize,
    /// Batches whose gradients make one update, as if they were one batch. Default 1.
    pub accumulate: usize,
    /// End after so many updates; the schedule ends with them. Default 0: with the last epoch.
    pub max_steps: u64,
    /// End after so many minutes. Default 0: with the last epoch.
    pub max_minutes: f64,
    /// Images at once when evaluating; no more than keep its working memory within a gibibyte. Default 500.
    pub eval_batch_size: usize,
    /// Label smoothing, 0 to below 1. Default 0.
    pub label_smoothing: f64,
    /// Weight of each class in the loss, in the classes' order. Default empty: all equal.
    pub class_weights: Vec<f64>,
    /// What is done about classes with more images than others: `none`; `loss`, their images weigh
    /// less; `sampling`, each epoch has as many images of each class. Default `none`.
    pub balance: Balance,
    /// Compute activations again in backward where they would take much memory: slower, smaller.
    /// Nets of few layers (keras-cnn, digit-cnn) have nothing that is worth it and keep all.
    /// Default false.
    pub recompute: bool,
    /// Largest global norm of the gradients; 0: not clipped. Default 0.
    pub clip_norm: f64,
    /// Largest absolute value of a gradient's element; 0: not clipped. Default 0.
    pub clip_value: f64,
}

/// What is done about classes with more images than others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Balance {
    /// Nothing.
    None,
    /// The loss weighs each class by n / (classes * its images): scikit-learn's `balanced`.
    Loss,
    /// Each epoch has as many images of each class; those of small classes come several times,
    /// those of large ones in turns over the epochs.
    Sampling,
}

impl Default for Recipe {
    fn default() -> Self {
        Self {
            taper_version: String::new(),
            seed: 0,
            device: DeviceChoice::default(),
            data: DataRecipe::default(),
            image: ImageRecipe::default(),
            augment: Augment::none(),
            model: ModelRecipe::default(),
            method: Method::default(),
            train: TrainRecipe::default(),
            schedule: Schedule::default(),
            optimizer: RuleConfig::AdamW(AdamW::pytorch()),
            groups: Vec::new(),
            average: AverageConfig::default(),
            checkpoint: CheckpointRecipe::default(),
            guard: GuardRecipe::default(),
            select: SelectRecipe::default(),
            early_stopping: EarlyStoppingRecipe::default(),
            plateau: PlateauRecipe::default(),
            calibration: CalibrationRecipe::default(),
            log: LogRecipe::default(),
            card: CardRecipe::default(),
        }
    }
}

impl Default for DataRecipe {
    fn default() -> Self {
        Self {
            source: "digits".to_string(),
            image_column: String::new(),
            label_column: String::new(),
            test_fraction: 0.2,
            validation_fraction: 0.0,
            split_seed: 0,
            folds: 0,
            fold: 0,
            classes: Vec::new(),
            limit: 0,
            per_class: 0,
            draw_seed: 0,
            broken: BrokenImages::Stop,
            cache_mib: 1024,
            overfit_batches: 0,
        }
    }
}

impl Default for ImageRecipe {
    fn default() -> Self {
        Self {
            height: 0,
            width: 0,
            channels: 0,
            placement: Placement::default(),
            filter: Filter::default(),
            mean: vec![0.0],
            std: vec![1.0],
            fit_normalization: false,
        }
    }
}

impl Default for ModelRecipe {
    fn default() -> Self {
        Self {
            net: "keras-cnn".to_string(),
            weights: String::new(),
            key_map: String::new(),
            layout: LayoutRecipe::Pytorch,
            renames: Vec::new(),
            freeze: Vec::new(),
            freeze_statistics: false,
            allow_missing: Vec::new(),
            allow_unused: Vec::new(),
        }
    }
}

impl Default for TrainRecipe {
    fn default() -> Self {
        Self {
            epochs: 12,
            batch_size: 128,
            accumulate: 1,
            max_steps: 0,
            max_minutes: 0.0,
            eval_batch_size: 500,
            label_smoothing: 0.0,
            class_weights: Vec::new(),
            balance: Balance::None,
            recompute: false,
            clip_norm: 0.0,
            clip_value: 0.0,
        }
    }
}

impl Recipe {
    /// Several views of each image: as the recipe's augmentation shows images, what hides something left
    /// out; with the policy `light` where there is none.
    pub fn tta(&self, views: u64) -> Tta {
        Tta { views, augment: self.augment.views(), seed: self.seed }
    }

    /// As `recipe.toml` has it.
    ///
    /// # Errors
    /// A number that TOML cannot hold.
    pub fn to_toml(&self) -> Result<String, RecipeError> {
        toml::to_string(self).map_err(|error| RecipeError::Invalid {
            origin: "recipe.toml".to_string(),
            reason: error.to_string(),
        })
    }
}

impl ModelRecipe {
    /// How the tensors of the weights are fitted to the net.
    pub fn fit(&self) -> Fit {
        Fit {
            key_map: self.key_map.clone(),
            layout: match self.layout {
                LayoutRecipe::Pytorch => Layout::PyTorch,
                LayoutRecipe::Keras => Layout::Keras,
            },
            renames: self.renames.clone(),
            freeze: self.freeze.clone(),
            freeze_statistics: self.freeze_statistics,
            allow_missing: self.allow_missing.clone(),
            allow_unused: self.allow_unused.clone(),
        }
    }
}

/// Reads a complete recipe, as a run writes it.
///
/// # Errors
/// The file cannot be read, or is no recipe.
pub fn read_resolved(path: &Path) -> Result<Recipe, RecipeError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| RecipeError::Io { path: path.to_path_buf(), source })?;
    toml::from_str(&text).map_err(|e| RecipeError::Invalid {
        origin: path.display().to_string(),
        reason: layers::one_line(&e.to_string()),
    })
}

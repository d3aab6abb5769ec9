//! The recipe's tables, and their keys as data.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use taper_classifier::{DeviceChoice, Tta};
use taper_dataset::{Filter, ResizeMode};
use taper_model::weights::Layout;
use taper_optimizer::{AdamW, AverageConfig, ParamGroup};
use taper_pretrained::{Fit, Rename};
use taper_untrusted::checksums::SETTINGS;

use super::callbacks::{
    CalibrationRecipe, CardRecipe, CheckpointRecipe, EarlyStoppingRecipe, GuardRecipe, LogRecipe,
    PlateauRecipe, SelectRecipe,
};
use super::choices;
use super::keys::{self, Declared, Key, settings};
use super::method::Method;
use super::named::{AugmentRecipe, Named, ScheduleRecipe};
use crate::error::RecipeError;
use crate::fault::Fault;

settings! {
/// Every setting of a run.
"" => Recipe {
    /// The version of Taper that resolved the recipe; written, and not read back.
    taper_version: String = "",
    /// Seed of initialization, order and dropout.
    seed: u64 = 0,
    /// Where to compute: `auto`, `cpu`, `cuda`, `cuda:N` or `metal`; `auto` takes the first GPU that
    /// this program was built for and that is there, else the CPU.
    ///
    /// A run writes down which it was.
    device: DeviceChoice = DeviceChoice::Auto,
    /// Where the images come from and how they are split.
    data: DataRecipe = DataRecipe::default(),
    /// How an image becomes the net's input.
    image: ImageRecipe = ImageRecipe::default(),
    /// Random changes to training images: a policy (`none`, `light`, `digits`, `cifar` or
    /// `imagenet`), or a table of settings such as `augment.rotation`.
    augment: AugmentRecipe = AugmentRecipe::default(),
    /// The net and the weights it starts from.
    model: ModelRecipe = ModelRecipe::default(),
    /// What is trained: `full`, `head`, `last-n` (`last-2`: the last two blocks), `gradual` or
    /// `lora`, each with settings such as `method.rank`.
    method: Method = Method::default(),
    /// Epochs, batches, loss and clipping.
    train: TrainRecipe = TrainRecipe::default(),
    /// The learning rate over the run: `constant`, `linear`, `step`, `exponential`, `cosine` or
    /// `one-cycle`, after a warm-up.
    schedule: ScheduleRecipe = ScheduleRecipe::default(),
    /// The update rule: `sgd`, `adadelta`, `adagrad`, `rmsprop`, `adam` or `adamw` with PyTorch's
    /// defaults, or `sgd-keras`, `adam-keras` and so on with Keras's.
    optimizer: Named = Named::new("adamw", &AdamW::pytorch()),
    /// What is minimized: `cross-entropy`, the softmax cross-entropy, or a loss of a program's own, by name or as a
    /// table with its `name` and settings.
    loss: Named = Named::plain("cross-entropy"),
    /// Parameters with a learning rate or a weight decay of their own.
    groups: Vec<ParamGroup> = [],
    /// The average of the weights that is validated and saved in their place: `none`, `ema` or `swa`.
    average: AverageConfig = AverageConfig::None {},
    /// When the state of the run is saved.
    checkpoint: CheckpointRecipe = CheckpointRecipe::default(),
    /// What happens when loss or gradient is not finite, and when memory is short.
    guard: GuardRecipe = GuardRecipe::default(),
    /// Which epoch's weights the run ends with.
    select: SelectRecipe = SelectRecipe::default(),
    /// When a run that no longer gets better ends.
    early_stopping: EarlyStoppingRecipe = EarlyStoppingRecipe::default(),
    /// When the learning rate of a run that no longer gets better is lowered, on top of the schedule.
    plateau: PlateauRecipe = PlateauRecipe::default(),
    /// What is fitted on the validation part at the end.
    calibration: CalibrationRecipe = CalibrationRecipe::default(),
    /// What the run writes about itself.
    log: LogRecipe = LogRecipe::default(),
    /// What the model card says that the run does not know.
    card: CardRecipe = CardRecipe::default(),
}
}

settings! {
/// Where the images come from and how they are split.
"data." => DataRecipe {
    /// Images: a file or folder (IDX, parquet, a folder per class, a CSV or JSON-lines list,
    /// safetensors), `hub:OWNER/NAME`, or a name (`digits`, `mnist-sample`, `mnist`,
    /// `fashion-mnist`, …).
    ///
    /// `docs/data.md` has them all.
    source: String = "digits",
    /// The column of images, or of their paths, of a list or a parquet file; empty: found by its name
    /// or type.
    image_column: String = "",
    /// The column of labels of a list or a parquet file; empty: found by its name or type.
    label_column: String = "",
    /// The folder that the paths of a list or a table are relative to, itself relative to that of the list
    /// or table; empty: that one.
    image_folder: String = "",
    /// What is added to each path of a list or a table, such as `.png` where it has ids alone.
    image_suffix: String = "",
    /// Take these classes only, numbered in this order; empty: all.
    classes: Vec<String> = [],
    /// The share held out for testing when the source has neither a test nor a validation part of its
    /// own; 0: nothing is held out.
    ///
    /// Where nothing is held out the validation part is scored, and where there is none, what is trained on.
    test_fraction: f64 = 0.2,
    /// The share held out for validation: of all images, or of the training part where the source
    /// has a test part of its own; 0: no validation.
    validation_fraction: f64 = 0.0,
    /// Seed of the stratified split; independent of the run's seed.
    split_seed: u64 = 0,
    /// Train on the complement of one of this many stratified folds and test on the fold, both taken
    /// from the training part alone, so that the held-out part stays unseen; 0: off.
    folds: usize = 0,
    /// Which fold is tested, from 0.
    fold: usize = 0,
    /// Take at most this many images of each part, evenly spread over the classes; 0: all.
    limit: usize = 0,
    /// Take at most this many images of each class to train on, drawn at random; 0: all.
    per_class: usize = 0,
    /// Seed of that draw, independent of the split's and the run's.
    draw_seed: u64 = 0,
    /// What happens when images cannot be read: `stop` or `skip`. The parts are divided with them, so that
    /// `limit` and `per_class` may give as many fewer.
    broken: BrokenImages = BrokenImages::Stop,
    /// Memory for decoded images of a part, in MiB at the net's size; a part that takes more is
    /// decoded again in each epoch.
    cache_mib: usize = 1024,
    /// Train on this many batches of the training part, and validate on the same, to see whether the
    /// net can learn at all; 0: off.
    overfit_batches: usize = 0,
}
}

/// What happens when images cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum BrokenImages {
    /// The run stops, with a list of them.
    #[default]
    Stop,
    /// They are left out; every image is decoded once before the run to find them.
    Skip,
}

settings! {
/// How an image becomes the net's input.
"image." => ImageRecipe {
    /// Height in pixels; 0: the net's default.
    height: usize = 0,
    /// Width in pixels; 0: the net's default.
    width: usize = 0,
    /// 1 (grey) or 3 (RGB); 0: the net's default.
    channels: usize = 0,
    /// How an image of another size is resized: `stretch`, `fit`, `digit`, `asis`, or a centre crop
    /// such as `{ crop = 0.875 }`.
    placement: ResizeMode = ResizeMode::Stretch,
    /// The filter of resizing: `bilinear`, `bicubic` or `area`.
    filter: Filter = Filter::Bilinear,
    /// Subtracted from each channel after scaling to 0..1; one number stands for all channels.
    mean: Vec<f64> = [0.0],
    /// Divides each channel after the mean is subtracted; one number stands for all channels.
    std: Vec<f64> = [1.0],
    /// Take mean and standard deviation of the training part in place of the two above; of a fold,
    /// its training part.
    fit_normalization: bool = false,
}
}

settings! {
/// The net and the weights it starts from.
"model." => ModelRecipe {
    /// The net, by name; `models` lists them all.
    net: String = "keras-cnn",
    /// Weights to start from: a file (safetensors, `.pth`, `.bin`, an index of several), a folder of
    /// the Hub's layout, a run's folder, `hub:OWNER/NAME[@REVISION]`, or a name such as
    /// `keras-cnn-mnist`; empty: random weights, drawn from the seed.
    weights: String = "",
    /// Which weights of a file that holds several: the keys that lead to them, with dots between, such as
    /// `state_dict` or `ema.state_dict`; for safetensors the beginning of their names; empty: the averaged
    /// ones, else the only ones.
    state_key: String = "",
    /// The net's key map that the file's names need, such as `transformers`; empty: none. What is
    /// given in `model.renames` is applied after it.
    key_map: String = "",
    /// How the weights file stores its arrays: `pytorch` (convolution kernels out, in, height, width;
    /// dense layers out, in) or `keras` (height, width, in, out; in, out; flattened channels last).
    layout: Layout = Layout::PyTorch,
    /// Renames of the file's tensors, such as `{ from = "model.*", to = "*" }`, tried in the order
    /// written.
    renames: Vec<Rename> = [],
    /// Keep parameters as loaded, by name or pattern such as `conv*`.
    freeze: Vec<String> = [],
    /// Batch norms use their running statistics in training too, and leave them as they are; those
    /// whose parameters are all frozen do so anyway.
    freeze_statistics: bool = false,
    /// Initialize parameters that the weights lack, by name or pattern.
    allow_missing: Vec<String> = [],
    /// Leave out tensors that the net has no use for, by name or pattern.
    allow_unused: Vec<String> = [],
}
}

settings! {
/// Epochs, batches, loss and clipping.
"train." => TrainRecipe {
    /// Passes over the training part.
    epochs: usize = 12,
    /// Batch size: images per step.
    batch_size: usize = 128,
    /// Batches whose gradients are accumulated into one update, as if they were one batch.
    accumulate: usize = 1,
    /// Pieces of a batch, a power of two: the gradient of each is computed by itself, and they are added in a fixed
    /// tree, so that as many processes at most can share them; batch norm, dropout and mixing see pieces. Under
    /// MPI 1 becomes 8.
    pieces: usize = 1,
    /// Maximum update steps; the schedule ends with them; 0: the run ends with the last epoch.
    max_steps: u64 = 0,
    /// Maximum training time in minutes; 0: the run ends with the last epoch.
    max_minutes: f64 = 0.0,
    /// Batch size of evaluation; no more are taken than keep its working memory within a gibibyte.
    eval_batch_size: usize = 500,
    /// Label smoothing, 0 to below 1.
    label_smoothing: f64 = 0.0,
    /// Weight of each class in the loss, in the classes' order; empty: all equal.
    class_weights: Vec<f64> = [],
    /// Against unequal classes: `none`; `loss` weighs images of large classes less; `sampling` shows
    /// as many images of each class in an epoch.
    balance: Balance = Balance::None,
    /// Compute activations again in backward where they would take much memory: slower, smaller. Nets
    /// whose halves have fewer than three layers keep all.
    recompute: bool = false,
    /// Largest global norm of the gradients; 0: not clipped.
    clip_norm: f64 = 0.0,
    /// Largest absolute value of a gradient's element; 0: not clipped.
    clip_value: f64 = 0.0,
}
}

/// What is done about classes with more images than others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Balance {
    /// Nothing.
    None,
    /// The loss weighs each class by n / (classes * its images): scikit-learn's `balanced`.
    Loss,
    /// Each epoch has as many images of each class; those of small classes come several times,
    /// those of large ones in turns over the epochs.
    Sampling,
}

impl Recipe {
    /// Several views of each image: as the recipe's augmentation shows images, what hides something left
    /// out; with the policy `light` where there is none. A program's own augmentations are left out.
    ///
    /// # Errors
    /// A setting of the augmentation that is outside its range.
    pub fn tta(&self, views: u64) -> taper_dataset::Result<Tta> {
        Ok(Tta { views, augment: self.augment.settings.tta_policy()?, seed: self.seed })
    }

    /// As `recipe.toml` has it.
    ///
    /// # Errors
    /// A number that TOML cannot hold; more than is read of a recipe.
    pub fn to_toml(&self) -> Result<String, RecipeError> {
        let invalid = |reason| super::invalid("recipe.toml")(Fault::Text(reason));
        let text = toml::to_string(self).map_err(|error| invalid(error.to_string()))?;
        match text.len() as u64 {
            ..=SETTINGS => Ok(text),
            found => Err(invalid(format!(
                "complete it has {found} bytes, the limit of what can be read again is {SETTINGS}"
            ))),
        }
    }
}

impl ModelRecipe {
    /// How the tensors of the weights are fitted to the net.
    pub fn fit(&self) -> Fit {
        Fit {
            state_key: self.state_key.clone(),
            key_map: self.key_map.clone(),
            layout: self.layout,
            renames: self.renames.clone(),
            freeze: self.freeze.clone(),
            freeze_statistics: self.freeze_statistics,
            allow_missing: self.allow_missing.clone(),
            allow_unused: self.allow_unused.clone(),
        }
    }
}

/// All keys, table by table, in the order in which a recipe is written.
///
/// ```
/// let epochs = taper_runner::keys().iter().find(|key| key.name == "train.epochs").unwrap();
/// assert_eq!(epochs.summary(), "Passes over the training part");
/// assert_eq!(epochs.default, Some(12.into()));
/// ```
pub fn keys() -> &'static [Key] {
    static ALL: LazyLock<Vec<Key>> = LazyLock::new(|| {
        let tables = Recipe::KEYS.iter().map(Declared::key);
        let mut all = Vec::new();
        for table in tables {
            let mut keys = inside(&table);
            // What other choices than the default's have.
            for setting in choices::settings_of(&table.name) {
                if keys.iter().all(|key| key.name != setting.name) {
                    keys.push(setting);
                }
            }
            all.push(table);
            all.append(&mut keys);
        }
        all
    });
    &ALL
}

/// The keys inside one of the recipe's own.
fn inside(table: &Key) -> Vec<Key> {
    let declared: &[&[Declared]] = match table.name.as_str() {
        "data" => &[DataRecipe::KEYS],
        "image" => &[ImageRecipe::KEYS],
        "model" => &[ModelRecipe::KEYS],
        "method" => Method::KEYS,
        "train" => &[TrainRecipe::KEYS],
        "checkpoint" => &[CheckpointRecipe::KEYS],
        "guard" => &[GuardRecipe::KEYS],
        "select" => &[SelectRecipe::KEYS],
        "early_stopping" => &[EarlyStoppingRecipe::KEYS],
        "plateau" => &[PlateauRecipe::KEYS],
        "calibration" => &[CalibrationRecipe::KEYS],
        "log" => &[LogRecipe::KEYS],
        "card" => &[CardRecipe::KEYS],
        name => {
            return table.default.as_ref().map_or(Vec::new(), |value| keys::within(name, value));
        }
    };
    declared.iter().copied().flatten().map(Declared::key).collect()
}

#[cfg(test)]
mod tests {
    use toml::Value;

    use super::*;

    #[test]
    fn every_key_of_a_written_recipe_is_listed_with_its_default() {
        let written = Value::try_from(Recipe::default()).unwrap();
        let Value::Table(tables) = &written else { panic!("a recipe is a table") };
        let mut wanted = Vec::new();
        for (name, value) in tables {
            match keys::within(name, value) {
                inner if inner.is_empty() => {
                    let (name, default) = (name.clone(), Some(value.clone()));
                    wanted.push(Key { name, doc: String::new(), default });
                }
                inner => wanted.extend(inner),
            }
        }
        for key in wanted.iter().filter(|key| key.name != "method.name") {
            let found = keys().iter().find(|found| found.name == key.name);
            let found = found.unwrap_or_else(|| panic!("{} is missing", key.name));
            assert_eq!(found.default, key.default, "{}", key.name);
        }
    }

    #[test]
    fn every_key_says_what_it_sets() {
        let silent = keys().iter().filter(|key| key.doc.len() < 15).map(|key| &key.name);
        assert_eq!(silent.collect::<Vec<_>>(), Vec::<&String>::new());
    }

    #[test]
    fn a_summary_is_the_first_paragraph_in_one_line() {
        let key = keys().iter().find(|key| key.name == "device").unwrap();
        assert!(key.summary().starts_with("Where to compute: `auto`, `cpu`, "), "{}", key.doc);
        assert!(key.summary().ends_with("is there, else the CPU"), "{}", key.doc);
        assert!(key.doc.ends_with("\n\nA run writes down which it was."), "{}", key.doc);
    }
}

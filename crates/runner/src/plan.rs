//! A recipe, validated: everything that can be known before the first step is known here.

mod checks;

use std::path::Path;
use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use taper_classifier::DeviceChoice;
use taper_dataset::{Normalization, Part, ResizeMode};
use taper_model::loss::{Loss, Targets};
use taper_model::nets::NetInfo;
use taper_model::weights::{TensorFile, WeightsConfig};
use taper_optimizer::{BoxedRule, Schedule};
use taper_pretrained::{
    CheckpointMetadata, ModelConfig, Pretrained, check_classes, match_classes, shortened,
    trained_on,
};
use taper_run_folder::RunFolder;

use crate::contamination;
use crate::data::Data;
use crate::error::{DataError, RunnerError, setting};
use crate::processes::Processes;
use crate::recipe::{
    Balance, FeatureCache, GradualMethod, HeadMethod, Method, Recipe, TrainRecipe, read_resolved,
};
use crate::registry::{Chosen, Followers, Metrics, Registry};

/// What a recipe comes to: the data is open, the weights are read, nothing has been written.
#[derive(Clone)]
pub struct Plan {
    /// The recipe, complete: what stood for "the net's default" is filled in.
    pub recipe: Recipe,
    /// The net.
    pub net: NetInfo,
    /// The update rule.
    pub rule: BoxedRule,
    /// The learning rate over the run.
    pub schedule: Schedule,
    /// What is minimized.
    pub loss: Arc<dyn Loss>,
    /// What is measured beside the scores that there always are.
    pub metrics: Metrics,
    pub(crate) listeners: Followers,
    /// Net, classes and preprocessing, as the run will save them.
    pub config: ModelConfig,
    /// Where it computes.
    pub device: Device,
    /// The processes that carry it out together.
    pub processes: Processes,
    /// The parts of the data.
    pub data: Data,
    /// The weights to start from, and how to fit them to the net.
    pub weights: WeightsConfig,
    /// Data sets that the weights were trained on before.
    pub trained_on: Vec<String>,
    /// What is worth knowing before the run begins: what was taken for granted, what has no effect.
    pub notes: Vec<String>,
    /// What may make the run's scores worthless.
    pub warnings: Vec<String>,
}

impl Plan {
    /// Validates a recipe.
    ///
    /// # Errors
    /// A setting outside its range, an unknown name, a device that is not there, data or weights that cannot be read.
    pub fn new(mut recipe: Recipe, registry: &Registry) -> Result<Self, RunnerError> {
        if recipe.taper_version.is_empty() {
            recipe.taper_version = env!("CARGO_PKG_VERSION").to_string();
        }
        let chosen = registry.choose(&mut recipe)?;
        chosen.schedule.validate()?;
        chosen.rule.validate()?;
        recipe.average.validate()?;
        checks::check(&recipe)?;
        let processes = registry.processes.clone();
        processes.pieces(recipe.train.pieces)?;
        let net = registry.models.net(&recipe.model.net)?.clone();
        recipe.method.check(&net)?;
        if let (Method::Lora(_), "") = (&recipe.method, recipe.model.weights.as_str()) {
            let expected = "another method where there are no weights to adapt, or `model.weights`";
            return Err(setting("method", "lora", expected));
        }
        let device = recipe.device.open()?;
        recipe.device = DeviceChoice::of(&device);
        recipe.image.complete(&net)?;
        let pretrained = match recipe.model.weights.as_str() {
            "" => None,
            name => Some(Pretrained::open(name, &registry.models)?),
        };
        let read = |pretrained: &Pretrained| pretrained.read(&recipe.model.state_key);
        let source = pretrained.as_ref().map(read).transpose()?;
        let metadata = pretrained.and_then(|pretrained| pretrained.metadata);
        let trained_on = source.as_ref().map(trained_on).transpose()?.unwrap_or_default();
        contamination::check(&trained_on, &recipe.data.source)?;
        let mut data = Data::open(&recipe, registry)?;
        data.check_training(&recipe.data)?;
        if recipe.data.source.starts_with("hub:") {
            // With the commit, so that the recipe names the same images for ever.
            recipe.data.source.clone_from(&data.name);
        }
        if recipe.image.fit_normalization {
            let Normalization { mean, std } = data.fit_normalization()?;
            (recipe.image.mean, recipe.image.std) = (mean, std);
            recipe.image.check()?;
        }
        let classes = data.train.class_names().to_vec();
        if classes.len() < 2 {
            return Err(DataError::FewClasses { data: data.name, found: classes.len() }.into());
        }
        check_classes(&classes)
            .map_err(|source| DataError::Classes { data: data.name.clone(), source })?;
        checks::check_class_weights(&recipe.train, classes.len())?;
        let class_weights = class_weights(&recipe.train, &data.train);
        let loss = registry.loss(&mut recipe, class_weights)?;
        check_loss(loss.as_ref(), &recipe.loss.name, classes.len(), data.train.mixes())?;
        checks::check_validation(&recipe, data.validation.is_some())?;

        let config = model_config(&recipe, &net, classes, data.border_brightness());
        let mut weights = weights_config(&recipe, &net, &config, source, metadata.as_ref())?;
        let mut warnings = Vec::new();
        if let Some(metadata) = &metadata
            && metadata.num_classes == Some(config.num_classes)
        {
            let (data, model) = (&config.label_names, metadata.class_names());
            let classes = match_classes(data, &model);
            weights.classes = classes.head(&model);
            warnings.extend(classes.warning(data, &model));
        }
        let mut notes = notes(&recipe, &net, &config, metadata.as_ref(), data.train.augments());
        let usual = registry.models.preprocessing.get(net.name);
        if let (Some(usual), ResizeMode::Digit) = (usual, recipe.image.placement) {
            notes.push(format!(
                "images are placed as digits are, white on black (`image.placement`), and `{}` is a net for \
                 photos, whose placement is usually: {}",
                net.name, usual.placement
            ));
        }
        warnings.extend(untrained(&data));
        let Chosen { rule, schedule, metrics, listeners } = chosen;
        Ok(Self {
            recipe,
            net,
            rule,
            schedule,
            loss,
            metrics,
            listeners,
            config,
            device,
            processes,
            data,
            weights,
            trained_on,
            notes,
            warnings,
        })
    }

    /// The classes' weights in the loss, where they have any.
    pub fn class_weights(&self) -> Option<Vec<f64>> {
        class_weights(&self.recipe.train, &self.data.train)
    }

    /// The plan of a run that has begun, by the recipe in its folder.
    ///
    /// # Errors
    /// The folder holds no run; as [`Plan::new`].
    pub fn of_run(run: &Path, registry: &Registry) -> Result<Self, RunnerError> {
        Self::new(read_resolved(&RunFolder::begun(run)?.recipe())?, registry)
    }

    /// The same plan with weights drawn from the seed, nothing frozen, all trained.
    pub fn without_weights(&self) -> Self {
        let mut recipe = self.recipe.clone();
        recipe.model.weights = String::new();
        recipe.model.freeze = Vec::new();
        recipe.model.freeze_statistics = false;
        recipe.method = Method::default();
        let weights = WeightsConfig {
            source: None,
            freeze: Vec::new(),
            trainable: Vec::new(),
            freeze_statistics: false,
            adapters: None,
            ..self.weights.clone()
        };
        Self {
            recipe,
            weights,
            trained_on: Vec::new(),
            notes: Vec::new(),
            warnings: Vec::new(),
            ..self.clone()
        }
    }
}

/// Tries the loss on two images, so that what it does not take is known before the first step.
fn check_loss(loss: &dyn Loss, name: &str, classes: usize, mixes: bool) -> Result<(), RunnerError> {
    let logits = Tensor::zeros((2, classes), DType::F32, &Device::Cpu)?;
    let targets = match mixes {
        true => Targets::Shares(logits.affine(0.0, 1.0 / classes as f64)?),
        false => Targets::Classes(Tensor::new(&[0u32, 1], &Device::Cpu)?),
    };
    let wrong =
        |found: String, expected: String| setting("loss", format!("`{name}`{found}"), expected);
    let found = loss.loss(&logits, &targets).map_err(|error| {
        wrong(String::new(), format!("one that takes what is trained on: {error}"))
    })?;
    match (found.dims(), found.dtype()) {
        ([], DType::F32) => Ok(()),
        (shape, dtype) => {
            let found = format!(", which gives {} of shape {shape:?}", dtype.as_str());
            Err(wrong(found, "one that gives one f32, the mean over the images".to_string()))
        }
    }
}

/// The classes' weights in the loss: those of the recipe; against unequal classes n / (classes * images of the
/// class), of the training part, and 0 for a class without images.
pub(crate) fn class_weights(train: &TrainRecipe, part: &Part) -> Option<Vec<f64>> {
    if train.balance != Balance::Loss {
        return (!train.class_weights.is_empty()).then(|| train.class_weights.clone());
    }
    let labels = part.labels();
    let mut counts = vec![0usize; part.class_names().len()];
    labels.iter().for_each(|&label| counts[label as usize] += 1);
    let share = labels.len() as f64 / counts.len() as f64;
    let weight = |count: usize| if count > 0 { share / count as f64 } else { 0.0 };
    Some(counts.into_iter().map(weight).collect())
}

/// What is said of classes that the net will never see.
fn untrained(data: &Data) -> Option<String> {
    let (classes, all) = (data.untrained_classes(), data.train.class_names().len());
    let names: Vec<String> = classes.iter().map(|name| name.to_string()).collect();
    let (count, names) = (names.len(), shortened(&names));
    (count > 0).then(|| {
        format!("{count} of {all} classes have no image to train on ({names}): the net will never see them")
    })
}

fn model_config(
    recipe: &Recipe,
    net: &NetInfo,
    label_names: Vec<String>,
    border_brightness: Option<f64>,
) -> ModelConfig {
    ModelConfig {
        architecture: net.name.to_string(),
        num_classes: label_names.len(),
        label_names,
        preprocessing: recipe.image.preprocessing(),
        first_conv: net.stem.to_string(),
        classifier: net.head.to_string(),
        license: recipe.card.license.clone(),
        calibration: None,
        border_brightness,
    }
}

/// How the weights are fitted to the net, and what of it is trained.
fn weights_config(
    recipe: &Recipe,
    net: &NetInfo,
    config: &ModelConfig,
    source: Option<TensorFile>,
    metadata: Option<&CheckpointMetadata>,
) -> Result<WeightsConfig, RunnerError> {
    let built_for = metadata.and_then(|metadata| metadata.built_for);
    Ok(WeightsConfig {
        trainable: recipe.method.largest_set(net).trainable,
        adapters: recipe.method.adapters(net, recipe.seed),
        seed: recipe.seed,
        ..recipe.model.fit().weights_config(net, &config.net_config(), source, built_for)?
    })
}

/// What is worth knowing before the run begins.
fn notes(
    recipe: &Recipe,
    net: &NetInfo,
    config: &ModelConfig,
    metadata: Option<&CheckpointMetadata>,
    augments: bool,
) -> Vec<String> {
    let mut notes = Vec::new();
    let [channels, height, width] = config.preprocessing.shape();
    if !recipe.model.weights.is_empty() && metadata.is_none_or(|metadata| metadata.image.is_none())
    {
        let image = &recipe.image;
        notes.push(format!(
            "the weights do not say how images are prepared: {channels}x{height}x{width}, {}, {:?}, mean \
             {:?}, deviation {:?}, as is usual for `{}` or set",
            image.placement,
            image.filter,
            image.mean,
            image.std,
            net.name
        ).to_lowercase());
    }
    if let Some(patches) = net.patches {
        let (rest_h, rest_w) = (height % patches.size, width % patches.size);
        if rest_h + rest_w > 0 {
            notes.push(format!(
                "images of {height}x{width} are not a multiple of the patch size {0}x{0}: the last {rest_h} rows \
                 and {rest_w} columns are left out",
                patches.size
            ));
        }
    }
    if let Method::Gradual(GradualMethod { frozen_epochs, .. }) = recipe.method
        && frozen_epochs >= recipe.train.epochs
    {
        notes.push(format!(
            "the head alone is trained: `method.frozen_epochs` is {frozen_epochs}, and there are no more epochs"
        ));
    }
    if let Method::Head(HeadMethod { cache }) = recipe.method
        && cache == FeatureCache::Auto
        && augments
    {
        notes.push(
            "features are not kept: with augmentation each epoch sees other images".to_string(),
        );
    }
    notes
}

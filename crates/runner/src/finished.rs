//! A finished model: evaluated on labelled images, asked about others.

use std::path::{Path, PathBuf};

use candle_core::{DType, Device};
use serde::{Serialize, Serializer};
use taper_dataset::Placement;
use taper_dataset::split::Split;
use taper_model::nets::{Net, NetInfo};
use taper_model::params::Params;
use taper_model::rng::RngKey;
use taper_model::weights::{TensorFile, Weights};
use taper_run_folder::RunFolder;

use crate::adapted;
use crate::config::ModelConfig;
use crate::data::{Data, Part};
use crate::error::RunnerError;
use crate::evaluate::{Evaluation, evaluate, evaluate_views};
use crate::fit::{know, weights_config};
use crate::observe::Counter;
use crate::pretrained::{Match, Pretrained, same_classes, shortened};
use crate::recipe::{Method, ModelRecipe, Recipe};
use crate::registry::Registry;
use crate::seen;
use crate::views::Views;

/// A net with trained weights, and what is needed to use it.
pub struct FinishedModel {
    /// The net.
    pub net: Net,
    /// Its parameters.
    pub params: Params,
    /// Where it computes.
    pub device: Device,
    /// What there is to know of the architecture.
    pub info: NetInfo,
    /// Classes and preprocessing.
    pub config: ModelConfig,
    /// The recipe of its run, or the defaults.
    pub recipe: Recipe,
    /// Data sets that it was trained on before the run that made it.
    pub seen: Vec<String>,
    /// Whether [`evaluate`](Self::evaluate) and [`predictions`](Self::predictions) show a bar on a terminal;
    /// they do not unless asked to.
    pub shows_progress: bool,
    /// How many looks at each image are averaged: the image as it is, then as [`Views::of`] the
    /// recipe changes it. Default 1.
    pub views: u64,
    /// Whether [`predictions`](Self::predictions) swap light and dark first, as for dark ink on paper
    /// where the model learned white on black. Default false.
    pub inverts: bool,
}

/// The classes that a model names for one image.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Prediction {
    /// The image's path.
    pub image: String,
    /// The most probable classes, most probable first.
    pub classes: Vec<ClassProbability>,
    /// Whether the answer is to be withheld: it has less confidence than the model's threshold.
    pub withheld: bool,
    /// Why the file could not be read, and no class is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A class and its softmax probability.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassProbability {
    /// The class's name.
    pub class_name: String,
    /// Its place among the classes.
    pub class: u32,
    /// Softmax probability, 0 to 1.
    #[serde(serialize_with = "shortest")]
    pub probability: f32,
}

/// As the fewest digits that tell the number from its neighbours, wherever it goes: serde_json would
/// widen it to an `f64` on some ways and not on others.
fn shortest<S: Serializer>(number: &f32, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(number.to_string().parse().unwrap_or(f64::from(*number)))
}

impl FinishedModel {
    /// Opens the model of a run, to compute on a device; adapters are worked into the weights that they were trained beside.
    ///
    /// # Errors
    /// The folder holds no finished run, or its files are not what they should be.
    pub fn open_run(run: &Path, device: &Device, registry: &Registry) -> Result<Self, RunnerError> {
        let folder = RunFolder::open(run)?;
        let config = ModelConfig::read(&folder.config())?;
        let mut recipe = crate::recipe::read_resolved(&folder.recipe())?;
        // What a run saves has the net's own names.
        recipe.model.key_map = String::new();
        let file = match folder.is_adapted() {
            true => adapted::merged(run, registry)?,
            false => TensorFile::read(folder.model())?,
        };
        let [_, height, width] = config.pretrained_cfg.input_size;
        Self::build(file, config, recipe, device, registry, Some((height, width)))
    }

    /// Opens weights by name, file or folder, or from the Hub, to compute on a device, as [`Pretrained::open`] finds them.
    /// What the model is comes from the file's own metadata, or from a `config.json` beside it.
    ///
    /// # Errors
    /// The file cannot be read, or nothing says what net it belongs to.
    pub fn open_weights(
        weights: &str,
        device: &Device,
        registry: &Registry,
    ) -> Result<Self, RunnerError> {
        let pretrained = Pretrained::open(weights, registry)?;
        let said = pretrained.said.as_ref().ok_or_else(|| RunnerError::Config {
            path: PathBuf::from(weights),
            reason: "nothing says what net this is: expected the metadata that Taper writes, or a \
                     config.json beside the file"
                .to_string(),
        })?;
        let config = said.model_config(registry.net(&said.net)?, weights)?;
        let mut recipe = Recipe::default();
        recipe.model.key_map = said.key_map.clone();
        Self::build(pretrained.read()?, config, recipe, device, registry, said.built_for)
    }

    fn build(
        file: TensorFile,
        config: ModelConfig,
        mut recipe: Recipe,
        device: &Device,
        registry: &Registry,
        built_for: Option<(usize, usize)>,
    ) -> Result<Self, RunnerError> {
        let info = *registry.net(&config.architecture)?;
        let seen = seen::of(&file)?;
        let [channels, height, width] = config.pretrained_cfg.input_size;
        recipe.model = ModelRecipe { key_map: recipe.model.key_map, ..Default::default() };
        recipe.method = Method::default();
        recipe.image.channels = channels;
        recipe.image.height = height;
        recipe.image.width = width;
        recipe.image.mean = config.pretrained_cfg.mean.clone();
        recipe.image.std = config.pretrained_cfg.std.clone();
        recipe.image.filter = config.pretrained_cfg.interpolation;
        recipe.image.placement = config.pretrained_cfg.placement;

        let net_config = config.net_config();
        let mut strict = weights_config(&recipe, &info, &net_config, Some(file))?;
        // A finished model is taken as it is: no head or stem is made to fit.
        strict.head = Vec::new();
        strict.stem = Vec::new();
        know(&mut strict, &info, built_for);
        let weights = Weights::new(strict)?;
        let vb = weights.var_builder(DType::F32, device);
        let net = (info.build)(&net_config, vb, &RngKey::new(recipe.seed));
        let (params, _) = weights.finish()?;
        let (net, device) = (net?, device.clone());
        Ok(Self {
            net,
            params,
            device,
            info,
            config,
            recipe,
            seen,
            shows_progress: false,
            views: 1,
            inverts: false,
        })
    }

    /// Scores the model on a part of a data set (by default the run's own), or on all of it; gives the
    /// data in words and the answers.
    ///
    /// # Errors
    /// Data that cannot be read, or that has other classes than the model.
    pub fn evaluate(
        &self,
        data: Option<&str>,
        split: Option<Split>,
        registry: &Registry,
    ) -> Result<(String, Evaluation), RunnerError> {
        let mut recipe = self.recipe.clone();
        if let Some(source) = data {
            recipe.data.source = source.to_string();
        }
        seen::check(&self.seen, &recipe.data.source)?;
        let mut data = Data::open(&recipe, registry)?;
        let mut unknown = String::new();
        if data.train.class_names().len() == self.config.num_classes {
            let (found, expected) = (data.train.class_names(), &self.config.label_names);
            match same_classes(found, expected) {
                Match::Same => {}
                Match::Unknown => {
                    unknown = format!(
                        "; its classes are {}, taken by their numbers for {}",
                        shortened(found),
                        shortened(expected)
                    );
                }
                Match::Reordered(_) => {
                    recipe.data.classes.clone_from(expected);
                    data = Data::open(&recipe, registry)?;
                }
                Match::Others => {
                    return Err(RunnerError::OtherClasses {
                        data: data.name.clone(),
                        found: shortened(found),
                        expected: shortened(expected),
                    });
                }
            }
        }
        let classes = data.train.class_names();
        if classes.len() != self.config.num_classes {
            return Err(RunnerError::Classes {
                data: data.name.clone(),
                found: classes.len(),
                expected: self.config.num_classes,
            });
        }
        let mut all: Option<Evaluation> = None;
        for part in data.parts(split) {
            let mut counter = Counter::new(self.shows_progress, "evaluate", part.len());
            let batch_size = recipe.train.eval_batch_size;
            let done = |images| counter.set(images);
            let views = Views::of(&recipe, self.views);
            let some = evaluate_views(&self.net, part, batch_size, &self.device, &views, done)?;
            match &mut all {
                None => all = Some(some),
                Some(all) => all.append(some),
            }
        }
        let description = data.describe() + &unknown;
        match all {
            Some(evaluation) => Ok((description, evaluation.tempered(self.temperature()))),
            None => Err(RunnerError::Empty { part: "chosen", source_name: data.name }),
        }
    }

    /// How light the borders of the images were that the model was trained on, 0 to 1, as far as that
    /// is known: [`Placement::Digit`] is for white on black.
    pub fn border(&self) -> Option<f64> {
        let placed = self.config.pretrained_cfg.placement == Placement::Digit;
        self.config.border.or_else(|| placed.then_some(0.0))
    }

    /// What the logits are divided by before the softmax; 1 where nothing was fitted.
    pub fn temperature(&self) -> f64 {
        self.config.calibration.map_or(1.0, |calibration| calibration.temperature)
    }

    /// The answers to a part of the data.
    pub(crate) fn judge(&self, part: &Part) -> Result<Evaluation, RunnerError> {
        let batch_size = self.recipe.train.eval_batch_size;
        let evaluation = evaluate(&self.net, part, batch_size, &self.device)?;
        Ok(evaluation.tempered(self.temperature()))
    }
}

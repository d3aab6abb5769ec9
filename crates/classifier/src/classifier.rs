//! A net with trained weights, and what is needed to use it.

use std::path::Path;

use candle_core::{DType, Device};
use taper_dataset::{Part, Preprocessing, ResizeMode};
use taper_model::nets::{Net, NetInfo};
use taper_model::params::Params;
use taper_model::rng::RngKey;
use taper_model::weights::{TensorFile, Weights, WeightsConfig};
use taper_pretrained::{Fit, ModelConfig, Models, Pretrained, trained_on};

use crate::error::ClassifierError;
use crate::evaluate::evaluate_tta;
use crate::evaluation::Evaluation;
use crate::tta::Tta;

/// A net with trained weights, and what is needed to use it.
pub struct Classifier {
    /// The net.
    pub net: Net,
    /// Its parameters.
    pub params: Params,
    /// Where it computes.
    pub device: Device,
    /// What there is to know of the architecture.
    pub info: NetInfo,
    /// Classes, preprocessing and calibration.
    pub config: ModelConfig,
    /// Data sets that its weights say they were trained on.
    pub trained_on: Vec<String>,
    /// The views of each image whose logits are averaged by [`evaluate`](Self::evaluate) and
    /// [`predictions`](Self::predictions). Default: the image as it is.
    pub tta: Tta,
    /// Whether [`predictions`](Self::predictions) swap light and dark first, as for dark ink on paper
    /// where the model learned white on black. Default false.
    pub inverts: bool,
}

impl Classifier {
    /// Opens a model to compute on a device: the folder of a run, a folder in the Hub's layout, a file with
    /// our metadata or a `config.json` beside it, weights that `models` know by name, or `hub:OWNER/NAME`.
    /// A run's adapter is merged into the weights beside which it was trained.
    ///
    /// # Errors
    /// As [`Pretrained::open`]; nothing says what net it is; the weights do not fit the net.
    pub fn open(name: &str, device: &Device, models: &Models) -> Result<Self, ClassifierError> {
        let pretrained = Pretrained::open(name, models)?;
        let metadata = pretrained.metadata.as_ref();
        let metadata = metadata.ok_or_else(|| ClassifierError::NoConfig(name.to_string()))?;
        let info = models.net(&metadata.net)?;
        let path = Path::new(name);
        let origin = if path.is_dir() { path.join("config.json") } else { path.to_path_buf() };
        let config = metadata.model_config(info, &origin)?;
        let fit = Fit { key_map: metadata.key_map.clone(), ..Fit::default() };
        Self::build(
            pretrained.read(&fit.state_key)?,
            &fit,
            info,
            config,
            metadata.built_for,
            device,
        )
    }

    /// Makes one of a file's tensors by a configuration that names the net, its classes and how images are
    /// prepared.
    ///
    /// # Errors
    /// A net that is not known; tensors that do not fit it.
    pub fn from_tensors(
        file: TensorFile,
        config: ModelConfig,
        device: &Device,
        models: &Models,
    ) -> Result<Self, ClassifierError> {
        let info = models.net(&config.architecture)?;
        let Preprocessing { height, width, .. } = config.preprocessing;
        Self::build(file, &Fit::default(), info, config, Some((height, width)), device)
    }

    fn build(
        file: TensorFile,
        fit: &Fit,
        info: &NetInfo,
        config: ModelConfig,
        built_for: Option<(usize, usize)>,
        device: &Device,
    ) -> Result<Self, ClassifierError> {
        let trained_on = trained_on(&file)?;
        let net_config = config.net_config();
        // A finished model is taken as it is: no head or stem is made to fit.
        let strict = WeightsConfig {
            head: Vec::new(),
            stem: Vec::new(),
            ..fit.weights_config(info, &net_config, Some(file), built_for)?
        };
        let build = |vb| (info.build)(&net_config, vb, &RngKey::new(0));
        let (net, params, _) = Weights::load(strict, DType::F32, device, build)?;
        Ok(Self {
            net,
            params,
            device: device.clone(),
            info: info.clone(),
            config,
            trained_on,
            tta: Tta::default(),
            inverts: false,
        })
    }

    /// The answers to a labelled part of a data set, at most `batch_size` images at once; `done` is told the
    /// number of images after each batch. The logits are means over the views, the probabilities are
    /// calibrated where the model is.
    ///
    /// The part's classes have to be the model's, in its order.
    ///
    /// # Errors
    /// Images that cannot be read; the net's own errors.
    pub fn evaluate(
        &self,
        part: &Part,
        batch_size: usize,
        done: impl FnMut(usize),
    ) -> Result<Evaluation, ClassifierError> {
        let all = evaluate_tta(&self.net, part, batch_size, &self.device, &self.tta, done)?;
        Ok(all.tempered(self.temperature()))
    }

    /// How light the borders of the images were that the model was trained on, 0 to 1, as far as that
    /// is known: [`ResizeMode::Digit`] is for white on black.
    pub fn border_brightness(&self) -> Option<f64> {
        let placed = self.config.preprocessing.placement == ResizeMode::Digit;
        self.config.border_brightness.or_else(|| placed.then_some(0.0))
    }

    /// What the logits are divided by before the softmax; 1 where nothing was fitted.
    pub fn temperature(&self) -> f64 {
        self.config.calibration.map_or(1.0, |calibration| calibration.temperature)
    }
}

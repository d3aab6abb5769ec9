//! A net with trained weights, and what is needed to use it.

use std::path::Path;

use candle_core::{DType, Device};
use taper_dataset::{Part, ResizeMode};
use taper_model::nets::{Net, NetInfo};
use taper_model::params::Params;
use taper_model::rng::RngKey;
use taper_model::weights::{TensorFile, Weights, WeightsConfig};
use taper_pretrained::{Fit, ModelConfig, Models, Pretrained, numbered, trained_on};

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
    /// Which of several readings of the weights file was taken, such as a prefix of its names.
    pub notes: Vec<String>,
    /// The views of each image whose logits are averaged by [`evaluate`](Self::evaluate) and
    /// [`predictions`](Self::predictions). Default: the image as it is.
    pub tta: Tta,
    /// Whether [`predictions`](Self::predictions) swap light and dark first, as for dark ink on paper
    /// where the model learned white on black. Default false.
    pub inverts: bool,
}

/// The classes of a file's head: the elements of its bias, whatever stands before its name.
fn head_classes(
    file: &TensorFile,
    weights: WeightsConfig,
    head: &str,
) -> Result<Option<usize>, ClassifierError> {
    let (bias, key_map) = (format!("{head}.bias"), weights.key_map.clone());
    let shape = Weights::new(weights)?.shape_of(&bias);
    let wrapped = || {
        let is_bias = |name: &&str| key_map.apply(name).ends_with(&format!(".{bias}"));
        let name = file.names().filter(is_bias).min_by_key(|name| name.len())?;
        Some(file.get(name)?.shape().clone())
    };
    Ok(shape.or_else(wrapped).map(|shape| shape.elem_count()))
}

impl Classifier {
    /// Opens a model to compute on a device: the folder of a run, a folder in the Hub's layout, a file with
    /// our metadata or a `config.json` beside it, weights that `models` know by name, or `hub:OWNER/NAME`.
    /// A run's adapter is merged into the weights beside which it was trained.
    ///
    /// # Errors
    /// As [`Pretrained::open`]; nothing says what net it is; the weights do not fit the net.
    pub fn open(name: &str, device: &Device, models: &Models) -> Result<Self, ClassifierError> {
        Self::of(&Pretrained::open(name, models)?, device, models)
    }

    /// As [`open`](Self::open), of a path alone, whatever it is called: it need not be UTF-8.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_path(
        path: &Path,
        device: &Device,
        models: &Models,
    ) -> Result<Self, ClassifierError> {
        Self::of(&Pretrained::open_path(path, models)?, device, models)
    }

    /// Makes one of a checkpoint that has been found.
    ///
    /// # Errors
    /// Nothing says what net it is; the weights do not fit the net.
    pub fn of(
        pretrained: &Pretrained,
        device: &Device,
        models: &Models,
    ) -> Result<Self, ClassifierError> {
        let silent = || {
            let (weights, silence) = (pretrained.name.clone(), pretrained.silence());
            ClassifierError::NoConfig { weights, silence }
        };
        let metadata = pretrained.metadata.as_ref().ok_or_else(silent)?;
        let info = models.net(&metadata.net)?;
        let path = Path::new(&pretrained.name);
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
    /// prepared. One without classes gets those of the file's head, with numbers for names. `built_for` is
    /// the height and width that the tensors are for, where that is known.
    ///
    /// # Errors
    /// A net that is not known; tensors that do not fit it.
    pub fn from_tensors(
        file: TensorFile,
        fit: &Fit,
        mut config: ModelConfig,
        built_for: Option<(usize, usize)>,
        device: &Device,
        models: &Models,
    ) -> Result<Self, ClassifierError> {
        let info = models.net(&config.architecture)?;
        if config.num_classes == 0 {
            config.num_classes = info.config().num_classes;
            let net_config = config.net_config();
            let some = fit.weights_config(info, &net_config, Some(file.clone()), built_for)?;
            if let Some(classes) = head_classes(&file, some, info.head)? {
                config.num_classes = classes;
            }
            config.label_names = numbered(config.num_classes);
        }
        Self::build(file, fit, info, config, built_for, device)
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
        let (net, params, report) = Weights::load(strict, DType::F32, device, build)?;
        Ok(Self {
            net,
            params,
            device: device.clone(),
            info: info.clone(),
            config,
            trained_on,
            notes: report.notes,
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

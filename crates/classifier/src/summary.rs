//! A net's layers, shapes, parameters and multiply-adds.

use candle_core::{DType, Device};
use taper_model::nets::{NetConfig, NetInfo};
use taper_model::params::Params;
use taper_model::rng::RngKey;
use taper_model::summary::Summary;
use taper_model::weights::{Weights, WeightsConfig};

use crate::classifier::Classifier;
use crate::error::ClassifierError;

/// What a net is made of, as built for its default input and `classes` (or its default number).
///
/// # Errors
/// A pattern to freeze by that matches nothing; a net that cannot be built.
pub fn summarize(
    info: &NetInfo,
    classes: Option<usize>,
    freeze: &[String],
) -> Result<Summary, ClassifierError> {
    let default = info.config();
    let config = NetConfig { num_classes: classes.unwrap_or(default.num_classes), ..default };
    of_weights(
        info,
        &config,
        Weights::new(WeightsConfig { freeze: freeze.to_vec(), ..Default::default() })?,
        &Device::Cpu,
    )
}

impl Classifier {
    /// What the model is made of.
    ///
    /// # Errors
    /// A pattern to freeze by that matches nothing.
    pub fn summary(&self, freeze: &[String]) -> Result<Summary, ClassifierError> {
        let weights = Weights::from_params(&self.params, freeze.iter().cloned());
        of_weights(&self.info, &self.config.net_config(), weights, &self.device)
    }
}

fn of_weights(
    info: &NetInfo,
    config: &NetConfig,
    weights: Weights,
    device: &Device,
) -> Result<Summary, ClassifierError> {
    let vb = weights.var_builder(DType::F32, device);
    let net = (info.build)(config, vb, &RngKey::new(0));
    let (params, _): (Params, _) = weights.finish()?;
    let input = [config.channels, config.height, config.width];
    Ok(taper_model::summary::summarize(&net?, &params, &input, device)?)
}

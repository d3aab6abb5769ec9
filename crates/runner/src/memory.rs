//! How much memory a run takes, estimated before its first step.
//!
//! The estimate counts what stays at once: parameters with their gradients, the optimizer's and the
//! averages' copies, and for each image of a batch what every layer gives out, which backward needs,
//! half as much again for gradients on the way and the kernels' working memory. A ResNet-18 at 224x224
//! took 54 MiB an image where this says 47.

use taper_classifier::layer_outputs;
use taper_model::params::ParamKind;
use taper_optimizer::AverageConfig;
use taper_run_folder::bytes;

use crate::data::Data;
use crate::error::{RunnerError, TrainingError};
use crate::load::Loaded;
use crate::machine::available_memory;
use crate::plan::Plan;

/// Bytes of an element.
const F32: u64 = 4;

/// What a run is estimated to hold at once, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MemoryEstimate {
    /// Parameters, buffers, gradients, the optimizer's state, averages, the best weights.
    pub weights: u64,
    /// What the layers give out for one batch, and the images themselves.
    pub activations: u64,
    /// The answers on the parts that are scored, what is counted of them, and the tables of the classes.
    pub scores: u64,
}

impl MemoryEstimate {
    /// Estimates what training by a plan holds at once.
    ///
    /// # Errors
    /// Those of the net's forward pass on one image.
    pub fn of(plan: &Plan, loaded: &Loaded) -> Result<Self, RunnerError> {
        let recipe = &plan.recipe;
        let trainable = loaded.params.num_elements(ParamKind::Trainable) as u64;
        let frozen = loaded.params.num_elements(ParamKind::Frozen) as u64;
        let buffers = loaded.params.num_elements(ParamKind::Buffer) as u64;
        let mut copies = 2 + plan.rule.slots().len() as u64;
        copies += u64::from(recipe.average != AverageConfig::None {});
        copies += u64::from(recipe.select.best);
        // Of the tree of pieces a sum for each level stays, and of batches that are added the sum so far.
        let levels = recipe.train.pieces.ilog2().max(u32::from(recipe.train.accumulate > 1));
        copies += u64::from(levels);
        let weights = F32 * (copies * trainable + frozen + buffers);

        let outputs = layer_outputs(&loaded.net, plan.data.train.size(), &plan.device)?;
        let piece = recipe.train.batch_size.div_ceil(recipe.train.pieces);
        let images = piece.min(plan.data.train.len()) as u64;
        let kept = match recipe.train.recompute {
            // The inputs of about the root of the segments, and one segment whole.
            true => {
                let total: u64 = outputs.iter().sum();
                let segments = (outputs.len() as f64).sqrt().ceil().max(1.0) as u64;
                let largest = outputs.iter().copied().max().unwrap_or(0);
                (segments * largest + total / segments).min(total)
            }
            false => outputs.iter().sum(),
        };
        Ok(Self { weights, activations: F32 * images * kept * 3 / 2, scores: scores(&plan.data) })
    }

    /// All of it: nothing is scored while a batch is trained on.
    pub fn total(&self) -> u64 {
        self.weights.saturating_add(self.activations.max(self.scores))
    }
}

/// Logits and probabilities of an image and a class, those of the part that is scored, and those of the validation
/// part, also while they are calibrated.
const COPIES: [u64; 2] = [2, 4];

/// Bytes that the scores, the line of `metrics.json` and the rows of the page of one class take.
const CLASS: u64 = 4096;

fn scores(data: &Data) -> u64 {
    let classes = data.train.class_names().len() as u64;
    let validation = data.validation.as_ref().map_or(0, |part| part.len() as u64);
    let images = COPIES[0] * data.scored().1.len() as u64 + COPIES[1] * validation;
    F32.saturating_mul(images).saturating_mul(classes).saturating_add(CLASS * classes)
}

/// Refuses a run that will not fit into the memory that is free.
///
/// # Errors
/// [`TrainingError::Memory`](crate::TrainingError::Memory) with the numbers.
pub(crate) fn check(plan: &Plan, loaded: &Loaded) -> Result<(), RunnerError> {
    // What a GPU has is its own, and candle does not tell how much of it is free.
    if !plan.recipe.guard.memory || !plan.device.is_cpu() {
        return Ok(());
    }
    let Some(free) = available_memory() else { return Ok(()) };
    fits(&MemoryEstimate::of(plan, loaded)?, plan.recipe.train.batch_size, free)
}

fn fits(estimate: &MemoryEstimate, batch_size: usize, free: u64) -> Result<(), RunnerError> {
    match estimate.total() <= free {
        true => Ok(()),
        false => Err(TrainingError::Memory {
            needed: bytes(estimate.total()),
            parts: format!(
                "{} for weights and the optimizer, {} for batches of {batch_size}, or {} for the scores of all \
                 images and classes",
                bytes(estimate.weights),
                bytes(estimate.activations),
                bytes(estimate.scores)
            ),
            free: bytes(free),
        }
        .into()),
    }
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::registry::Registry;
    use crate::resolve::resolve;

    fn estimate(settings: &[(&str, &str)]) -> MemoryEstimate {
        let settings: Vec<_> =
            settings.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        let plan = Plan::new(resolve(None, &settings, &Registry::new()).unwrap(), &Registry::new())
            .unwrap();
        let loaded = crate::load::load(&plan).unwrap();
        MemoryEstimate::of(&plan, &loaded).unwrap()
    }

    #[test]
    fn weights_count_with_their_copies_and_activations_with_the_batch() {
        let adam = estimate(&[("train.batch_size", "64")]);
        // Parameters, gradients and AdamW's two.
        assert_eq!(adam.weights, 4 * 4 * 1_199_882);
        let sgd = estimate(&[("train.batch_size", "128"), ("optimizer", "sgd")]);
        assert_eq!(sgd.weights, 2 * 4 * 1_199_882);
        assert_eq!(sgd.activations, 2 * adam.activations);
        for (rule, copies) in [("adagrad", 3), ("rmsprop", 3), ("adadelta", 4)] {
            assert_eq!(estimate(&[("optimizer", rule)]).weights, copies * 4 * 1_199_882, "{rule}");
        }
        let amsgrad = estimate(&[("optimizer", "adam"), ("optimizer.amsgrad", "true")]);
        assert_eq!(amsgrad.weights, 5 * 4 * 1_199_882);
    }

    #[test]
    fn what_will_not_fit_is_refused_with_numbers() {
        let estimate = MemoryEstimate { weights: 1 << 30, activations: 5 << 30, scores: 2 << 30 };
        assert!(fits(&estimate, 64, 6 << 30).is_ok());
        let error = fits(&estimate, 64, 3 << 30).unwrap_err().to_string();
        let expected = "training needs about 6.0 GiB of memory (1.0 GiB for weights and the optimizer, \
                        5.0 GiB for batches of 64, or 2.0 GiB for the scores of all images and classes), and 3.0 GiB \
                        are free; lower `train.batch_size`";
        assert!(error.starts_with(expected), "{error}");
    }

    #[test]
    fn answers_on_many_classes_count() {
        // The 1,797 digits: 359 are held out, and 359 of the rest validated on.
        let with = |settings: &[(&str, &str)]| estimate(settings).scores;
        let digits = [("data.source", "digits"), ("model.net", "lenet5")];
        let held_out = with(&digits);
        assert!((F32 * 10 * 2 * 350..F32 * 10 * 2 * 360 + CLASS * 10 + 1).contains(&held_out));
        let validated = with(&[&digits[..], &[("data.validation_fraction", "0.2")]].concat());
        assert!(validated > held_out + F32 * 10 * 4 * 200, "{validated}, {held_out}");
        let estimate = MemoryEstimate { weights: 1, activations: 2, scores: 1 << 40 };
        assert!(fits(&estimate, 1, 1 << 30).is_err());
    }

    #[test]
    fn a_large_net_is_evaluated_in_smaller_batches_and_a_small_one_as_wanted() {
        let registry = Registry::new();
        let batch = |name: &str, input| {
            let settings = [("model.net".to_string(), name.to_string())];
            let plan = Plan::new(resolve(None, &settings, &registry).unwrap(), &registry).unwrap();
            let loaded = crate::load::load(&plan).unwrap();
            taper_classifier::evaluation_batch(&loaded.net, input, 1000, &plan.device).unwrap()
        };
        assert_eq!(batch("keras-cnn", [1, 28, 28]), 1000);
        let resnet = batch("resnet18", [3, 224, 224]);
        assert!((10..200).contains(&resnet), "{resnet}");
    }
}

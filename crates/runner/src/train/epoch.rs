//! The net of an epoch: which of its parameters are trained, and whose features are cached.

use std::path::Path;

use candle_core::{DType, Device, ModuleT, Tensor};
use taper_classifier::{Evaluation, evaluate_by, evaluation_batch, images_of};
use taper_dataset::{Batch, EpochConfig, Part};
use taper_model::nets::Net;
use taper_model::params::ParamKind;
use taper_model::pattern::matches;
use taper_model::weights::{Weights, WeightsConfig};

use super::batches::{Batches, Source};
use super::training::Training;
use crate::error::{RunnerError, TrainingError, setting};
use crate::features::{CachedFeatures, Features};
use crate::observe::{Event, Listener};
use crate::position::Position;
use crate::recipe::{Balance, FeatureCache, HeadMethod, Method};
use crate::scores::{evaluate_told, share, shared};

impl Training<'_> {
    /// Caches what a frozen body makes of the images, if the method is one that allows it; a file
    /// for it would be in `folder`.
    ///
    /// # Errors
    /// It is asked for, and the net has no body of its own, or the images are augmented.
    pub(crate) fn cache_features(mut self, folder: &Path) -> Result<Self, RunnerError> {
        let Method::Head(HeadMethod { cache }) = self.recipe().method else { return Ok(self) };
        let found = match cache {
            FeatureCache::Off => return Ok(self),
            FeatureCache::Auto if !self.loaded.net.has_body() => return Ok(self),
            // There the size of a batch may change the last bits of an image's features.
            FeatureCache::Auto if !self.plan.device.is_cpu() => return Ok(self),
            // Each epoch sees other images.
            FeatureCache::Auto if self.plan.data.train.augments() => return Ok(self),
            FeatureCache::Auto => "auto",
            FeatureCache::Memory => "memory",
            FeatureCache::Disk => "disk",
        };
        if !self.loaded.net.has_body() {
            let net = self.plan.net.name;
            let expected = format!("auto or off: `{net}` is not made of a body and a head");
            return Err(setting("method.cache", found, expected));
        }
        if self.plan.data.train.augments() {
            let expected = "auto or off: with augmentation each epoch sees other images";
            return Err(setting("method.cache", found, expected));
        }
        let data = &self.plan.data;
        let rows = data.train.len() + data.validation.as_ref().map_or(0, |part| part.len());
        let features = |part: &Part| Features::new(part, cache, folder, rows);
        let train = features(&data.train);
        let validation = data.validation.as_ref().map(|part| features(&share(self.plan, part)));
        self.features = Some(CachedFeatures { train, validation });
        Ok(self)
    }

    /// What is left of the epoch, the net being made ready for it.
    pub(super) fn batches(&mut self) -> Result<Batches, RunnerError> {
        self.enter_epoch()?;
        let Position { epoch, batch: first_batch, .. } = self.position;
        let recipe = self.recipe();
        let (part, seed, batch_size) =
            (&self.plan.data.train, recipe.seed, recipe.train.batch_size);
        let balanced = recipe.train.balance == Balance::Sampling;
        let pieces = self.pieces.clone();
        let config = EpochConfig { epoch, first_batch, seed, batch_size, balanced, pieces };
        let source = match &self.features {
            Some(cached) if cached.train.are_complete() => {
                Source::Cached(part.epoch_without_images(&config).into_iter())
            }
            _ => Source::Images(part.epoch(&config)?),
        };
        let (cut, images) = (config.pieces, part.len());
        Ok(Batches { source, cut, images, batch_size, next: first_batch })
    }

    /// Builds the net anew where the epoch's frozen parameters are others. The values are shared,
    /// and so is the randomness: which net an epoch has depends on the epoch alone.
    fn enter_epoch(&mut self) -> Result<(), RunnerError> {
        let plan = self.plan;
        let set = plan.recipe.method.trainable_set(&plan.net, self.position.epoch);
        if set == self.trainable {
            return Ok(());
        }
        let config = WeightsConfig { trainable: set.trainable.clone(), ..plan.weights.clone() };
        let weights = Weights::rebuild(&self.loaded.params, config);
        let vb = weights.var_builder(DType::F32, &plan.device);
        let built = (plan.net.build)(&plan.config.net_config(), vb, &self.loaded.rng);
        let (params, _) = weights.finish()?;
        let net = built?;
        if params.trainable().is_empty() {
            return Err(TrainingError::AllFrozen { frozen: params.len() }.into());
        }
        (self.trainable, self.rebuilt) = (set, Some(net));
        Ok(())
    }

    /// The event at the start of an epoch that trains other parameters than the one before.
    pub(super) fn unfrozen(&self) -> Option<Event> {
        let (method, net, position) = (&self.plan.recipe.method, &self.plan.net, &self.position);
        let epoch = position.epoch;
        let before = epoch.checked_sub(1).map(|before| method.trainable_set(net, before))?;
        if position.batch > 0 || before == self.trainable {
            return None;
        }
        let WeightsConfig { freeze, .. } = &self.plan.weights;
        let patterns = &self.trainable.trainable;
        let any = |patterns: &[String], name: &str| patterns.iter().any(|p| matches(p, name));
        let trained = self.loaded.params.iter().filter(|(name, param)| {
            param.kind == ParamKind::Trainable
                && (patterns.is_empty() || any(patterns, name))
                && !any(freeze, name)
        });
        let trainable = trained.map(|(_, param)| param.var.elem_count()).sum();
        Some(Event::Unfrozen { epoch, trainable })
    }

    fn net(&self) -> &Net {
        self.rebuilt.as_ref().unwrap_or(&self.loaded.net)
    }

    /// The logits of a batch in training. Where the head alone is trained the body is in evaluation
    /// mode, whether its features are cached or not.
    pub(super) fn logits(&mut self, batch: &Batch) -> Result<Tensor, RunnerError> {
        let device = &self.plan.device;
        if !self.trainable.head_only || !self.net().has_body() {
            let images = images_of(batch, device)?;
            return Ok(match self.recipe().train.recompute {
                true => self.net().forward_recomputed(&images)?,
                false => self.net().forward_t(&images, true)?,
            });
        }
        let mut cached = self.features.take();
        let net = self.net();
        let compute = || body(net, batch, device);
        let features = match &mut cached {
            Some(cached) => cached.train.of(batch, device, compute),
            None => compute(),
        };
        let logits = features.and_then(|features| Ok(net.logits(&features, true)?));
        self.features = cached;
        logits
    }

    /// The answers on the validation part.
    pub(super) fn evaluate_validation(
        &mut self,
        listeners: &mut [Box<dyn Listener>],
    ) -> Result<Option<Evaluation>, RunnerError> {
        let Some(part) = &self.plan.data.validation else { return Ok(None) };
        let size = self.recipe().train.eval_batch_size;
        let (net, device) = (&self.loaded.net, &self.plan.device);
        let cached = self.features.as_mut().and_then(|cached| cached.validation.as_mut());
        let Some(features) = cached else {
            return evaluate_told(self.plan, net, part, "validates", listeners).map(Some);
        };
        let evaluated = shared(self.plan, part, "validates", listeners, |share, done| {
            let batches = match features.are_complete() {
                true => Source::Cached(share.in_order_without_images(size).into_iter()),
                false => {
                    let size = evaluation_batch(net, share.size(), size, device)?;
                    Source::Images(share.in_order(size)?)
                }
            };
            let logits = |batch: &Batch| {
                let features = features.of(batch, device, || body(net, batch, device))?;
                Ok(net.logits(&features, false)?)
            };
            evaluate_by(share, batches, logits, done)
        });
        evaluated.map(Some)
    }
}

/// What the body makes of a batch in evaluation mode.
fn body(net: &Net, batch: &Batch, device: &Device) -> Result<Tensor, RunnerError> {
    let features = net.features(&images_of(batch, device)?, false)?;
    // The callers have looked whether there is a body.
    features
        .ok_or_else(|| RunnerError::Tensor(candle_core::Error::Msg("a net without body".into())))
}

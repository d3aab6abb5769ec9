//! One update: gradients of a group of batches, guarded, clipped, applied.

use candle_core::backprop::GradStore;
use candle_core::{DType, Device, Tensor, Var};
use taper_dataset::Batch;
use taper_model::backward;
use taper_model::loss::Targets;
use taper_model::params::ParamKind;
use taper_optimizer::{StepRates, clip};

use super::batches::{Group, Piece};
use super::message::{no_losses, sum_over};
use super::training::Training;
use super::tree::Tree;
use crate::checkpoint::{Checkpoints, Tensors};
use crate::error::{DataError, RunnerError, TrainingError};
use crate::observe::{Event, Step};
use crate::recipe::NonFinite;

/// What forward and backward came to.
pub(super) struct Computed {
    /// Mean over the images.
    loss: f64,
    gradients: GradStore,
    images: usize,
    batches: usize,
    /// The running statistics from before, where a skipped update has to bring them back.
    buffers: Vec<(Var, Tensor)>,
}

impl Computed {
    /// Mean over the images.
    pub fn loss(&self) -> f64 {
        self.loss
    }
}

impl Training<'_> {
    /// Forward, loss, backward. The gradient is that of the mean loss over all images of the group, so that the group
    /// is as good as one batch. Those of a batch's pieces are added in a tree, and so is what each makes of the
    /// running statistics.
    pub(super) fn gradients(&mut self, group: &Group) -> Result<Computed, RunnerError> {
        let (images, count) = (group.images(), self.pieces.count);
        let mut buffers = Vec::new();
        if count > 1 || self.recipe().guard.non_finite == NonFinite::Skip {
            for (_, var) in self.loaded.params.of_kind(ParamKind::Buffer) {
                buffers.push((var.clone(), var.as_detached_tensor().copy()?));
            }
        }
        let done = self.position.epoch * self.batches_per_epoch() + self.position.batch;
        let mut tree = Tree::new();
        let mut own_losses = Vec::with_capacity(group.pieces.len());
        for pieces in group.pieces.chunk_by(|a, b| a.place == b.place) {
            let place = pieces[0].place;
            let mut sum = GradStore::default();
            for Piece { batch, images: piece, .. } in pieces {
                self.loaded.rng.set_step(((done + batch) * count + place) as u64);
                let mut loss = self.loss(piece)?;
                own_losses.push((place * group.sizes.len() + batch, loss.detach()));
                if piece.labels.len() < images {
                    loss = loss.affine(piece.labels.len() as f64 / images as f64, 0.0)?;
                }
                sum = self.add(sum, backward(&loss)?)?;
            }
            if count > 1 {
                // The next piece begins with the same statistics as this one.
                let share = group.images_at(place) as f64 / images as f64;
                for (var, before) in &buffers {
                    let moved = (var.as_detached_tensor() - before)?.affine(share, 0.0)?;
                    sum.insert(var, moved);
                    var.set(before)?;
                }
            }
            tree.push(sum, |sum, more| self.add(sum, more))?;
        }
        let sum = tree.sum(|sum, more| self.add(sum, more))?;
        let processes = &self.plan.processes;
        if sum.is_none() && processes.size() == 1 {
            let source_name = self.plan.data.name.clone();
            return Err(DataError::Empty { part: "training", source_name }.into());
        }
        let mut gradients = sum.unwrap_or_default();
        // Read only now: until then a GPU works ahead.
        let mut losses = no_losses(count * group.sizes.len());
        for (place, loss) in own_losses {
            losses[place] = loss.to_scalar::<f32>()?;
        }
        if processes.size() > 1 {
            sum_over(processes, &mut gradients, self.summed(), &mut losses)?;
        }
        if count > 1 {
            for (var, before) in &buffers {
                if let Some(moved) = gradients.remove(var) {
                    var.set(&(before + moved)?)?;
                }
            }
        }
        let loss = group.mean(&losses);
        Ok(Computed { loss, gradients, images, batches: group.sizes.len(), buffers })
    }

    /// The mean loss over the images of a batch.
    fn loss(&mut self, batch: &Batch) -> Result<Tensor, RunnerError> {
        let logits = self.logits(batch)?;
        let targets = match &batch.targets {
            None => Targets::Classes(labels_of(batch)?),
            Some(shares) => {
                Targets::Shares(Tensor::from_slice(shares, logits.dims(), &self.plan.device)?)
            }
        };
        Ok(self.plan.loss.loss(&logits, &targets)?)
    }

    /// What is summed over pieces: what is trained, and the statistics that move with it.
    fn summed(&self) -> impl Iterator<Item = &Var> {
        let moved = self.loaded.params.of_kind(ParamKind::Buffer).map(|(_, var)| var);
        self.optimizer.vars().chain(moved)
    }

    /// Adds the sums of two pieces, or of two halves of pieces.
    fn add(&self, sum: GradStore, mut more: GradStore) -> Result<GradStore, RunnerError> {
        for var in self.summed() {
            let total = match (sum.get(var), more.get(var)) {
                (Some(before), Some(gradient)) => (before + gradient)?.detach(),
                (Some(before), None) => before.clone(),
                (None, _) => continue,
            };
            more.insert(var, total);
        }
        Ok(more)
    }

    /// Clips and applies the gradients, if they and the loss are finite; then the position is
    /// after this update. The event that tells of it.
    pub(super) fn update(
        &mut self,
        mut computed: Computed,
        rates: StepRates,
    ) -> Result<Event, RunnerError> {
        let train = &self.recipe().train;
        let gradients = &mut computed.gradients;
        let gradient_norm = clip::global_norm(gradients, self.optimizer.vars())?;
        let sound = computed.loss.is_finite() && gradient_norm.is_finite();
        if sound {
            if train.clip_value > 0.0 {
                clip::clip_by_value(gradients, self.optimizer.vars(), train.clip_value)?;
            }
            if train.clip_norm > 0.0 {
                clip::clip_by_norm(gradients, self.optimizer.vars(), train.clip_norm)?;
            }
            self.optimizer.step_at(gradients, rates)?;
            self.average.update(self.position.step, self.total_steps())?;
        }
        let reason = match sound {
            true => None,
            false => Some(self.reject_update(&computed, gradient_norm, rates.learning_rate)?),
        };
        let Computed { loss, images, batches, .. } = computed;
        let position = &mut self.position;
        position.batch += batches;
        position.step += 1;
        position.images += images;
        position.sums.images += images;
        position.sums.learning_rate = rates.learning_rate;
        let (epoch, step) = (position.epoch, position.step);
        if let Some(reason) = reason {
            position.skipped += 1;
            return Ok(Event::Skipped { epoch, step, skipped: position.skipped, reason });
        }
        position.sums.loss += loss * images as f64;
        position.sums.counted += images;
        let learning_rate = rates.learning_rate;
        Ok(Event::Step(Step { epoch, step, loss, learning_rate, gradient_norm, images }))
    }

    /// What is wrong, if the update may be skipped; else the error that ends the run.
    fn reject_update(
        &self,
        computed: &Computed,
        gradient_norm: f64,
        learning_rate: f64,
    ) -> Result<String, RunnerError> {
        let what = match computed.loss.is_finite() {
            true => format!("the gradient's norm is {gradient_norm}"),
            false => format!("loss is {}", computed.loss),
        };
        let what = format!("{what}{}", self.non_finite_layers(&computed.gradients)?);
        let guard = self.recipe().guard;
        match guard.non_finite {
            NonFinite::Skip if self.position.skipped < guard.skip_limit => {
                for (var, before) in &computed.buffers {
                    var.set(before)?;
                }
                Ok(what)
            }
            NonFinite::Skip => {
                let what = format!("{what}, {} updates having been skipped", guard.skip_limit);
                Err(self.not_finite(what, learning_rate))
            }
            NonFinite::Stop => Err(self.not_finite(what, learning_rate)),
        }
    }

    /// Where it comes from: weights that are not finite, else gradients that are not.
    fn non_finite_layers(&self, gradients: &GradStore) -> Result<String, RunnerError> {
        let trainable = self.loaded.params.trainable();
        let mut names = Vec::new();
        let mut kind = "weights";
        for (name, var) in &trainable {
            if !is_finite(var)? {
                names.push(name.as_str());
            }
        }
        if names.is_empty() {
            kind = "gradients";
            for (name, var) in &trainable {
                if gradients.get(var).map(is_finite).transpose()? == Some(false) {
                    names.push(name.as_str());
                }
            }
        }
        Ok(match names.as_slice() {
            [] => String::new(),
            [first] => format!(" ({kind} of `{first}` are not finite)"),
            [first, rest @ ..] => {
                format!(" ({kind} of `{first}` and {} more are not finite)", rest.len())
            }
        })
    }

    /// Keeps weights that are not finite out of the checkpoints.
    pub(super) fn check_weights(&self, params: &Tensors) -> Result<(), RunnerError> {
        for (name, tensor) in params {
            if !is_finite(tensor)? {
                let what = format!("the weights of `{name}` are not finite");
                return Err(self.not_finite(what, self.position.sums.learning_rate));
            }
        }
        Ok(())
    }

    fn not_finite(&self, what: String, learning_rate: f64) -> RunnerError {
        let (step, epoch) = (self.position.step, self.position.epoch + 1);
        let checkpoint = self.last_checkpoint();
        TrainingError::NotFinite { what, step, epoch, learning_rate, checkpoint }.into()
    }

    /// The last checkpoint, if there is one.
    pub(super) fn last_checkpoint(&self) -> Option<std::path::PathBuf> {
        self.checkpoints.as_ref().and_then(Checkpoints::last)
    }
}

fn is_finite(tensor: &Tensor) -> candle_core::Result<bool> {
    Ok(match tensor.dtype() {
        DType::F64 => tensor.flatten_all()?.to_vec1::<f64>()?.iter().all(|v| v.is_finite()),
        _ => {
            let values = tensor.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?;
            values.iter().all(|v| v.is_finite())
        }
    })
}

/// The labels of a batch as a tensor, on the CPU: the loss makes targets of them there.
fn labels_of(batch: &Batch) -> candle_core::Result<Tensor> {
    Tensor::from_slice(&batch.labels, batch.labels.len(), &Device::Cpu)
}

//! The loop.

use std::time::Instant;

use candle_core::{Device, Tensor};
use candle_nn::ModuleT;
use taper_dataset::Batch;
use taper_model::loss::CrossEntropy;
use taper_model::nets::Net;
use taper_model::rng::RngKey;
use taper_optimizer::{Optimizer, Schedule, clip};

use crate::data::Part;
use crate::error::RunnerError;
use crate::evaluate::{Scores, evaluate};
use crate::observe::{Event, Listener, Verdict, tell};
use crate::recipe::TrainRecipe;

/// What a training run works with.
pub struct Training<'a> {
    /// The net; its parameters are the optimizer's.
    pub net: &'a Net,
    /// Updates the net's trainable parameters.
    pub optimizer: &'a mut Optimizer,
    /// The learning rate at each step.
    pub schedule: &'a Schedule,
    /// The loss.
    pub loss: &'a CrossEntropy,
    /// The randomness of dropout.
    pub rng: &'a RngKey,
    /// Epochs, batches, clipping.
    pub recipe: &'a TrainRecipe,
    /// Images to train on.
    pub train: &'a Part,
    /// Images to validate on after each epoch.
    pub validation: Option<&'a Part>,
    /// Where the tensors live.
    pub device: &'a Device,
}

/// How a training run went.
#[derive(Debug, Clone, PartialEq)]
pub struct Trained {
    /// Updates done.
    pub steps: u64,
    /// Images seen, repeats counted.
    pub images: usize,
    /// Time in training steps, data gathering included, validation not.
    pub seconds: f64,
    /// Why it ended before its last epoch, if it did.
    pub stopped: Option<String>,
}

/// Trains: batch, forward, loss, backward, clip, step, observe.
///
/// # Errors
/// Unreadable images, a loss that is not finite, a listener that fails.
pub fn train(
    training: Training<'_>,
    listeners: &mut [Box<dyn Listener>],
) -> Result<Trained, RunnerError> {
    let Training { net, optimizer, schedule, loss, rng, recipe, device, .. } = training;
    let base_rate = optimizer.rule().learning_rate();
    let images = training.train.len();
    let steps_per_epoch = images.div_ceil(recipe.batch_size);
    let total_steps = (recipe.epochs * steps_per_epoch) as u64;
    let mut done = Trained { steps: 0, images: 0, seconds: 0.0, stopped: None };
    tell(listeners, &Event::Started { epochs: recipe.epochs, steps_per_epoch, images })?;

    'epochs: for epoch in 0..recipe.epochs {
        let started = Instant::now();
        let mut waited = 0.0;
        let mut epoch_loss = 0.0;
        let mut learning_rate = base_rate;
        let mut batches = training.train.epoch(epoch as u64, rng.seed(), recipe.batch_size)?;
        loop {
            let asked = Instant::now();
            let Some(batch) = batches.next() else { break };
            waited += asked.elapsed().as_secs_f64();
            let batch = batch?;

            rng.set_step(done.steps);
            let rates = schedule.rates(base_rate, done.steps, total_steps);
            learning_rate = rates.learning_rate;
            let logits = net.forward_t(&images_of(&batch, device)?, true)?;
            let batch_loss = loss.class_ids(&logits, &labels_of(&batch, device)?)?;
            let value = f64::from(batch_loss.to_scalar::<f32>()?);
            if !value.is_finite() {
                return Err(RunnerError::NotFinite {
                    loss: value,
                    step: done.steps,
                    epoch: epoch + 1,
                    learning_rate,
                });
            }
            let mut gradients = batch_loss.backward()?;
            if recipe.clip_value > 0.0 {
                clip::clip_by_value(&mut gradients, optimizer.vars(), recipe.clip_value)?;
            }
            if recipe.clip_norm > 0.0 {
                clip::clip_by_norm(&mut gradients, optimizer.vars(), recipe.clip_norm)?;
            }
            optimizer.step_at(&gradients, rates)?;

            let n = batch.labels.len();
            done.steps += 1;
            done.images += n;
            epoch_loss += value * n as f64;
            let event =
                Event::Step { epoch, step: done.steps, loss: value, learning_rate, images: n };
            if let Verdict::Stop(reason) = tell(listeners, &event)? {
                done.stopped = Some(reason);
                break 'epochs;
            }
        }
        let seconds = started.elapsed().as_secs_f64();
        done.seconds += seconds;
        let validation = match training.validation {
            None => None,
            Some(part) => {
                let evaluation = evaluate(net, part, recipe.eval_batch_size, device)?;
                Some(Scores::of(&evaluation)?)
            }
        };
        let event = Event::Epoch {
            epoch,
            step: done.steps,
            loss: epoch_loss / images as f64,
            learning_rate,
            validation,
            seconds,
            images_per_second: images as f64 / seconds,
            data_wait: waited / seconds,
        };
        if let Verdict::Stop(reason) = tell(listeners, &event)? {
            done.stopped = Some(reason);
            break;
        }
    }
    let stopped = done.stopped.clone();
    tell(listeners, &Event::Finished { step: done.steps, seconds: done.seconds, stopped })?;
    Ok(done)
}

/// The images of a batch as a tensor.
pub(crate) fn images_of(batch: &Batch, device: &Device) -> candle_core::Result<Tensor> {
    Tensor::from_slice(&batch.images, &batch.shape[..], device)
}

/// The labels of a batch as a tensor.
fn labels_of(batch: &Batch, device: &Device) -> candle_core::Result<Tensor> {
    Tensor::from_slice(&batch.labels, batch.labels.len(), device)
}

//! A net evaluated on a labelled part of a data set.

use std::time::Instant;

use candle_core::{DType, Device, Tensor};
use taper_dataset::{Batch, Loader, Part};
use taper_model::nets::Net;

use crate::activations::evaluation_batch;
use crate::error::ClassifierError;
use crate::evaluation::Evaluation;
use crate::tta::Tta;

/// The images of a batch as a tensor.
pub fn images_of(batch: &Batch, device: &Device) -> candle_core::Result<Tensor> {
    Tensor::from_slice(&batch.images, &batch.shape[..], device)
}

/// Runs a net, in evaluation mode, over a part of the data in its own order.
///
/// Of a large net fewer than `batch_size` images go through at once, so that what it computes on the
/// way stays within a gibibyte.
///
/// # Errors
/// Unreadable images; an empty part.
pub fn evaluate(
    net: &Net,
    part: &Part,
    batch_size: usize,
    device: &Device,
) -> Result<Evaluation, ClassifierError> {
    evaluate_tta(net, part, batch_size, device, &Tta::default(), |_| {})
}

/// As [`evaluate`], the logits being the mean over several views of each image; `done` is told the
/// number of images after each batch of the first.
///
/// # Errors
/// As [`evaluate`].
pub fn evaluate_tta(
    net: &Net,
    part: &Part,
    batch_size: usize,
    device: &Device,
    tta: &Tta,
    done: impl FnMut(usize),
) -> Result<Evaluation, ClassifierError> {
    let batch_size = evaluation_batch(net, part.size(), batch_size, device)?;
    let logits = |batch: &Batch| -> Result<Tensor, ClassifierError> {
        Ok(net.evaluate(&images_of(batch, device)?)?)
    };
    let mut all = evaluate_by(part, batches(part.in_order(batch_size)?), logits, done)?;
    if tta.views < 2 {
        return Ok(all);
    }
    for view in 1..tta.views {
        let views = batches(part.view(batch_size, tta.augment.clone(), tta.seed, view)?);
        let one = evaluate_by(part, views, logits, |_| {})?;
        all.seconds += one.seconds;
        all.logits.iter_mut().zip(one.logits).for_each(|(sum, logit)| *sum += logit);
    }
    all.logits.iter_mut().for_each(|sum| *sum /= tta.views as f32);
    Evaluation::of_logits(all.class_names, all.labels, all.logits, all.seconds)
}

fn batches(loader: Loader) -> impl Iterator<Item = Result<Batch, ClassifierError>> {
    loader.map(|batch| Ok(batch?))
}

/// As [`evaluate`], the batches and what gives their logits being given.
///
/// # Errors
/// Those of the batches and of what gives their logits; logits of other classes than the part's.
pub fn evaluate_by<E: From<ClassifierError>>(
    part: &Part,
    batches: impl Iterator<Item = Result<Batch, E>>,
    mut logits_of: impl FnMut(&Batch) -> Result<Tensor, E>,
    mut done: impl FnMut(usize),
) -> Result<Evaluation, E> {
    let started = Instant::now();
    let mut logits_of_all = Vec::with_capacity(part.len() * part.class_names().len());
    let mut labels = Vec::with_capacity(part.len());
    for batch in batches {
        let batch = batch?;
        let logits = logits_of(&batch)?;
        let expected = [batch.labels.len(), part.class_names().len()];
        if logits.dims() != expected {
            let found = logits.dims().to_vec();
            return Err(ClassifierError::NetOutput { found, expected }.into());
        }
        logits_of_all.extend(values(&logits)?);
        labels.extend(batch.labels);
        done(labels.len());
    }
    let seconds = started.elapsed().as_secs_f64();
    Ok(Evaluation::of_logits(part.class_names().to_vec(), labels, logits_of_all, seconds)?)
}

/// The numbers of a tensor in a row.
fn values(tensor: &Tensor) -> Result<Vec<f32>, ClassifierError> {
    Ok(tensor.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?)
}

//! Answers and scores of a net on labelled images.

use std::time::Instant;

use candle_core::{DType, Device, Module, ModuleT, Tensor};
use taper_dataset::Batch;
use taper_metrics::ConfusionMatrix;
use taper_model::nets::Net;

use crate::data::Part;
use crate::error::RunnerError;
use crate::views::Views;
use taper_run_folder::Scores;

/// What a net answered on a part of the data.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// Names of the classes.
    pub class_names: Vec<String>,
    /// The true class of each image.
    pub labels: Vec<u32>,
    /// What the net said, row-major: images by classes.
    pub logits: Vec<f32>,
    /// Softmax probabilities, row-major: images by classes.
    pub probabilities: Vec<f32>,
    /// Time in all, reading the images included.
    pub seconds: f64,
}

/// The images of a batch as a tensor.
pub(crate) fn images_of(batch: &Batch, device: &Device) -> candle_core::Result<Tensor> {
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
) -> Result<Evaluation, RunnerError> {
    evaluate_with(net, part, batch_size, device, |_| {})
}

/// As [`evaluate`]; `done` is told the number of images after each batch.
///
/// # Errors
/// As [`evaluate`].
pub fn evaluate_with(
    net: &Net,
    part: &Part,
    batch_size: usize,
    device: &Device,
    done: impl FnMut(usize),
) -> Result<Evaluation, RunnerError> {
    let batch_size = crate::activations::evaluation_batch(net, part.size(), batch_size, device)?;
    let batches = part.in_order(batch_size)?.map(|batch| Ok(batch?));
    let logits = |batch: &Batch| Ok(net.forward_t(&images_of(batch, device)?, false)?);
    evaluate_by(part, batches, logits, done)
}

/// As [`evaluate_with`], the logits being the mean over several looks at each image (test-time
/// augmentation).
///
/// # Errors
/// As [`evaluate`].
pub fn evaluate_views(
    net: &Net,
    part: &Part,
    batch_size: usize,
    device: &Device,
    views: &Views,
    done: impl FnMut(usize),
) -> Result<Evaluation, RunnerError> {
    let mut all = evaluate_with(net, part, batch_size, device, done)?;
    if views.count < 2 {
        return Ok(all);
    }
    let batch_size = crate::activations::evaluation_batch(net, part.size(), batch_size, device)?;
    for view in 1..views.count {
        let batches = part.view(batch_size, views, view)?.map(|batch| Ok(batch?));
        let logits = |batch: &Batch| Ok(net.forward_t(&images_of(batch, device)?, false)?);
        let one = evaluate_by(part, batches, logits, |_| {})?;
        all.seconds += one.seconds;
        all.logits.iter_mut().zip(one.logits).for_each(|(sum, logit)| *sum += logit);
    }
    all.logits.iter_mut().for_each(|sum| *sum /= views.count as f32);
    Ok(Evaluation::of_logits(all.class_names, all.labels, all.logits, all.seconds))
}

/// As [`evaluate_with`], the batches and what gives their logits being given.
pub(crate) fn evaluate_by(
    part: &Part,
    batches: impl Iterator<Item = Result<Batch, RunnerError>>,
    mut logits_of: impl FnMut(&Batch) -> Result<Tensor, RunnerError>,
    mut done: impl FnMut(usize),
) -> Result<Evaluation, RunnerError> {
    let started = Instant::now();
    let mut logits_of_all = Vec::with_capacity(part.len() * part.class_names().len());
    let mut labels = Vec::with_capacity(part.len());
    let mut probabilities = Vec::new();
    for batch in batches {
        let batch = batch?;
        let logits = logits_of(&batch)?.to_dtype(DType::F32)?;
        let rows = taper_model::layers::Softmax.forward(&logits)?;
        probabilities.extend(rows.flatten_all()?.to_vec1::<f32>()?);
        logits_of_all.extend(logits.flatten_all()?.to_vec1::<f32>()?);
        labels.extend(batch.labels);
        done(labels.len());
    }
    Ok(Evaluation {
        class_names: part.class_names().to_vec(),
        labels,
        logits: logits_of_all,
        probabilities,
        seconds: started.elapsed().as_secs_f64(),
    })
}

impl Evaluation {
    /// The evaluation of given logits.
    pub fn of_logits(
        class_names: Vec<String>,
        labels: Vec<u32>,
        logits: Vec<f32>,
        seconds: f64,
    ) -> Self {
        let probabilities = logits.clone();
        Self { class_names, labels, logits, probabilities, seconds }.with_temperature(1.0)
    }

    /// The same with the logits divided by a temperature before the softmax; at 1 as it is.
    pub fn tempered(self, temperature: f64) -> Self {
        if temperature == 1.0 { self } else { self.with_temperature(temperature) }
    }

    fn with_temperature(mut self, temperature: f64) -> Self {
        let classes = self.classes();
        let rows = self.probabilities.chunks_exact_mut(classes);
        for (row, logits) in rows.zip(self.logits.chunks_exact(classes)) {
            row.copy_from_slice(&softmax(logits, temperature));
        }
        self
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.class_names.len()
    }

    /// Adds the answers on more images.
    pub(crate) fn append(&mut self, more: Evaluation) {
        self.labels.extend(more.labels);
        self.logits.extend(more.logits);
        self.probabilities.extend(more.probabilities);
        self.seconds += more.seconds;
    }

    /// The most probable class of each image; of equal ones the first.
    pub fn predictions(&self) -> Vec<u32> {
        self.probabilities.chunks_exact(self.classes()).map(|row| top_k(row, 1)[0]).collect()
    }

    /// True classes against predicted ones.
    ///
    /// # Errors
    /// A label is outside the classes.
    pub fn confusion(&self) -> Result<ConfusionMatrix, RunnerError> {
        let mut confusion = ConfusionMatrix::new(self.classes())?;
        confusion.add_batch(&self.labels, &self.predictions())?;
        Ok(confusion)
    }

    /// The scores.
    ///
    /// # Errors
    /// No images, a label outside the classes, logits that are not finite.
    pub fn scores(&self) -> Result<Scores, RunnerError> {
        Ok(Scores::of(&self.labels, &self.probabilities, self.classes())?)
    }
}

/// The softmax of logits divided by a temperature, computed in f64.
pub(crate) fn softmax(logits: &[f32], temperature: f64) -> Vec<f32> {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let weight = |&z: &f32| (f64::from(z - largest) / temperature).exp();
    let weights: Vec<f64> = logits.iter().map(weight).collect();
    let sum: f64 = weights.iter().sum();
    weights.into_iter().map(|weight| (weight / sum) as f32).collect()
}

/// The classes of the `k` largest values of a row, largest first; of equal ones the first.
pub fn top_k(row: &[f32], k: usize) -> Vec<u32> {
    let mut order: Vec<u32> = (0..row.len() as u32).collect();
    order.sort_by(|&a, &b| row[b as usize].total_cmp(&row[a as usize]));
    order.truncate(k.max(1));
    order
}

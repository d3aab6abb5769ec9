//! Answers for images in memory, and what they share with those for files.

use std::sync::Arc;

use candle_core::{DType, Tensor};
use taper_dataset::augment::Policy;
use taper_dataset::{Batch, Image, Images, Loader, LoaderConfig};

use crate::activations::evaluation_batch;
use crate::classifier::Classifier;
use crate::error::ClassifierError;
use crate::evaluate::images_of;
use crate::evaluation::softmax;

/// Images at once, unless the net is too large for so many.
const BATCH: usize = 256;

impl Classifier {
    /// The probability of each class for each image, preprocessed as the model's configuration says, of its
    /// [views](Self::tta), its light and dark swapped where the model [inverts](Self::inverts); calibrated where
    /// the model is.
    ///
    /// # Errors
    /// An image of another size where the placement is to keep it; the net's own errors;
    /// [`ClassifierError::NotFinite`].
    pub fn probabilities(&self, mut images: Vec<Image>) -> Result<Vec<Vec<f32>>, ClassifierError> {
        if images.is_empty() {
            return Ok(Vec::new());
        }
        if self.inverts {
            images = images.into_iter().map(Image::inverted).collect();
        }
        let mut rows = Vec::with_capacity(images.len());
        let mut views = self.views(Arc::new(images))?;
        while let Some(batches) = next_batches(&mut views) {
            rows.extend(self.rows(&batches?)?);
        }
        match rows.iter().all(|row| is_finite(row)) {
            true => Ok(rows),
            false => Err(ClassifierError::NotFinite),
        }
    }

    /// The images of a source as they are, then as each further view shows them.
    pub(crate) fn views(&self, source: Arc<dyn Images>) -> Result<Vec<Loader>, ClassifierError> {
        let preprocessing = &self.config.preprocessing;
        let batch_size = evaluation_batch(&self.net, preprocessing.shape(), BATCH, &self.device)?;
        let order: Vec<usize> = (0..source.len()).collect();
        let view = |view: u64| {
            let augment = if view == 0 { Policy::default() } else { self.tta.augment.clone() };
            let (seed, epoch) = (self.tta.seed, view);
            let config = LoaderConfig { batch_size, augment, seed, epoch, ..Default::default() };
            Loader::unlabelled(source.clone(), order.clone(), preprocessing.clone(), config)
        };
        Ok((0..self.tta.views.max(1)).map(view).collect::<Result<_, _>>()?)
    }

    /// A row for each image: the softmax of the logits' mean over the views.
    pub(crate) fn rows(&self, views: &[Batch]) -> Result<Vec<Vec<f32>>, ClassifierError> {
        let logits = |batch: &Batch| -> Result<Tensor, ClassifierError> {
            let images = images_of(batch, &self.device)?;
            Ok(self.net.evaluate(&images)?.to_dtype(DType::F32)?)
        };
        let mut mean = logits(&views[0])?;
        for batch in &views[1..] {
            mean = (mean + logits(batch)?)?;
        }
        if views.len() > 1 {
            mean = mean.affine(1.0 / views.len() as f64, 0.0)?;
        }
        let rows = mean.to_vec2::<f32>()?;
        Ok(rows.iter().map(|row| softmax(row, self.temperature())).collect())
    }
}

/// Whether all probabilities of an answer are numbers.
pub(crate) fn is_finite(row: &[f32]) -> bool {
    row.iter().all(|probability| probability.is_finite())
}

/// The next batch of each view; all views have as many.
pub(crate) fn next_batches(views: &mut [Loader]) -> Option<taper_dataset::Result<Vec<Batch>>> {
    views.iter_mut().map(Iterator::next).collect()
}

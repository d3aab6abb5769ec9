//! Answers for images in memory.

use std::sync::Arc;

use candle_core::{DType, ModuleT};
use taper_dataset::{Image, Loader, LoaderConfig};

use crate::activations::evaluation_batch;
use crate::classifier::Classifier;
use crate::error::ClassifierError;
use crate::evaluate::images_of;
use crate::evaluation::softmax;

/// Images at once.
const BATCH: usize = 256;

impl Classifier {
    /// The probability of each class for each image, preprocessed as the model's configuration says,
    /// calibrated where it is.
    ///
    /// # Errors
    /// An image of another size where the placement is to keep it; the net's own errors.
    pub fn probabilities(&self, images: Vec<Image>) -> Result<Vec<Vec<f32>>, ClassifierError> {
        if images.is_empty() {
            return Ok(Vec::new());
        }
        let preprocessing = self.config.preprocessing.clone();
        let shape = preprocessing.shape();
        let batch_size = evaluation_batch(&self.net, shape, BATCH, &self.device)?;
        let config = LoaderConfig { batch_size, ..LoaderConfig::default() };
        let order = (0..images.len()).collect();
        let mut rows = Vec::with_capacity(images.len());
        for batch in Loader::unlabelled(Arc::new(images), order, preprocessing, config)? {
            let logits = self.net.forward_t(&images_of(&batch?, &self.device)?, false)?;
            for logits in logits.to_dtype(DType::F32)?.to_vec2::<f32>()? {
                rows.push(softmax(&logits, self.temperature()));
            }
        }
        Ok(rows)
    }
}

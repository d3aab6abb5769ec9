//! What an answer is compared with, and what compares them.

use std::fmt::Debug;
use std::sync::Arc;

use candle_core::{Device, Tensor};

use super::error::LossError;

/// What the answers to a batch of `n` images should be.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Targets {
    /// The class of each image: (n), `u32`, on the CPU.
    Classes(Tensor),
    /// The share of each class in each image, as mixup makes them: (n, classes).
    Shares(Tensor),
}

impl Targets {
    /// The class of each image: (n), `u32`.
    ///
    /// # Errors
    ///
    /// They are shares.
    pub fn classes(&self) -> Result<&Tensor, LossError> {
        match self {
            Self::Classes(classes) => Ok(classes),
            Self::Shares(_) => Err(LossError::SharesOfClasses),
        }
    }

    /// The share of each class in each image, a class being 1 of its own and 0 of the others: of the shape, type
    /// and device of the logits, (n, classes).
    ///
    /// # Errors
    ///
    /// Another number of images or classes than the logits have; a class that they do not have.
    pub fn shares(&self, logits: &Tensor) -> Result<Tensor, LossError> {
        let &[n, classes] = logits.dims() else {
            return Err(LossError::LogitsShape { found: logits.dims().to_vec() });
        };
        let (found, expected) = match self {
            Self::Classes(labels) => (labels, vec![n]),
            Self::Shares(shares) => (shares, vec![n, classes]),
        };
        if found.dims() != expected {
            let (logits, found) = (logits.dims().to_vec(), found.dims().to_vec());
            return Err(LossError::TargetsShape { logits, expected, found });
        }
        let shares = match self {
            Self::Shares(shares) => shares.clone(),
            Self::Classes(labels) => {
                let mut shares = vec![0f32; n * classes];
                for (index, label) in labels.to_vec1::<u32>()?.into_iter().enumerate() {
                    if label as usize >= classes {
                        return Err(LossError::LabelOutOfRange { index, label, classes });
                    }
                    shares[index * classes + label as usize] = 1.0;
                }
                Tensor::from_vec(shares, (n, classes), &Device::Cpu)?
            }
        };
        Ok(shares.to_device(logits.device())?.to_dtype(logits.dtype())?)
    }
}

/// A loss: logits and targets to one number.
///
/// ```
/// use candle_core::{D, Device, Module, Tensor};
/// use taper_model::layers::Softmax;
/// use taper_model::loss::{Loss, LossError, Targets};
///
/// /// The mean squared distance of the probabilities from the targets (Brier 1950).
/// #[derive(Debug)]
/// struct Brier;
///
/// impl Loss for Brier {
///     fn loss(&self, logits: &Tensor, targets: &Targets) -> Result<Tensor, LossError> {
///         // candle's own `softmax_last_dim` has no gradient.
///         let off = (Softmax.forward(logits)? - targets.shares(logits)?)?;
///         Ok(off.sqr()?.sum(D::Minus1)?.mean_all()?)
///     }
/// }
///
/// let logits = Tensor::new(&[[0f32, 0.0]], &Device::Cpu)?;
/// let targets = Targets::Classes(Tensor::new(&[1u32], &Device::Cpu)?);
/// assert_eq!(Brier.loss(&logits, &targets)?.to_scalar::<f32>()?, 0.5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Loss: Debug + Send + Sync {
    /// The mean over the images, a scalar; where several batches make one update it is weighed by their sizes.
    ///
    /// # Shapes
    ///
    /// `logits` (n, classes).
    ///
    /// # Errors
    ///
    /// Targets that it cannot take; those of the device.
    fn loss(&self, logits: &Tensor, targets: &Targets) -> Result<Tensor, LossError>;

    /// The same with a share of each target spread over all classes, and a weight for each class, where there are
    /// any. By default `None`: it has no such settings.
    fn weighed(
        &self,
        label_smoothing: f64,
        class_weights: Option<Vec<f64>>,
    ) -> Option<Arc<dyn Loss>> {
        let _ = (label_smoothing, class_weights);
        None
    }
}

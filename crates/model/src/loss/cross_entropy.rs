//! Softmax cross-entropy.

use std::sync::Arc;

use candle_core::{DType, Device, Tensor};

use super::error::LossError;
use super::targets::{Loss, Targets};

/// Softmax cross-entropy from logits, averaged over the batch: PyTorch's `F.cross_entropy`.
///
/// With `p = softmax(logits)`, the smoothed targets
/// `t = (1 - label_smoothing) * target + label_smoothing / classes` and the class weights `w`, a
/// row's loss is `-sum over k of w[k] t[k] log p[k]`. Over the batch
///
/// - class ids ([`class_ids`](Self::class_ids)) give the sum divided by the sum of the labels'
///   weights,
/// - targets ([`targets`](Self::targets)) give the sum divided by the number of rows,
///
/// which is what PyTorch's `reduction="mean"` does for each. Without class weights the two agree on
/// one-hot targets. Keras's `categorical_crossentropy` is the second without weights.
///
/// Softmax and logarithm are one operation, so large logits neither overflow nor lose the gradient.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use taper_model::loss::CrossEntropy;
///
/// let logits = Tensor::new(&[[2f32, 0.0, 0.0], [0.0, 0.0, 0.0]], &Device::Cpu)?;
/// let labels = Tensor::new(&[0u32, 2], &Device::Cpu)?;
/// let loss = CrossEntropy::default().class_ids(&logits, &labels)?.to_scalar::<f32>()?;
/// // -ln(e² / (e² + 2)) and ln 3
/// assert!((loss - (0.239_544_8 + 1.098_612_3) / 2.0).abs() < 1e-6);
///
/// let wrong = CrossEntropy::default().class_ids(&logits, &Tensor::new(&[0u32, 3], &Device::Cpu)?);
/// assert_eq!(
///     wrong.unwrap_err().to_string(),
///     "label 3 at position 1 of the batch is out of range: the logits have 3 classes"
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CrossEntropy {
    /// The share of each target that is spread evenly over all classes, from 0 to 1; default 0.
    #[serde(skip)]
    pub label_smoothing: f64,
    /// A weight for each class, finite and not negative; default `None`, all 1.
    #[serde(skip)]
    pub class_weights: Option<Vec<f64>>,
}

/// With serde it has no settings of its own: a recipe's are `train.label_smoothing` and `train.class_weights`.
impl Loss for CrossEntropy {
    fn loss(&self, logits: &Tensor, targets: &Targets) -> Result<Tensor, LossError> {
        match targets {
            Targets::Classes(labels) => self.class_ids(logits, labels),
            Targets::Shares(shares) => self.targets(logits, shares),
        }
    }

    fn weighed(
        &self,
        label_smoothing: f64,
        class_weights: Option<Vec<f64>>,
    ) -> Option<Arc<dyn Loss>> {
        Some(Arc::new(Self { label_smoothing, class_weights }))
    }
}

impl CrossEntropy {
    /// The mean loss of `logits` (n, classes) against class ids `labels` (n), u32, as a scalar. Labels of the
    /// CPU go with logits of any device, and quickest.
    ///
    /// # Errors
    ///
    /// Shapes that do not go together; a label out of range, before anything is computed; class
    /// weights that do not fit the classes, or are all zero for this batch; smoothing out of range.
    pub fn class_ids(&self, logits: &Tensor, labels: &Tensor) -> Result<Tensor, LossError> {
        let (n, classes) = self.check(logits)?;
        check_targets(logits, labels, &[n])?;
        if labels.dtype() != DType::U32 {
            return Err(LossError::LabelsDType { found: labels.dtype() });
        }
        let labels = labels.to_vec1::<u32>()?;
        if let Some(index) = labels.iter().position(|&label| label as usize >= classes) {
            return Err(LossError::LabelOutOfRange { index, label: labels[index], classes });
        }

        let weight =
            |class: usize| self.class_weights.as_ref().map_or(1.0, |weights| weights[class]);
        let total: f64 = labels.iter().map(|&label| weight(label as usize)).sum();
        if total == 0.0 {
            return Err(LossError::ZeroWeight { n });
        }
        let spread = self.label_smoothing / classes as f64;
        let mut targets = vec![0f64; n * classes];
        for (row, &label) in targets.chunks_exact_mut(classes).zip(&labels) {
            for (class, target) in row.iter_mut().enumerate() {
                let hit = if class == label as usize { 1.0 - self.label_smoothing } else { 0.0 };
                *target = weight(class) * (hit + spread);
            }
        }
        let targets = Tensor::from_vec(targets, (n, classes), &Device::Cpu)?
            .to_dtype(logits.dtype())?
            .to_device(logits.device())?;
        mean(logits, &targets, total)
    }

    /// The mean loss of `logits` (n, classes) against `targets` (n, classes): one-hot or soft, rows
    /// usually summing to 1. The targets get no gradient.
    ///
    /// # Errors
    ///
    /// Shapes that do not go together; class weights that do not fit the classes; smoothing out of
    /// range.
    pub fn targets(&self, logits: &Tensor, targets: &Tensor) -> Result<Tensor, LossError> {
        let (n, classes) = self.check(logits)?;
        check_targets(logits, targets, &[n, classes])?;
        let mut targets = targets.to_dtype(logits.dtype())?.detach();
        if self.label_smoothing > 0.0 {
            targets = targets
                .affine(1.0 - self.label_smoothing, self.label_smoothing / classes as f64)?;
        }
        if let Some(weights) = &self.class_weights {
            let weights = Tensor::from_slice(weights, classes, &Device::Cpu)?
                .to_dtype(logits.dtype())?
                .to_device(logits.device())?;
            targets = targets.broadcast_mul(&weights)?;
        }
        mean(logits, &targets, n as f64)
    }

    /// Checks the logits and this loss's own fields; gives (n, classes).
    fn check(&self, logits: &Tensor) -> Result<(usize, usize), LossError> {
        let (n, classes) = match *logits.dims() {
            [n, classes] if n > 0 && classes > 0 => (n, classes),
            _ => return Err(LossError::LogitsShape { found: logits.dims().to_vec() }),
        };
        if !(0.0..=1.0).contains(&self.label_smoothing) {
            return Err(LossError::LabelSmoothing { found: self.label_smoothing });
        }
        if let Some(weights) = &self.class_weights {
            if weights.len() != classes {
                return Err(LossError::ClassWeightsLength {
                    expected: classes,
                    found: weights.len(),
                });
            }
            if let Some(class) =
                weights.iter().position(|weight| !(weight.is_finite() && *weight >= 0.0))
            {
                return Err(LossError::ClassWeight { class, weight: weights[class] });
            }
        }
        Ok((n, classes))
    }
}

fn check_targets(logits: &Tensor, targets: &Tensor, expected: &[usize]) -> Result<(), LossError> {
    if targets.dims() == expected {
        return Ok(());
    }
    Err(LossError::TargetsShape {
        logits: logits.dims().to_vec(),
        expected: expected.to_vec(),
        found: targets.dims().to_vec(),
    })
}

fn mean(logits: &Tensor, targets: &Tensor, divisor: f64) -> Result<Tensor, LossError> {
    let losses = taper_kernels::softmax_cross_entropy(logits, targets)?;
    Ok(losses.sum_all()?.affine(1.0 / divisor, 0.0)?)
}

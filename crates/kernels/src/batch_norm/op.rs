//! Batch normalization as an operation.

use super::statistics::{BatchNormTrain, Dims, Statistics};
use super::{composed, naive, vector};
use crate::element::{Element, as_f32, check_vectors, from_f32};
use crate::implementation::{Implementation, resolve};
use crate::operation::{self, Operation, Output};
use crate::simd::Isa;
use candle_core::{DType, Result, Tensor, bail};
use std::sync::Arc;

fn check_channels(op: &str, x: &Tensor, vectors: &[(&str, &Tensor)]) -> Result<()> {
    if !(2..=4).contains(&x.rank()) {
        bail!("{op}: expected an input (n, c, ...) of rank 2 to 4, found {:?}", x.dims())
    }
    check_vectors(op, x.dims()[1], vectors)
}

/// Normalizes each channel over the batch and all positions, with the batch's own statistics.
///
/// `y = (x - mean) / sqrt(variance + eps) * gamma + beta`, the variance divided by the count, as
/// PyTorch does here (for its running variance it divides by the count less one).
/// S. Ioffe, C. Szegedy, "Batch normalization", 2015, <https://arxiv.org/abs/1502.03167>.
///
/// # Shapes
///
/// `x` (n, c), (n, c, l) or (n, c, h, w); `gamma`, `beta` (c).
///
/// # Errors
///
/// If a shape is wrong, or a channel has no elements.
pub fn batch_norm_train(
    x: &Tensor,
    gamma: &Tensor,
    beta: &Tensor,
    eps: f64,
) -> Result<BatchNormTrain> {
    check_channels("batch_norm_train", x, &[("gamma", gamma), ("beta", beta)])?;
    if x.elem_count() == 0 {
        bail!("batch_norm_train: expected elements to normalize, found shape {:?}", x.dims())
    }
    match resolve(x) {
        Implementation::Composed => composed::batch_norm_train(x, gamma, beta, eps),
        chosen => {
            let (output, saved) = apply(x, gamma, beta, eps, chosen, None)?;
            let vector =
                |v: &[f64]| Tensor::from_slice(v, v.len(), x.device())?.to_dtype(x.dtype());
            let (mean, variance) = (vector(&saved.mean)?, vector(&saved.variance)?);
            Ok(BatchNormTrain { output, mean, variance })
        }
    }
}

/// Normalizes each channel with the given statistics.
///
/// `y = (x - mean) / sqrt(variance + eps) * gamma + beta`, differentiable in `x`, `gamma` and
/// `beta`; the statistics are constants.
///
/// # Shapes
///
/// `x` (n, c), (n, c, l) or (n, c, h, w); the others (c).
///
/// # Errors
///
/// If a shape is wrong.
pub fn batch_norm_eval(
    x: &Tensor,
    gamma: &Tensor,
    beta: &Tensor,
    mean: &Tensor,
    variance: &Tensor,
    eps: f64,
) -> Result<Tensor> {
    let vectors = [("gamma", gamma), ("beta", beta), ("mean", mean), ("variance", variance)];
    check_channels("batch_norm_eval", x, &vectors)?;
    match resolve(x) {
        Implementation::Composed => composed::batch_norm_eval(x, gamma, beta, mean, variance, eps),
        chosen => {
            let vector = |v: &Tensor| v.to_dtype(DType::F64)?.to_vec1::<f64>();
            let given = Statistics { mean: vector(mean)?, variance: vector(variance)? };
            Ok(apply(x, gamma, beta, eps, chosen, Some(given))?.0)
        }
    }
}

fn apply(
    x: &Tensor,
    gamma: &Tensor,
    beta: &Tensor,
    eps: f64,
    chosen: Implementation,
    given: Option<Statistics>,
) -> Result<(Tensor, Arc<Statistics>)> {
    let op = BatchNorm { dims: Dims::new(x.dims()), eps, isa: chosen.simd_isa(), given };
    operation::apply_saving(op, [x, gamma, beta], x.shape())
}

struct BatchNorm {
    dims: Dims,
    eps: f64,
    isa: Option<Isa>,
    /// The statistics to use; without them, those of the batch.
    given: Option<Statistics>,
}

/// Of x, gamma and beta.
impl Operation<3> for BatchNorm {
    /// The statistics of the batch, if they are used.
    type Saved = Statistics;

    fn forward<T: Element>(&self, [x, gamma, beta]: [&[T]; 3]) -> Result<(Vec<T>, Statistics)> {
        let (dims, given) = (self.dims, self.given.as_ref());
        match (self.isa, as_f32(x), as_f32(gamma), as_f32(beta)) {
            (Some(isa), Some(x), Some(gamma), Some(beta)) => {
                let (y, own) = vector::forward(isa, dims, x, [gamma, beta], self.eps, given);
                Ok((from_f32(y)?, own))
            }
            _ => {
                let own = match given {
                    Some(_) => Statistics::default(),
                    None => naive::statistics(dims, x),
                };
                let y = naive::forward(dims, x, [gamma, beta], self.eps, given.unwrap_or(&own));
                Ok((y, own))
            }
        }
    }

    fn backward<T: Element>(
        &self,
        [x, gamma, _]: [&[T]; 3],
        Output { saved, grad, .. }: Output<T, Statistics>,
        wanted: [bool; 3],
    ) -> Result<[Option<Vec<T>>; 3]> {
        let statistics = self.given.as_ref().unwrap_or(saved);
        // Where the statistics are the batch's own, they move with x.
        let own = self.given.is_none();
        let [dx, d_gamma, d_beta] = match (self.isa, as_f32(x), as_f32(gamma), as_f32(grad)) {
            (Some(isa), Some(x), Some(gamma), Some(grad)) => {
                let inputs = [x, gamma, grad];
                let eps = self.eps;
                vector::backward(isa, self.dims, inputs, eps, statistics, own, wanted)
                    .map(|gradient| gradient.map(from_f32).transpose())
            }
            _ => naive::backward(self.dims, [x, gamma, grad], self.eps, statistics, own, wanted)
                .map(Ok),
        };
        Ok([dx?, d_gamma?, d_beta?])
    }
}

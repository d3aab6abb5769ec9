//! Batch normalization as an operation.

use super::statistics::{BatchNormConfig, BatchNormTrain, Dims, Statistics};
use super::{composed, naive, vector};
use crate::element::{Element, as_f32, check_vectors, dispatch, from_f32, read_all, tensor};
use crate::implementation::{Implementation, resolve};
use crate::operation::{self, Operation, Output};
use crate::simd::Isa;
use candle_core::{DType, Result, Tensor, bail};
use rayon::prelude::*;
use std::borrow::Cow;
use std::sync::Arc;

fn check_channels(op: &str, x: &Tensor, vectors: &[(&str, &Tensor)]) -> Result<()> {
    if !(2..=4).contains(&x.rank()) {
        bail!("{op}: expected an input (n, c, ...) of rank 2 to 4, found {:?}", x.dims())
    }
    check_vectors(op, x.dims()[1], vectors)
}

/// Normalizes each channel over the batch and all positions, with the batch's own statistics.
///
/// `y = activation((x - mean) / sqrt(variance + eps) * gamma + beta)`, the variance divided by the count, as
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
    config: &BatchNormConfig,
) -> Result<BatchNormTrain> {
    check_channels("batch_norm_train", x, &[("gamma", gamma), ("beta", beta)])?;
    if x.elem_count() == 0 {
        bail!("batch_norm_train: expected elements to normalize, found shape {:?}", x.dims())
    }
    match resolve(x) {
        Implementation::Composed => composed::batch_norm_train(x, gamma, beta, config),
        chosen => {
            let (output, saved) = apply(x, gamma, beta, config, chosen, None)?;
            let vector =
                |v: &[f64]| Tensor::from_slice(v, v.len(), x.device())?.to_dtype(x.dtype());
            let (mean, variance) = (vector(&saved.mean)?, vector(&saved.variance)?);
            Ok(BatchNormTrain { output, mean, variance })
        }
    }
}

/// Normalizes each channel with the given statistics.
///
/// `y = activation((x - mean) / sqrt(variance + eps) * gamma + beta)`, differentiable in `x`, `gamma` and
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
    config: &BatchNormConfig,
) -> Result<Tensor> {
    let vectors = [("gamma", gamma), ("beta", beta), ("mean", mean), ("variance", variance)];
    check_channels("batch_norm_eval", x, &vectors)?;
    match resolve(x) {
        Implementation::Composed => {
            composed::batch_norm_eval(x, gamma, beta, mean, variance, config)
        }
        chosen => {
            let vector = |v: &Tensor| v.to_dtype(DType::F64)?.to_vec1::<f64>();
            let given = Statistics { mean: vector(mean)?, variance: vector(variance)? };
            Ok(apply(x, gamma, beta, config, chosen, Some(given))?.0)
        }
    }
}

/// Weight and bias of a convolution that does what the given one and [`batch_norm_eval`] behind it do; without a place
/// on the tape.
///
/// # Shapes
///
/// `weight` (out, ...); `bias`, `gamma`, `beta`, `mean`, `variance` (out).
///
/// # Errors
///
/// If a shape is wrong, or the element type is neither `f32` nor `f64`.
pub fn fold_batch_norm(
    (weight, bias): (&Tensor, Option<&Tensor>),
    [gamma, beta, mean, variance]: [&Tensor; 4],
    eps: f64,
) -> Result<(Tensor, Tensor)> {
    let channels = weight.dim(0)?;
    let vectors = [("gamma", gamma), ("beta", beta), ("mean", mean), ("variance", variance)];
    check_vectors("fold_batch_norm", channels, &vectors)?;
    check_vectors("fold_batch_norm", channels, bias.map(|bias| ("bias", bias)).as_slice())?;
    let (device, dtype) = (weight.device(), weight.dtype());
    let vector = |v: &Tensor| v.to_dtype(DType::F64)?.to_vec1::<f64>();
    let mut scale = vector(gamma)?;
    scale.iter_mut().zip(vector(variance)?).for_each(|(scale, v)| *scale /= (v + eps).sqrt());
    let mut shift = bias.map_or(Ok(vec![0.; channels]), vector)?;
    for (i, (beta, mean)) in vector(beta)?.into_iter().zip(vector(mean)?).enumerate() {
        shift[i] = beta + (shift[i] - mean) * scale[i];
    }
    let vector = |v: &[f64]| Tensor::from_slice(v, channels, device)?.to_dtype(dtype);
    let (scale, shift) = (vector(&scale)?, vector(&shift)?);
    if resolve(weight) == Implementation::Composed {
        let mut dims = vec![1; weight.rank()];
        dims[0] = channels;
        return Ok((weight.detach().broadcast_mul(&scale.reshape(dims)?)?, shift));
    }
    let folded = dispatch!(dtype, T => read_all::<T, _, 2>([weight, &scale], |[w, scale]| {
        let mut folded = w.to_vec();
        let len = (w.len() / channels.max(1)).max(1);
        folded.par_chunks_mut(len).zip(scale).with_min_len((1 << 14) / len).for_each(|(w, &scale)| {
            w.iter_mut().for_each(|w| *w *= scale);
        });
        tensor(folded, weight)
    }))?;
    Ok((folded, shift))
}

/// Slices as the `f32` that they are, if they are.
fn all_f32<T: Element, const N: usize>(slices: [&[T]; N]) -> Option<[&[f32]; N]> {
    let mut found: [&[f32]; N] = [&[]; N];
    for (found, slice) in found.iter_mut().zip(slices) {
        *found = as_f32(slice)?;
    }
    Some(found)
}

fn apply(
    x: &Tensor,
    gamma: &Tensor,
    beta: &Tensor,
    config: &BatchNormConfig,
    chosen: Implementation,
    given: Option<Statistics>,
) -> Result<(Tensor, Arc<Statistics>)> {
    let op =
        BatchNorm { dims: Dims::new(x.dims()), config: *config, isa: chosen.simd_isa(), given };
    operation::apply_saving(op, [x, gamma, beta], x.shape())
}

struct BatchNorm {
    dims: Dims,
    config: BatchNormConfig,
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
                let (y, own) = vector::forward(isa, dims, x, [gamma, beta], &self.config, given);
                Ok((from_f32(y)?, own))
            }
            _ => {
                let own = match given {
                    Some(_) => Statistics::default(),
                    None => naive::statistics(dims, x),
                };
                let s = given.unwrap_or(&own);
                let y = naive::forward(dims, x, [gamma, beta], self.config.eps, s);
                Ok((self.config.activation.map_or(Ok(y.clone()), |f| f.values(None, &y))?, own))
            }
        }
    }

    fn backward<T: Element>(
        &self,
        [x, gamma, beta]: [&[T]; 3],
        Output { saved, grad, .. }: Output<T, Statistics>,
        wanted: [bool; 3],
    ) -> Result<[Option<Vec<T>>; 3]> {
        let statistics = self.given.as_ref().unwrap_or(saved);
        // Where the statistics are the batch's own, they move with x.
        let own = self.given.is_none();
        let (dims, eps) = (self.dims, self.config.eps);
        let [dx, d_gamma, d_beta] = match (self.isa, all_f32([x, gamma, beta, grad])) {
            (Some(isa), Some(inputs)) => {
                vector::backward(isa, dims, inputs, &self.config, statistics, own, wanted)
                    .map(|gradient| gradient.map(from_f32).transpose())
            }
            _ => {
                let before = match self.config.activation {
                    Some(function) => {
                        let y = naive::forward(dims, x, [gamma, beta], eps, statistics);
                        Cow::Owned(function.gradient(None, &y, grad)?)
                    }
                    None => Cow::Borrowed(grad),
                };
                naive::backward(dims, [x, gamma, &before], eps, statistics, own, wanted).map(Ok)
            }
        };
        Ok([dx?, d_gamma?, d_beta?])
    }
}

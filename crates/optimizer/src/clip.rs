//! Gradient clipping, by the norm of all gradients or by value.
//!
//! Both look at the gradients of the variables given and at no others, and put a clipped gradient
//! into the store in place of the old one, which is left as it is: gradients may share memory.

use candle_core::backprop::GradStore;
use candle_core::{DType, Device, Tensor, Var};
use rayon::prelude::*;

use crate::check::Check;
use crate::error::OptimizerError;
use crate::real::Real;
use crate::values::{self, CHUNK, PARALLEL_FROM, Values};

/// The 2-norm of all gradients of the variables, taken as one vector.
///
/// Squares are summed in `f64`, in chunks cut by size and added in their order, so that it has the
/// same bits for any number of threads. Gradients on a GPU are squared and summed there in `f32`, in chunks of
/// the same size: there an element above 1e19 makes the norm infinite.
///
/// # Errors
///
/// Those of the device.
pub fn global_norm<'a>(
    grads: &GradStore,
    vars: impl IntoIterator<Item = &'a Var>,
) -> Result<f64, OptimizerError> {
    norm(vars.into_iter().filter_map(|var| grads.get(var)).collect())
}

// What computes is not generic over the caller's iterator, or it would be compiled in the caller's crate.
fn norm(gradients: Vec<&Tensor>) -> Result<f64, OptimizerError> {
    let mut sum = 0.0;
    let (here, elsewhere): (Vec<_>, Vec<_>) =
        gradients.into_iter().partition(|gradient| gradient.device().is_cpu());
    if !elsewhere.is_empty() {
        sum += sum_of_squares_there(&elsewhere)?;
    }
    for gradient in here {
        let host = values::on_host(gradient, values::working_dtype(gradient.dtype()))?;
        sum += values::read(&host, |values| {
            Ok(match values {
                Values::F32(values) => sum_of_squares(values, f64::from),
                Values::F64(values) => sum_of_squares(values, |value| value),
            })
        })?;
    }
    Ok(sum.sqrt())
}

/// Scales the gradients of the variables so that their [`global_norm`] is at most `max_norm`, and
/// returns the norm before that.
///
/// ```text
/// g = g * min(1, max_norm / (norm + 1e-6))
/// ```
///
/// That is `torch.nn.utils.clip_grad_norm_`; Keras's `global_clipnorm` has no 1e-6. Where the norm
/// is infinite or NaN the gradients stay as they are (PyTorch turns them all into 0 or NaN): the
/// caller sees it in the norm, and should skip the step.
///
/// # Errors
///
/// A `max_norm` that is not above 0, or those of the device.
///
/// # Example
///
/// ```
/// use candle_core::{Device, Var};
/// use taper_optimizer::clip::clip_by_norm;
///
/// let weight = Var::new(&[3f32, 4.0], &Device::Cpu)?;
/// let mut grads = (weight.sqr()? * 0.5)?.sum_all()?.backward()?;
/// assert_eq!(clip_by_norm(&mut grads, [&weight], 1.0)?, 5.0);
/// let clipped = grads.get(&weight).unwrap().to_vec1::<f32>()?;
/// assert!((clipped[0] - 0.6).abs() < 1e-6 && (clipped[1] - 0.8).abs() < 1e-6);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn clip_by_norm<'a>(
    grads: &mut GradStore,
    vars: impl IntoIterator<Item = &'a Var>,
    max_norm: f64,
) -> Result<f64, OptimizerError> {
    Check("clip_by_norm").positive("max_norm", max_norm)?;
    let vars: Vec<&Var> = vars.into_iter().collect();
    let norm = global_norm(grads, vars.iter().copied())?;
    let factor = max_norm / (norm + 1e-6);
    if norm.is_finite() && factor < 1.0 {
        for var in vars {
            if let Some(gradient) = grads.get(var) {
                let scaled = gradient.affine(factor, 0.0)?.detach();
                grads.insert(var, scaled);
            }
        }
    }
    Ok(norm)
}

/// Limits every element of the gradients of the variables to `-max_value ..= max_value`.
///
/// That is `torch.nn.utils.clip_grad_value_` and Keras's `clipvalue`. A NaN stays one (candle's
/// `clamp` would make it `-max_value`, or `max_value`).
///
/// # Errors
///
/// A `max_value` that is not above 0, or those of the device.
pub fn clip_by_value<'a>(
    grads: &mut GradStore,
    vars: impl IntoIterator<Item = &'a Var>,
    max_value: f64,
) -> Result<(), OptimizerError> {
    Check("clip_by_value").positive("max_value", max_value)?;
    for var in vars {
        if let Some(gradient) = grads.get(var) {
            let clipped = clamped(gradient, max_value)?;
            grads.insert(var, clipped);
        }
    }
    Ok(())
}

fn clamped(gradient: &Tensor, max_value: f64) -> candle_core::Result<Tensor> {
    if !gradient.device().is_cpu() {
        return clamped_there(gradient, max_value);
    }
    let host = values::on_host(gradient, values::working_dtype(gradient.dtype()))?;
    let clipped = values::read(&host, |values| match values {
        Values::F32(values) => clamped_here(values, max_value, host.dims()),
        Values::F64(values) => clamped_here(values, max_value, host.dims()),
    });
    clipped?.to_dtype(gradient.dtype())
}

fn clamped_here<T: Real + candle_core::WithDType>(
    values: &[T],
    max_value: f64,
    dims: &[usize],
) -> candle_core::Result<Tensor> {
    let (low, high) = (<T as Real>::of(-max_value), <T as Real>::of(max_value));
    let clamp = |&value: &T| {
        if value > high {
            high
        } else if value < low {
            low
        } else {
            value
        }
    };
    Tensor::from_vec(values.iter().map(clamp).collect::<Vec<_>>(), dims, &Device::Cpu)
}

/// [`clamped_here`] by tensor operations.
fn clamped_there(gradient: &Tensor, max_value: f64) -> candle_core::Result<Tensor> {
    let gradient = gradient.detach();
    gradient.eq(&gradient)?.where_cond(&gradient.clamp(-max_value, max_value)?, &gradient)
}

/// [`sum_of_squares`] by tensor operations, of gradients of one device: a sum a chunk, then one transfer.
fn sum_of_squares_there(gradients: &[&Tensor]) -> candle_core::Result<f64> {
    let gradients: Vec<Tensor> = gradients.iter().map(|gradient| gradient.detach()).collect();
    let all = values::concatenated(&gradients, DType::F32)?;
    let chunks = all.elem_count().div_ceil(CHUNK);
    let all = all.pad_with_zeros(0, 0, chunks * CHUNK - all.elem_count())?;
    let sums = all.reshape((chunks, CHUNK))?.sqr()?.sum(1)?.to_vec1::<f32>()?;
    Ok(sums.into_iter().map(f64::from).sum())
}

fn sum_of_squares<T: Copy + Sync>(values: &[T], wide: impl Fn(T) -> f64 + Sync) -> f64 {
    let of_chunk = |values: &[T]| {
        // Eight sums side by side, so that the loop can use vector registers.
        let mut sums = [0f64; 8];
        let eights = values.chunks_exact(8);
        let rest: f64 = eights.remainder().iter().map(|&value| wide(value) * wide(value)).sum();
        for eight in eights {
            for (sum, &value) in sums.iter_mut().zip(eight) {
                *sum += wide(value) * wide(value);
            }
        }
        sums.iter().sum::<f64>() + rest
    };
    if values.len() < PARALLEL_FROM {
        return values.chunks(CHUNK).map(of_chunk).sum();
    }
    values.par_chunks(CHUNK).map(of_chunk).collect::<Vec<_>>().iter().sum()
}

#[cfg(test)]
mod tests;

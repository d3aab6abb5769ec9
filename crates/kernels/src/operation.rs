//! An operation with kernels for the CPU, and how it gets its gradient.

use crate::element::{Element, dispatch, read_all, tensor};
use crate::relay;
use candle_core::{Result, Shape, Tensor, bail};
use std::sync::Arc;

/// A function of `N` tensors (one to three) with one result. All numbers are in row-major order.
pub(crate) trait Operation<const N: usize>: Send + Sync + 'static {
    /// What the forward pass leaves for the backward pass, beside inputs and output.
    type Saved: Send + Sync + 'static;

    /// Whether the gradient of each input is the output's, number for number; [`backward`](Self::backward) is not
    /// called then.
    const PASSES_GRADIENT_ON: bool = false;

    /// The output, and what is saved.
    fn forward<T: Element>(&self, inputs: [&[T]; N]) -> Result<(Vec<T>, Self::Saved)>;

    /// The gradients of the inputs for which `wanted` is true, and of no others.
    fn backward<T: Element>(
        &self,
        _inputs: [&[T]; N],
        _output: Output<T, Self::Saved>,
        _wanted: [bool; N],
    ) -> Result<[Option<Vec<T>>; N]> {
        bail!("an operation has no backward pass")
    }
}

/// What a backward pass starts from, beside the inputs.
pub(crate) struct Output<'a, T, S> {
    pub y: &'a [T],
    pub saved: &'a S,
    /// The gradient of `y`.
    pub grad: &'a [T],
}

/// The result of shape `shape`, on the tape where an input is.
pub(crate) fn apply<O: Operation<N>, const N: usize>(
    op: O,
    inputs: [&Tensor; N],
    shape: impl Into<Shape>,
) -> Result<Tensor> {
    Ok(apply_saving(op, inputs, shape)?.0)
}

/// [`apply`], also with what the forward pass saved.
pub(crate) fn apply_saving<O: Operation<N>, const N: usize>(
    op: O,
    inputs: [&Tensor; N],
    shape: impl Into<Shape>,
) -> Result<(Tensor, Arc<O::Saved>)> {
    let mut contiguous = inputs.map(Tensor::clone);
    for x in &mut contiguous {
        *x = x.contiguous()?;
    }
    let inputs = contiguous.each_ref();
    dispatch!(inputs[0].dtype(), T => record::<O, T, N>(op, inputs, shape.into()))
}

fn record<O: Operation<N>, T: Element, const N: usize>(
    op: O,
    inputs: [&Tensor; N],
    shape: Shape,
) -> Result<(Tensor, Arc<O::Saved>)> {
    let (y, saved) = read_all(inputs, |inputs| op.forward::<T>(inputs))?;
    let saved = Arc::new(saved);
    if !relay::has_gradient(inputs) {
        return Ok((Tensor::from_vec(y, shape, inputs[0].device())?, saved));
    }
    let kept = saved.clone();
    let output = (T::to_cpu_storage_owned(y), shape);
    let y = relay::join(
        output,
        inputs,
        Box::new(move |inputs, y, grad| backward::<O, T, N>(&op, inputs, (y, grad), &kept)),
    )?;
    Ok((y, saved))
}

/// The gradients of the inputs that are on the tape.
fn backward<O: Operation<N>, T: Element, const N: usize>(
    op: &O,
    inputs: [&Tensor; N],
    (y, grad): (&Tensor, &Tensor),
    saved: &O::Saved,
) -> Result<[Option<Tensor>; N]> {
    let wanted = inputs.map(Tensor::track_op);
    let mut tensors = [const { None }; N];
    if O::PASSES_GRADIENT_ON {
        for (i, tensor) in tensors.iter_mut().enumerate().filter(|&(i, _)| wanted[i]) {
            let shape = inputs[i].shape();
            // Reshaping would copy a gradient that is not contiguous.
            *tensor = Some(if shape == grad.shape() { grad.clone() } else { grad.reshape(shape)? });
        }
        return Ok(tensors);
    }
    let gradients = read_all(inputs, |x| {
        read_all([y, grad], |[y, grad]| op.backward::<T>(x, Output { y, saved, grad }, wanted))
    })?;
    for (i, gradient) in gradients.into_iter().enumerate() {
        if gradient.is_some() != wanted[i] {
            bail!("an operation's input {i}: a gradient is wanted or given, but not both")
        }
        tensors[i] = gradient.map(|gradient| tensor(gradient, inputs[i])).transpose()?;
    }
    Ok(tensors)
}

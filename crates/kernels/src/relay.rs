//! Gradients that operations hand on to each other, past candle's tape.
//!
//! Candle's backward pass takes a tensor of zeros for each gradient and adds to it what an operation gives: two passes
//! over the memory of every intermediate result, on one thread, where mostly there is nothing to add. The operations of
//! this crate hand gradients on to each other instead. On the tape, each stands with a *handle* of one element, which
//! says what comes after what; the gradients themselves lie in slots beside it.
//!
//! ```text
//! x ──► handle ──► handle ──► handle     the tape, backwards from right to left
//!          │          │          │
//!        result     result     result    ordinary tensors, each made from its handle
//! ```
//!
//! A result is an ordinary tensor: whatever uses it, and is no operation of this crate, gives its gradient by the tape,
//! and the result puts it into its slot. So gradients are right whoever takes part, and nothing has to be known of this.
//! Gradients of variables go by the tape, unless [`backward`] is used in place of candle's method.
//!
//! An operation of one's own takes part if it is applied by [`apply_op1`], [`apply_op2`] or [`apply_op3`] in place of
//! candle's methods of these names:
//!
//! ```
//! use candle_core::{CpuStorage, CustomOp1, Device, Layout, Result, Shape, Tensor, Var, bail};
//! use taper_kernels::{gelu, relay};
//!
//! struct Twice;
//!
//! impl CustomOp1 for Twice {
//!     fn name(&self) -> &'static str {
//!         "twice"
//!     }
//!     fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
//!         let CpuStorage::F32(x) = x else { bail!("twice: expected f32") };
//!         Ok((CpuStorage::F32(x.iter().map(|x| 2. * x).collect()), layout.shape().clone()))
//!     }
//!     fn bwd(&self, _: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
//!         Ok(Some((gradient * 2.)?))
//!     }
//! }
//!
//! let x = Var::new(&[0f32], &Device::Cpu)?;
//! let y = gelu(&relay::apply_op1(&x, Twice)?)?;
//! let gradient = y.backward()?.get(&x).unwrap().to_vec1::<f32>()?;
//! assert_eq!(gradient, [1.]); // gelu's slope at 0 is 1/2
//! # Ok::<(), candle_core::Error>(())
//! ```

mod backward;
mod node;
mod table;

use candle_core::{
    CpuStorage, CustomOp1, CustomOp2, CustomOp3, DType, Layout, Result, Shape, Storage, Tensor,
    bail,
};
use node::join;

pub use backward::backward;

/// `x.apply_op1(op)` that hands its gradient on.
///
/// # Errors
///
/// Those of the operation.
pub fn apply_op1(x: &Tensor, op: impl CustomOp1 + Send + Sync + 'static) -> Result<Tensor> {
    if !takes_part([x]) {
        return x.apply_op1(op);
    }
    let output = on_cpu(x, |x, layout| op.cpu_fwd(x, layout))?;
    join(output, [x], move |[x], y, gradient| Ok([op.bwd(x, y, gradient)?]))
}

/// `a.apply_op2(b, op)` that hands its gradients on.
///
/// # Errors
///
/// Those of the operation.
pub fn apply_op2(
    a: &Tensor,
    b: &Tensor,
    op: impl CustomOp2 + Send + Sync + 'static,
) -> Result<Tensor> {
    if !takes_part([a, b]) {
        return a.apply_op2(b, op);
    }
    let output =
        on_cpu(a, |a, a_layout| on_cpu(b, |b, b_layout| op.cpu_fwd(a, a_layout, b, b_layout)))?;
    join(output, [a, b], move |[a, b], y, gradient| op.bwd(a, b, y, gradient).map(Into::into))
}

/// `a.apply_op3(b, c, op)` that hands its gradients on.
///
/// # Errors
///
/// Those of the operation.
pub fn apply_op3(
    a: &Tensor,
    b: &Tensor,
    c: &Tensor,
    op: impl CustomOp3 + Send + Sync + 'static,
) -> Result<Tensor> {
    if !takes_part([a, b, c]) {
        return a.apply_op3(b, c, op);
    }
    let output = on_cpu(a, |a, a_layout| {
        on_cpu(b, |b, b_layout| {
            on_cpu(c, |c, c_layout| op.cpu_fwd(a, a_layout, b, b_layout, c, c_layout))
        })
    })?;
    join(output, [a, b, c], move |[a, b, c], y, gradient| {
        op.bwd(a, b, c, y, gradient).map(Into::into)
    })
}

/// Whether there will be a gradient, and on the CPU.
fn takes_part<const N: usize>(inputs: [&Tensor; N]) -> bool {
    let ours = |x: &Tensor| x.device().is_cpu() && matches!(x.dtype(), DType::F32 | DType::F64);
    inputs.iter().all(|x| ours(x)) && inputs.iter().any(|x| x.track_op())
}

fn on_cpu<R>(x: &Tensor, f: impl FnOnce(&CpuStorage, &Layout) -> Result<R>) -> Result<R> {
    let (storage, layout) = x.storage_and_layout();
    match &*storage {
        Storage::Cpu(storage) => f(storage, layout),
        _ => bail!("a kernel of the CPU was called on another device's tensor"),
    }
}

/// What an operation's forward pass gives.
type Output = (CpuStorage, Shape);

#[cfg(test)]
mod tests;

//! Gradients that operations pass on to each other, past candle's tape.
//!
//! Candle's backward pass takes a tensor of zeros for each gradient and adds to it what an operation gives: two passes
//! over the memory of every intermediate result, on one thread, where mostly there is nothing to add. The operations of
//! this crate pass gradients on to each other instead. On the tape, each stands with a *handle* of one element, which
//! says what comes after what; the gradients themselves lie in slots beside it.
//!
//! ```text
//! x ──► handle ──► handle ──► handle     the tape, backwards from right to left
//!          │          │          │
//!        result     result     result    ordinary tensors, each made from its handle
//! ```
//!
//! A result is an ordinary tensor: whatever uses it, and is no operation of this crate, gives its gradient by the tape,
//! and the result puts it into its slot. A pass that fails leaves nothing in the slots, and passes over one graph on several threads
//! do not meet there. So gradients are right whoever takes part, and nothing has to be known of this.
//! Gradients of variables go by the tape, unless [`backward`] is used in place of candle's method.
//!
//! A result that is there already gets a gradient by [`with_gradient`]; within [`without_gradients`] none has one.
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

mod apply;
mod backward;
mod node;
mod pass;
mod recording;
mod slot;
mod table;
mod with_gradient;

pub use apply::{apply_op1, apply_op2, apply_op3};
pub use backward::{backward, collect_gradient};
pub(crate) use node::join;
pub use recording::{has_gradient, without_gradients};
pub use with_gradient::with_gradient;

#[cfg(test)]
mod tests;

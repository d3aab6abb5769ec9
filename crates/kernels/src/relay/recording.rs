//! Whether operations leave a place for their gradients.

use candle_core::Tensor;
use std::cell::Cell;

thread_local! {
    static OFF: Cell<bool> = const { Cell::new(false) };
}

/// Runs `f`; what the operations of this crate compute in it, on this thread, has no gradient.
///
/// So nothing is kept for a backward pass: each intermediate result goes when the next one is there, as in PyTorch's
/// `no_grad`. Calls nest. Candle's own operations know nothing of it.
///
/// ```
/// use candle_core::{Device, Tensor, Var};
/// use taper_kernels::{linear, relay};
///
/// let (x, w) = (Tensor::ones((2, 3), candle_core::DType::F32, &Device::Cpu)?, Var::new(&[[1f32, 2., 3.]], &Device::Cpu)?);
/// let y = relay::without_gradients(|| linear(&x, &w, None))?;
/// assert_eq!(y.to_vec2::<f32>()?, [[6.], [6.]]);
/// assert!(y.backward()?.get(&w).is_none());
/// # Ok::<(), candle_core::Error>(())
/// ```
pub fn without_gradients<T>(f: impl FnOnce() -> T) -> T {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            OFF.set(self.0);
        }
    }
    let _restore = Restore(OFF.replace(true));
    f()
}

/// Whether a result of these inputs has a gradient.
pub fn has_gradient<const N: usize>(inputs: [&Tensor; N]) -> bool {
    !OFF.get() && inputs.iter().any(|x| x.track_op())
}

//! Softmax as a layer.

use candle_core::{Module, Result, Tensor};

use crate::summary;

/// Probabilities from logits, `exp(x) / sum exp(x)` over the last dimension: PyTorch's
/// `nn.Softmax(dim=-1)`.
///
/// The nets of this crate end in logits, and [`CrossEntropy`](crate::loss::CrossEntropy) takes
/// logits; this is for attention, and for reading probabilities. Unlike candle 0.11's
/// `softmax_last_dim`, it passes the gradient on.
///
/// # Shapes
///
/// (…, k) to the same.
///
/// ```
/// use candle_core::{Device, Module, Tensor};
/// use taper_model::layers::Softmax;
///
/// let logits = Tensor::new(&[[0f32, 0.0]], &Device::Cpu)?;
/// assert_eq!(Softmax.forward(&logits)?.to_vec2::<f32>()?, [[0.5, 0.5]]);
/// # Ok::<(), candle_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Softmax;

impl Module for Softmax {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let y = taper_kernels::softmax(x)?;
        summary::record("Softmax", "", &y, |_| 0);
        Ok(y)
    }
}

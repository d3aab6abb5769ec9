//! Flattening images to features.

use candle_core::{Module, Result, Tensor};

use crate::summary;

/// All dimensions after the first made one: PyTorch's `nn.Flatten()`.
///
/// The order is channel, row, column. Keras flattens row, column, channel: its dense kernels after
/// a flatten are permuted when they are loaded, see
/// [`NetInfo::flatten`](crate::nets::NetInfo::flatten).
///
/// # Shapes
///
/// (n, …) to (n, features).
///
/// ```
/// use candle_core::{DType, Device, Module, Tensor};
/// use taper_model::layers::Flatten;
///
/// let planes = Tensor::zeros((2, 64, 12, 12), DType::F32, &Device::Cpu)?;
/// assert_eq!(Flatten.forward(&planes)?.dims(), [2, 9216]);
/// # Ok::<(), candle_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flatten;

impl Module for Flatten {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let y = taper_kernels::flatten(x)?;
        summary::record("Flatten", "", &y, |_| 0);
        Ok(y)
    }
}

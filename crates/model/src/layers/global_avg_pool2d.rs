//! Global average pooling.

use candle_core::{Module, Result, Tensor};

use crate::summary;

/// The mean of each channel's plane: PyTorch's `nn.AdaptiveAvgPool2d(1)` and a flatten, Keras's
/// `GlobalAveragePooling2D`.
///
/// # Shapes
///
/// (n, c, h, w) to (n, c).
///
/// ```
/// use candle_core::{Device, Module, Tensor};
/// use taper_model::layers::GlobalAvgPool2d;
///
/// let image = Tensor::new(&[[[[1f32, 2.0], [3.0, 6.0]]]], &Device::Cpu)?;
/// assert_eq!(GlobalAvgPool2d.forward(&image)?.to_vec2::<f32>()?, [[3.0]]);
/// # Ok::<(), candle_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GlobalAvgPool2d;

impl Module for GlobalAvgPool2d {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let y = taper_kernels::global_avg_pool2d(x)?;
        summary::record("GlobalAvgPool2d", "", &y, |_| 0);
        Ok(y)
    }
}

//! Maximum pooling.

use candle_core::{Module, Result, Tensor};

use crate::summary;

/// The maximum of each window: PyTorch's `nn.MaxPool2d`, its gradient too.
///
/// Padding counts as minus infinity and may be at most half the kernel. Where a window holds its
/// maximum more than once, the first one in reading order takes all of the gradient; candle 0.11's
/// own `max_pool2d` does otherwise.
///
/// # Shapes
///
/// (n, c, h, w) to (n, c, h', w') with `h' = (h + 2 padding - kernel) / stride + 1`, rounded down.
///
/// ```
/// use candle_core::{DType, Device, Module, Tensor};
/// use taper_model::layers::MaxPool2d;
///
/// let images = Tensor::zeros((1, 8, 56, 56), DType::F32, &Device::Cpu)?;
/// assert_eq!(MaxPool2d::new(2).forward(&images)?.dims(), [1, 8, 28, 28]);
/// // A ResNet's stem: overlapping windows.
/// let stem = MaxPool2d { stride: (2, 2), padding: (1, 1), ..MaxPool2d::new(3) };
/// assert_eq!(stem.forward(&images)?.dims(), [1, 8, 28, 28]);
/// # Ok::<(), candle_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxPool2d {
    /// The window, (height, width), in pixels.
    pub kernel: (usize, usize),
    /// Steps of the window, (vertical, horizontal), in pixels.
    pub stride: (usize, usize),
    /// Padding on each side, (top and bottom, left and right), in pixels.
    pub padding: (usize, usize),
}

impl MaxPool2d {
    /// Square windows side by side, without padding.
    pub fn new(size: usize) -> Self {
        Self { kernel: (size, size), stride: (size, size), padding: (0, 0) }
    }

    /// What the kernel takes.
    pub(crate) fn geometry(&self) -> taper_kernels::Pool2dConfig {
        taper_kernels::Pool2dConfig {
            kernel: self.kernel,
            stride: self.stride,
            padding: self.padding,
        }
    }
}

impl Module for MaxPool2d {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let y = taper_kernels::max_pool2d(x, &self.geometry())?;
        summary::record("MaxPool2d", "", &y, |_| 0);
        Ok(y)
    }
}

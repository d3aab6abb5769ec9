//! Average pooling.

use candle_core::{Module, Result, Tensor};

use crate::summary;

/// The mean of each window: PyTorch's `nn.AvgPool2d` with its defaults.
///
/// Padding is zeros that count in the mean (`count_include_pad=True`); Keras leaves them out of the
/// count.
///
/// # Shapes
///
/// (n, c, h, w) to (n, c, h', w') with `h' = (h + 2 padding - kernel) / stride + 1`, rounded down.
///
/// ```
/// use candle_core::{Device, Module, Tensor};
/// use taper_model::layers::AvgPool2d;
///
/// let image = Tensor::new(&[[[[1f32, 2.0], [3.0, 6.0]]]], &Device::Cpu)?;
/// assert_eq!(AvgPool2d::new(2).forward(&image)?.flatten_all()?.to_vec1::<f32>()?, [3.0]);
/// # Ok::<(), candle_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AvgPool2d {
    /// The window, (height, width), in pixels.
    pub kernel: (usize, usize),
    /// Steps of the window, (vertical, horizontal), in pixels.
    pub stride: (usize, usize),
    /// Padding on each side, (top and bottom, left and right), in pixels.
    pub padding: (usize, usize),
}

impl AvgPool2d {
    /// Square windows side by side, without padding.
    pub fn new(size: usize) -> Self {
        Self { kernel: (size, size), stride: (size, size), padding: (0, 0) }
    }
}

impl Module for AvgPool2d {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let config = taper_kernels::Pool2dConfig {
            kernel: self.kernel,
            stride: self.stride,
            padding: self.padding,
        };
        let y = taper_kernels::avg_pool2d(x, &config)?;
        summary::record("AvgPool2d", "", &y, |_| 0);
        Ok(y)
    }
}

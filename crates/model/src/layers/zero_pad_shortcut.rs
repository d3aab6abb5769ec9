//! The shortcut without parameters.

use candle_core::{Module, Result, Tensor, bail};

use crate::summary;

/// A residual block's shortcut without parameters ("option A"): takes every `stride`-th pixel and
/// adds channels of zeros.
///
/// As many channels of zeros come before as after those of the input; of an odd number, the one
/// more comes after.
///
/// # Shapes
///
/// (n, c, h, w) to (n, channels, h / stride, w / stride), rounded up.
///
/// # Errors
///
/// An input with more than `channels` channels.
///
/// ```
/// use candle_core::{Device, Module, Tensor};
/// use taper_model::layers::ZeroPadShortcut;
///
/// let x = Tensor::new(&[[[[1f32, 2.0, 3.0], [4.0, 5.0, 6.0]]]], &Device::Cpu)?;
/// let y = ZeroPadShortcut { stride: 2, channels: 3 }.forward(&x)?;
/// assert_eq!(y.dims(), [1, 3, 1, 2]);
/// assert_eq!(y.flatten_all()?.to_vec1::<f32>()?, [0.0, 0.0, 1.0, 3.0, 0.0, 0.0]);
/// # Ok::<(), candle_core::Error>(())
/// ```
///
/// He et al., "Deep Residual Learning for Image Recognition", 2015, section 3.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ZeroPadShortcut {
    /// The step, each way, in pixels.
    pub stride: usize,
    /// The output's channels.
    pub channels: usize,
}

impl Module for ZeroPadShortcut {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (_, channels, _, _) = x.dims4()?;
        let Some(extra) = self.channels.checked_sub(channels) else {
            bail!(
                "zero-pad shortcut: {channels} channels can't become {} by adding zeros",
                self.channels
            );
        };
        // A window of one pixel: its maximum is the pixel, and takes the gradient.
        let pixels = taper_kernels::Pool2dConfig {
            kernel: (1, 1),
            stride: (self.stride, self.stride),
            padding: (0, 0),
        };
        let x = taper_kernels::max_pool2d(x, &pixels)?;
        let y = if extra == 0 { x } else { x.pad_with_zeros(1, extra / 2, extra - extra / 2)? };
        summary::record("ZeroPadShortcut", "", &y, |_| 0);
        Ok(y)
    }
}

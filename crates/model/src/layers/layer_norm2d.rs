//! Layer normalization of each pixel over its channels.

use candle_core::{Module, Result, Tensor};

use super::layer_norm::{LayerNorm, LayerNormConfig};
use crate::builder::ParamBuilder;

/// Layer normalization over the channels of each pixel: timm's `LayerNorm2d`.
///
/// [`LayerNorm`] of the same parameters, its last dimension being the channels. The result lies with
/// its channels last in memory.
///
/// Parameters: `weight` (channels), from 1, and `bias` (channels), from 0.
///
/// # Shapes
///
/// (n, channels, h, w) to the same.
///
/// ```
/// use candle_core::{DType, Device, Module, Tensor};
/// use candle_nn::{VarBuilder, VarMap};
/// use taper_model::layers::{LayerNorm2d, LayerNormConfig};
///
/// let vb = VarBuilder::from_varmap(&VarMap::new(), DType::F32, &Device::Cpu);
/// let norm = LayerNorm2d::new(2, LayerNormConfig::default(), vb.pp("norm"))?;
/// let image = Tensor::new(&[[[[1f32]], [[3.0]]]], &Device::Cpu)?;
/// let y = norm.forward(&image)?.flatten_all()?.to_vec1::<f32>()?;
/// assert!((y[0] + 1.0).abs() < 1e-4 && (y[1] - 1.0).abs() < 1e-4);
/// # Ok::<(), candle_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct LayerNorm2d(pub LayerNorm);

impl LayerNorm2d {
    /// A layer-norm over `channels`, named by `vb`'s prefix.
    ///
    /// # Errors
    ///
    /// Those of `vb`.
    pub fn new<'a>(
        channels: usize,
        config: LayerNormConfig,
        vb: impl Into<ParamBuilder<'a>>,
    ) -> Result<Self> {
        Ok(Self(LayerNorm::new(channels, config, vb)?))
    }
}

impl Module for LayerNorm2d {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let last = x.permute((0, 2, 3, 1))?.contiguous()?;
        self.0.forward(&last)?.permute((0, 3, 1, 2))
    }
}

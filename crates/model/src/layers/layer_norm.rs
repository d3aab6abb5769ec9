//! Layer normalization.

use candle_core::{Module, Result, Tensor};

use crate::builder::ParamBuilder;
use crate::init::Initializer;
use crate::summary;

/// Constants of a [`LayerNorm`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LayerNormConfig {
    /// Added to the variance; default 1e-5, PyTorch's (Keras: 1e-3; ViTs: 1e-6 or 1e-12).
    pub eps: f64,
}

impl Default for LayerNormConfig {
    fn default() -> Self {
        Self { eps: 1e-5 }
    }
}

/// Layer normalization over the last dimension: PyTorch's `nn.LayerNorm(features)`.
///
/// `y = (x - mean) / sqrt(variance + eps) * weight + bias`, with the biased variance. Unlike candle
/// 0.11's own, its gradient reaches the input and the parameters.
///
/// Parameters: `weight` (features), from 1, and `bias` (features), from 0.
///
/// # Shapes
///
/// (…, features) to the same.
///
/// ```
/// use candle_core::{DType, Device, Module, Tensor};
/// use candle_nn::{VarBuilder, VarMap};
/// use taper_model::layers::{LayerNorm, LayerNormConfig};
///
/// let vb = VarBuilder::from_varmap(&VarMap::new(), DType::F32, &Device::Cpu);
/// let norm = LayerNorm::new(2, LayerNormConfig::default(), vb.pp("norm"))?;
/// let y = norm.forward(&Tensor::new(&[[1f32, 3.0]], &Device::Cpu)?)?.to_vec2::<f32>()?;
/// assert!((y[0][0] + 1.0).abs() < 1e-4 && (y[0][1] - 1.0).abs() < 1e-4);
/// # Ok::<(), candle_core::Error>(())
/// ```
///
/// Ba, Kiros and Hinton, "Layer Normalization", 2016.
#[derive(Clone, Debug)]
pub struct LayerNorm {
    /// The scale, (features).
    pub weight: Tensor,
    /// The shift, (features).
    pub bias: Tensor,
    /// Its constants.
    pub config: LayerNormConfig,
    name: String,
}

impl LayerNorm {
    /// A layer-norm over the last dimension, of `features`, named by `vb`'s prefix.
    ///
    /// # Errors
    ///
    /// Those of `vb`.
    pub fn new<'a>(
        features: usize,
        config: LayerNormConfig,
        vb: impl Into<ParamBuilder<'a>>,
    ) -> Result<Self> {
        let vb = vb.into();
        let weight = vb.get(features, "weight", Initializer::Ones)?;
        let bias = vb.get(features, "bias", Initializer::Zeros)?;
        Ok(Self { weight, bias, config, name: vb.prefix() })
    }
}

impl Module for LayerNorm {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let y = taper_kernels::layer_norm(x, &self.weight, &self.bias, self.config.eps)?;
        // One multiply-add for each element: scale and shift; the statistics are not counted.
        summary::record("LayerNorm", &self.name, &y, Tensor::elem_count);
        Ok(y)
    }
}

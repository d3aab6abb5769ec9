//! A learned size for each feature of a residual path.

use candle_core::{Module, Result, Tensor};

use crate::builder::ParamBuilder;
use crate::init::Initializer;
use crate::summary;

/// Multiplies each feature by a learned number: timm's and DINOv2's `LayerScale`.
///
/// `y = x * gamma`.
///
/// Parameter: `gamma` (features), from a constant.
///
/// # Shapes
///
/// (…, features) to the same; [`over_channels`](Self::over_channels): (n, features, h, w).
///
/// ```
/// use candle_core::{DType, Device, Module, Tensor};
/// use candle_nn::{VarBuilder, VarMap};
/// use taper_model::layers::LayerScale;
///
/// let vb = VarBuilder::from_varmap(&VarMap::new(), DType::F32, &Device::Cpu);
/// let scale = LayerScale::new(2, 0.5, vb.pp("ls1"))?;
/// let y = scale.forward(&Tensor::new(&[[2f32, 4.0]], &Device::Cpu)?)?;
/// assert_eq!(y.to_vec2::<f32>()?, [[1.0, 2.0]]);
/// # Ok::<(), candle_core::Error>(())
/// ```
///
/// Touvron et al., "Going deeper with Image Transformers", 2021.
#[derive(Clone, Debug)]
pub struct LayerScale {
    /// The numbers, (features).
    pub gamma: Tensor,
    /// Whether the features are the second dimension of four.
    channels: bool,
    name: String,
}

impl LayerScale {
    /// Over the last dimension, of `features`, from `first`; named by `vb`'s prefix.
    ///
    /// # Errors
    ///
    /// Those of `vb`.
    pub fn new<'a>(features: usize, first: f64, vb: impl Into<ParamBuilder<'a>>) -> Result<Self> {
        Self::named("gamma", features, first, vb)
    }

    /// As [`new`](Self::new), the parameter called `name`.
    ///
    /// # Errors
    ///
    /// Those of `vb`.
    pub fn named<'a>(
        name: &str,
        features: usize,
        first: f64,
        vb: impl Into<ParamBuilder<'a>>,
    ) -> Result<Self> {
        let vb = vb.into();
        let gamma = vb.get(features, name, Initializer::Constant(first))?;
        Ok(Self { gamma, channels: false, name: vb.prefix() })
    }

    /// Over the channels of images (n, features, h, w).
    ///
    /// # Errors
    ///
    /// Those of `vb`.
    pub fn over_channels<'a>(
        features: usize,
        first: f64,
        vb: impl Into<ParamBuilder<'a>>,
    ) -> Result<Self> {
        Ok(Self { channels: true, ..Self::new(features, first, vb)? })
    }
}

impl Module for LayerScale {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let y = match self.channels {
            true => x.broadcast_mul(&self.gamma.reshape((1, (), 1, 1))?)?,
            false => x.broadcast_mul(&self.gamma)?,
        };
        summary::record("LayerScale", &self.name, &y, |_| 0);
        Ok(y)
    }
}

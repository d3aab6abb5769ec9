//! The two dense layers of a transformer block.

use candle_core::{Module, Result, Tensor};
use candle_nn::VarBuilder;

use super::{Gelu, Linear, LinearConfig};

/// Two dense layers with GELU between: the other half of a transformer's block, timm's `Mlp`.
///
/// `y = fc2(gelu(fc1(x)))`.
///
/// Parameters: `fc1.weight` (hidden, features), `fc1.bias`, `fc2.weight` (features, hidden),
/// `fc2.bias`. Weights start as `config` says.
///
/// # Shapes
///
/// (…, features) to the same.
///
/// ```
/// use candle_core::{DType, Device, Module, Tensor};
/// use candle_nn::{VarBuilder, VarMap};
/// use taper_model::layers::{LinearConfig, MlpBlock};
///
/// let vb = VarBuilder::from_varmap(&VarMap::new(), DType::F32, &Device::Cpu);
/// let mlp = MlpBlock::new(12, 48, LinearConfig::default(), vb.pp("mlp"))?;
/// let tokens = Tensor::zeros((2, 5, 12), DType::F32, &Device::Cpu)?;
/// assert_eq!(mlp.forward(&tokens)?.dims(), [2, 5, 12]);
/// # Ok::<(), candle_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct MlpBlock {
    /// To the hidden features.
    pub fc1: Linear,
    /// Back from them.
    pub fc2: Linear,
}

impl MlpBlock {
    /// Over tokens of `features`, through `hidden`, named by `vb`'s prefix.
    ///
    /// # Errors
    ///
    /// Those of `vb`.
    pub fn new(
        features: usize,
        hidden: usize,
        config: LinearConfig,
        vb: VarBuilder<'_>,
    ) -> Result<Self> {
        Ok(Self {
            fc1: Linear::new(features, hidden, config.clone(), vb.pp("fc1"))?,
            fc2: Linear::new(hidden, features, config, vb.pp("fc2"))?,
        })
    }
}

impl Module for MlpBlock {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.fc2.forward(&Gelu::Exact.forward(&self.fc1.forward(x)?)?)
    }
}

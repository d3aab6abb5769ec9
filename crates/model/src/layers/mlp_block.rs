//! The two dense layers of a transformer block.

use candle_core::{Module, ModuleT, Result, Tensor};

use super::activation::Gelu;
use super::linear::{Linear, LinearConfig};
use crate::builder::ParamBuilder;

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
/// use candle_core::{DType, Device, ModuleT, Tensor};
/// use candle_nn::{VarBuilder, VarMap};
/// use taper_model::layers::{LinearConfig, MlpBlock};
///
/// let vb = VarBuilder::from_varmap(&VarMap::new(), DType::F32, &Device::Cpu);
/// let mlp = MlpBlock::new(12, 48, LinearConfig::default(), vb.pp("mlp"))?;
/// let tokens = Tensor::zeros((2, 5, 12), DType::F32, &Device::Cpu)?;
/// assert_eq!(mlp.forward_t(&tokens, false)?.dims(), [2, 5, 12]);
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
    pub fn new<'a>(
        features: usize,
        hidden: usize,
        config: LinearConfig,
        vb: impl Into<ParamBuilder<'a>>,
    ) -> Result<Self> {
        let vb = vb.into();
        Ok(Self {
            fc1: Linear::new(features, hidden, config, vb.pp("fc1"))?,
            fc2: Linear::new(hidden, features, config, vb.pp("fc2"))?,
        })
    }
}

impl ModuleT for MlpBlock {
    fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let hidden = Gelu::Exact.forward(&self.fc1.forward_t(x, train)?)?;
        self.fc2.forward_t(&hidden, train)
    }
}

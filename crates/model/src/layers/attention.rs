//! Multi-head self-attention.

use candle_core::{ModuleT, Result, Tensor, bail};

use super::linear::{Linear, LinearConfig};
use super::rotary::Rotary;
use crate::builder::ParamBuilder;
use crate::summary;

/// Multi-head self-attention: timm's `Attention`, without dropout.
///
/// With `q`, `k` and `v` the thirds of `qkv(x)`, each cut into heads of `d` features:
/// `y = proj(concat over heads of softmax(q kᵀ / sqrt(d)) v)`. Every token sees every other.
///
/// Parameters: `qkv.weight` (3 features, features), in its rows first all of `q`, then `k`, then
/// `v`, and `qkv.bias`; `proj.weight` (features, features) and `proj.bias`. Weights start
/// as `config` says.
///
/// # Shapes
///
/// (n, tokens, features) to the same.
///
/// ```
/// use candle_core::{DType, Device, ModuleT, Tensor};
/// use candle_nn::{VarBuilder, VarMap};
/// use taper_model::layers::{Attention, LinearConfig};
///
/// let vb = VarBuilder::from_varmap(&VarMap::new(), DType::F32, &Device::Cpu);
/// let attention = Attention::new(12, 3, LinearConfig::default(), vb.pp("attn"))?;
/// let tokens = Tensor::zeros((2, 5, 12), DType::F32, &Device::Cpu)?;
/// assert_eq!(attention.forward_t(&tokens, false)?.dims(), [2, 5, 12]);
/// # Ok::<(), candle_core::Error>(())
/// ```
///
/// Vaswani et al., "Attention Is All You Need", 2017.
#[derive(Clone, Debug)]
pub struct Attention {
    /// Queries, keys and values in one.
    pub qkv: Linear,
    /// The map behind the heads.
    pub proj: Linear,
    /// The number of heads.
    pub heads: usize,
    /// What turns queries and keys by their places; `None` for nothing.
    pub rotary: Option<Rotary>,
    name: String,
}

impl Attention {
    /// Attention over tokens of `features`, in `heads`, named by `vb`'s prefix.
    ///
    /// # Errors
    ///
    /// Where the heads don't divide the features; and those of `vb`.
    pub fn new<'a>(
        features: usize,
        heads: usize,
        config: LinearConfig,
        vb: impl Into<ParamBuilder<'a>>,
    ) -> Result<Self> {
        Self::rotated(features, heads, [config; 2], None, vb)
    }

    /// As [`new`](Self::new), the two dense layers as `configs` say and queries and keys turned by their
    /// places.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn rotated<'a>(
        features: usize,
        heads: usize,
        [qkv, proj]: [LinearConfig; 2],
        rotary: Option<Rotary>,
        vb: impl Into<ParamBuilder<'a>>,
    ) -> Result<Self> {
        let vb = vb.into();
        let name = vb.prefix();
        if heads == 0 || !features.is_multiple_of(heads) {
            bail!("attention `{name}`: {heads} heads do not divide {features} features");
        }
        let qkv = Linear::new(features, 3 * features, qkv, vb.pp("qkv"))?;
        let proj = Linear::new(features, features, proj, vb.pp("proj"))?;
        Ok(Self { qkv, proj, heads, rotary, name })
    }
}

impl ModuleT for Attention {
    fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let (_, tokens, _) = x.dims3()?;
        let mut qkv = self.qkv.forward_t(x, train)?;
        if let Some(rotary) = &self.rotary {
            qkv = rotary.apply(&qkv, self.heads)?;
        }
        let mixed = taper_kernels::attention_packed(&qkv, self.heads)?;
        // Two products over the tokens; the softmax is not counted.
        summary::record("Attention", &self.name, &mixed, |y| 2 * y.elem_count() * tokens);
        self.proj.forward_t(&mixed, train)
    }
}

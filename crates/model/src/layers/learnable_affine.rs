//! One scale and one shift for all elements.

use candle_core::{Module, Result, Tensor};

use crate::builder::ParamBuilder;
use crate::init::Initializer;
use crate::summary;

/// One learned scale and one learned shift for all elements: timm's `LearnableAffineBlock`.
///
/// `y = scale * x + bias`.
///
/// Parameters: `scale` (1), from 1, and `bias` (1), from 0.
///
/// # Shapes
///
/// Any, to the same.
///
/// ```
/// use candle_core::{DType, Device, Module, Tensor};
/// use candle_nn::{VarBuilder, VarMap};
/// use taper_model::layers::LearnableAffine;
///
/// let vb = VarBuilder::from_varmap(&VarMap::new(), DType::F32, &Device::Cpu);
/// let affine = LearnableAffine::new(vb.pp("lab"))?;
/// let x = Tensor::new(&[1f32, 2.0], &Device::Cpu)?;
/// assert_eq!(affine.forward(&x)?.to_vec1::<f32>()?, [1.0, 2.0]);
/// # Ok::<(), candle_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct LearnableAffine {
    /// The scale, (1).
    pub scale: Tensor,
    /// The shift, (1).
    pub bias: Tensor,
    name: String,
}

impl LearnableAffine {
    /// One named by `vb`'s prefix.
    ///
    /// # Errors
    ///
    /// Those of `vb`.
    pub fn new<'a>(vb: impl Into<ParamBuilder<'a>>) -> Result<Self> {
        let vb = vb.into();
        let scale = vb.get(1, "scale", Initializer::Ones)?;
        let bias = vb.get(1, "bias", Initializer::Zeros)?;
        Ok(Self { scale, bias, name: vb.prefix() })
    }
}

impl Module for LearnableAffine {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let y = x.broadcast_mul(&self.scale)?.broadcast_add(&self.bias)?;
        summary::record("LearnableAffine", &self.name, &y, |_| 0);
        Ok(y)
    }
}

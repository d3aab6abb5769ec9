//! Global response normalization.

use candle_core::{Module, Result, Tensor};

use crate::builder::ParamBuilder;
use crate::init::Initializer;
use crate::summary;

/// Added to the mean of the planes' norms.
const EPS: f64 = 1e-6;

/// Global response normalization: each channel is made larger by how much its plane's norm is above the
/// channels' mean.
///
/// `y = x + weight * x * n + bias`, where `n` is the plane's Euclidean norm over the mean of all channels'
/// norms (plus 1e-6). Of a plane of zeros the norm has gradient 0, as in PyTorch.
///
/// Parameters: `weight` (channels) and `bias` (channels), from 0: it starts as the identity.
///
/// # Shapes
///
/// (n, channels, h, w) to the same.
///
/// ```
/// use candle_core::{DType, Device, Module, Tensor};
/// use candle_nn::{VarBuilder, VarMap};
/// use taper_model::layers::GlobalResponseNorm;
///
/// let vb = VarBuilder::from_varmap(&VarMap::new(), DType::F32, &Device::Cpu);
/// let norm = GlobalResponseNorm::new(2, vb.pp("grn"))?;
/// let image = Tensor::new(&[[[[1f32]], [[3.0]]]], &Device::Cpu)?;
/// assert_eq!(norm.forward(&image)?.flatten_all()?.to_vec1::<f32>()?, [1.0, 3.0]);
/// # Ok::<(), candle_core::Error>(())
/// ```
///
/// Woo et al., "ConvNeXt V2: Co-designing and Scaling ConvNets with Masked Autoencoders", 2023.
#[derive(Clone, Debug)]
pub struct GlobalResponseNorm {
    /// The scale, (channels).
    pub weight: Tensor,
    /// The shift, (channels).
    pub bias: Tensor,
    name: String,
}

impl GlobalResponseNorm {
    /// Over images of `channels`, named by `vb`'s prefix.
    ///
    /// # Errors
    ///
    /// Those of `vb`.
    pub fn new<'a>(channels: usize, vb: impl Into<ParamBuilder<'a>>) -> Result<Self> {
        let vb = vb.into();
        let weight = vb.get(channels, "weight", Initializer::Zeros)?;
        let bias = vb.get(channels, "bias", Initializer::Zeros)?;
        Ok(Self { weight, bias, name: vb.prefix() })
    }
}

impl Module for GlobalResponseNorm {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (_, c, _, _) = x.dims4()?;
        let squares = x.sqr()?.sum_keepdim((2, 3))?;
        // The root's gradient at 0 is infinite: there it is taken at 1.
        let zero = squares.eq(&squares.zeros_like()?)?.to_dtype(x.dtype())?;
        let norms = ((&squares + &zero)?.sqrt()? - &zero)?;
        let ratios = norms.broadcast_div(&(norms.mean_keepdim(1)? + EPS)?)?;
        let weight = self.weight.reshape((1, c, 1, 1))?;
        let factors = (ratios.broadcast_mul(&weight)? + 1.0)?;
        let y = x.broadcast_mul(&factors)?.broadcast_add(&self.bias.reshape((1, c, 1, 1))?)?;
        summary::record("GlobalResponseNorm", &self.name, &y, |_| 0);
        Ok(y)
    }
}

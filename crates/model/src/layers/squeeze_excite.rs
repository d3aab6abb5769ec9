//! Squeeze-and-excitation.

use candle_core::{Module, ModuleT, Result, Tensor};

use super::activation::Activation;
use super::conv2d::{Conv2d, Conv2dConfig};
use super::global_avg_pool2d::GlobalAvgPool2d;
use crate::builder::ParamBuilder;
use crate::summary;

/// Squeeze-and-excitation: each channel times a factor that the means of all channels decide,
/// `x * gate(conv_expand(activation(conv_reduce(mean of each plane))))`.
///
/// Parameters: `conv_reduce` and `conv_expand`, 1x1 convolutions with biases, named as timm does.
///
/// # Shapes
///
/// (n, c, h, w), to the same.
///
/// ```
/// use candle_core::{DType, Device, ModuleT, Tensor};
/// use candle_nn::{VarBuilder, VarMap};
/// use taper_model::layers::{Activation, SqueezeExcite};
///
/// let vb = VarBuilder::from_varmap(&VarMap::new(), DType::F32, &Device::Cpu);
/// let (relu, gate) = (Activation::Relu, Activation::Sigmoid);
/// let block = SqueezeExcite::new(8, 2, relu, gate, vb.pp("se"))?;
/// let x = Tensor::ones((1, 8, 3, 3), DType::F32, &Device::Cpu)?;
/// assert_eq!(block.forward_t(&x, false)?.dims(), x.dims());
/// # Ok::<(), candle_core::Error>(())
/// ```
///
/// Hu, Shen and Sun, "Squeeze-and-Excitation Networks", 2018.
#[derive(Clone, Debug)]
pub struct SqueezeExcite {
    reduce: Conv2d,
    activation: Activation,
    expand: Conv2d,
    gate: Activation,
}

impl SqueezeExcite {
    /// For images of `channels`, with `reduced` channels between the two convolutions; named by
    /// `vb`'s prefix.
    ///
    /// # Errors
    ///
    /// Those of `vb`.
    pub fn new<'a>(
        channels: usize,
        reduced: usize,
        activation: Activation,
        gate: Activation,
        vb: impl Into<ParamBuilder<'a>>,
    ) -> Result<Self> {
        let names = ["conv_reduce", "conv_expand"];
        Self::named(names, channels, reduced, activation, gate, vb)
    }

    /// As [`new`](Self::new), the convolutions named by `names`.
    ///
    /// # Errors
    ///
    /// Those of `vb`.
    pub fn named<'a>(
        [first, second]: [&str; 2],
        channels: usize,
        reduced: usize,
        activation: Activation,
        gate: Activation,
        vb: impl Into<ParamBuilder<'a>>,
    ) -> Result<Self> {
        let vb = vb.into();
        let conv = |inputs, outputs, name| {
            Conv2d::new(inputs, outputs, (1, 1), Conv2dConfig::default(), vb.pp(name))
        };
        Ok(Self {
            reduce: conv(channels, reduced, first)?,
            activation,
            expand: conv(reduced, channels, second)?,
            gate,
        })
    }
}

impl ModuleT for SqueezeExcite {
    fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let (n, c, _, _) = x.dims4()?;
        let means = GlobalAvgPool2d.forward(x)?.reshape((n, c, 1, 1))?;
        let reduced = self.activation.forward(&self.reduce.forward_t(&means, train)?)?;
        let factors = self.gate.forward(&self.expand.forward_t(&reduced, train)?)?;
        let y = taper_kernels::scale_planes(x, &factors)?;
        summary::record("SqueezeExcite", "", &y, |_| 0);
        Ok(y)
    }
}

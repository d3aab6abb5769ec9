//! The dense layer.

use candle_core::{ModuleT, Result, Tensor};

use super::lora::Lora;
use crate::builder::ParamBuilder;
use crate::init::Initializer;
use crate::summary;

/// Bias and initial values of a [`Linear`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LinearConfig {
    /// Whether there is a bias; default true.
    pub bias: bool,
    /// First values of the weight; default PyTorch's, uniform on `±1 / sqrt(in)`.
    pub weight_init: Initializer,
    /// First values of the bias; default `None`, PyTorch's, uniform on `±1 / sqrt(in)`.
    pub bias_init: Option<Initializer>,
}

impl Default for LinearConfig {
    fn default() -> Self {
        Self { bias: true, weight_init: Initializer::pytorch_weight(), bias_init: None }
    }
}

impl LinearConfig {
    /// Keras's first values: Glorot-uniform weight, zero bias.
    pub fn keras() -> Self {
        Self {
            weight_init: Initializer::GlorotUniform,
            bias_init: Some(Initializer::Zeros),
            ..Self::default()
        }
    }
}

/// A dense layer, `y = x weightᵀ + bias` over the last dimension: PyTorch's `nn.Linear`, Keras's
/// `Dense`.
///
/// Parameters: `weight` (out, in), the transpose of Keras's kernel, and `bias` (out).
///
/// # Shapes
///
/// (…, in) to (…, out).
///
/// ```
/// use candle_core::{DType, Device, ModuleT, Tensor};
/// use candle_nn::{VarBuilder, VarMap};
/// use taper_model::layers::{Linear, LinearConfig};
///
/// let vb = VarBuilder::from_varmap(&VarMap::new(), DType::F32, &Device::Cpu);
/// let dense = Linear::new(128, 10, LinearConfig::default(), vb.pp("fc"))?;
/// let features = Tensor::zeros((4, 128), DType::F32, &Device::Cpu)?;
/// assert_eq!(dense.forward_t(&features, false)?.dims(), [4, 10]);
/// # Ok::<(), candle_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Linear {
    /// The weight, (out, in).
    pub weight: Tensor,
    /// The bias, (out).
    pub bias: Option<Tensor>,
    /// The adapter beside it.
    pub lora: Option<Lora>,
    name: String,
}

impl Linear {
    /// A dense layer from `in_features` to `out_features`, named by `vb`'s prefix.
    ///
    /// # Errors
    ///
    /// Those of `vb`.
    pub fn new<'a>(
        in_features: usize,
        out_features: usize,
        config: LinearConfig,
        vb: impl Into<ParamBuilder<'a>>,
    ) -> Result<Self> {
        let vb = vb.into();
        let weight = vb.get((out_features, in_features), "weight", config.weight_init)?;
        let bias = if config.bias {
            let bias_init =
                config.bias_init.unwrap_or_else(|| Initializer::pytorch_bias(in_features));
            Some(vb.get(out_features, "bias", bias_init)?)
        } else {
            None
        };
        let shapes = |rank: usize| ((rank, in_features).into(), (out_features, rank).into());
        let lora = Lora::attached(&vb, shapes)?;
        Ok(Self { weight, bias, lora, name: vb.prefix() })
    }
}

impl Linear {
    /// The layer and ReLU as one operation: the same as the two in a row.
    ///
    /// # Errors
    ///
    /// An input whose last dimension is not the number of input features.
    pub fn forward_relu(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        if self.lora.is_some() {
            return taper_kernels::relu(&self.forward_t(x, train)?);
        }
        let y = taper_kernels::linear_relu(x, &self.weight, self.bias.as_ref())?;
        summary::record("Linear, ReLU", &self.name, &y, |y| self.multiply_adds(y));
        Ok(y)
    }

    /// One multiply-add for each row and each element of the weight and of the adapter's two; the
    /// bias is not counted.
    fn multiply_adds(&self, y: &Tensor) -> usize {
        let rows = y.elem_count() / self.weight.dims()[0].max(1);
        let elements = self.lora.as_ref().map_or(0, Lora::elements);
        rows * (self.weight.elem_count() + elements)
    }
}

impl ModuleT for Linear {
    fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let mut y = taper_kernels::linear(x, &self.weight, self.bias.as_ref())?;
        if let Some(lora) = &self.lora {
            y = (y + lora.linear(x, train)?)?;
        }
        summary::record("Linear", &self.name, &y, |y| self.multiply_adds(y));
        Ok(y)
    }
}

//! Activations: element by element.

use candle_core::{Module, Result, Tensor};

use crate::summary;

/// The rectifier, `max(x, 0)`: PyTorch's `nn.ReLU`; its gradient at 0 is 0.
///
/// # Shapes
///
/// Any, to the same.
///
/// ```
/// use candle_core::{Device, Module, Tensor};
/// use taper_model::layers::Relu;
///
/// let x = Tensor::new(&[-1f32, 0.0, 2.0], &Device::Cpu)?;
/// assert_eq!(Relu.forward(&x)?.to_vec1::<f32>()?, [0.0, 0.0, 2.0]);
/// # Ok::<(), candle_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Relu;

impl Module for Relu {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let y = taper_kernels::relu(x)?;
        summary::record("Relu", "", &y, |_| 0);
        Ok(y)
    }
}

/// The Gaussian error linear unit, `x Φ(x)`: PyTorch's `nn.GELU`.
///
/// # Shapes
///
/// Any, to the same.
///
/// ```
/// use candle_core::{Device, Module, Tensor};
/// use taper_model::layers::Gelu;
///
/// let x = Tensor::new(&[1f64], &Device::Cpu)?;
/// assert!((Gelu::Exact.forward(&x)?.to_vec1::<f64>()?[0] - 0.841_344_746).abs() < 1e-6);
/// assert!((Gelu::Tanh.forward(&x)?.to_vec1::<f64>()?[0] - 0.841_191_991).abs() < 1e-6);
/// # Ok::<(), candle_core::Error>(())
/// ```
///
/// Hendrycks and Gimpel, "Gaussian Error Linear Units", 2016.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Gelu {
    /// `x / 2 * (1 + erf(x / sqrt(2)))`, the default here, in PyTorch and in Keras.
    #[default]
    Exact,
    /// `x / 2 * (1 + tanh(sqrt(2 / π) * (x + 0.044715 x³)))`, PyTorch's `approximate="tanh"`.
    Tanh,
}

impl Module for Gelu {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let y = match self {
            Self::Exact => taper_kernels::gelu(x)?,
            Self::Tanh => taper_kernels::gelu_tanh(x)?,
        };
        summary::record("Gelu", "", &y, |_| 0);
        Ok(y)
    }
}

/// The activations of small convolutional nets, to choose one by.
///
/// # Shapes
///
/// Any, to the same.
///
/// ```
/// use candle_core::{Device, Module, Tensor};
/// use taper_model::layers::Activation;
///
/// let x = Tensor::new(&[-4f32, 0.0, 1.5, 8.0], &Device::Cpu)?;
/// assert_eq!(Activation::Relu6.forward(&x)?.to_vec1::<f32>()?, [0.0, 0.0, 1.5, 6.0]);
/// assert_eq!(Activation::HardSwish.forward(&x)?.to_vec1::<f32>()?, [0.0, 0.0, 1.125, 8.0]);
/// # Ok::<(), candle_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Activation {
    /// [`Relu`].
    Relu,
    /// `min(max(x, 0), 6)`: PyTorch's `nn.ReLU6`.
    Relu6,
    /// `x / (1 + exp(-x))`: PyTorch's `nn.SiLU`, also called swish.
    Silu,
    /// `1 / (1 + exp(-x))`: PyTorch's `nn.Sigmoid`.
    Sigmoid,
    /// `min(max(x + 3, 0), 6) / 6`: PyTorch's `nn.Hardsigmoid`.
    HardSigmoid,
    /// `x` times its hard sigmoid: PyTorch's `nn.Hardswish`.
    HardSwish,
}

impl Module for Activation {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let y = self.kernel().apply(x)?;
        self.record(&y);
        Ok(y)
    }
}

impl Activation {
    /// The function as the kernels know it.
    pub(super) fn kernel(self) -> taper_kernels::Activation {
        match self {
            Self::Relu => taper_kernels::Activation::Relu,
            Self::Relu6 => taper_kernels::Activation::Relu6,
            Self::Silu => taper_kernels::Activation::Silu,
            Self::Sigmoid => taper_kernels::Activation::Sigmoid,
            Self::HardSigmoid => taper_kernels::Activation::HardSigmoid,
            Self::HardSwish => taper_kernels::Activation::HardSwish,
        }
    }

    pub(super) fn record(self, y: &Tensor) {
        let name = match self {
            Self::Relu => "Relu",
            Self::Relu6 => "Relu6",
            Self::Silu => "Silu",
            Self::Sigmoid => "Sigmoid",
            Self::HardSigmoid => "HardSigmoid",
            Self::HardSwish => "HardSwish",
        };
        summary::record(name, "", y, |_| 0);
    }
}

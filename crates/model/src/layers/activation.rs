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

//! The initializers and their distributions.

use candle_core::{DType, Device, Result, Shape, Tensor};
use candle_nn::Init;
use candle_nn::init::{FanInOut, NormalOrUniform};

use super::draw;
use crate::rng::{Domain, address};

/// Which of a tensor's two fans sets the scale of the Kaiming initializers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FanMode {
    /// The fan-in: keeps the variance of activations on the way forward. The default, as in
    /// PyTorch.
    #[default]
    In,
    /// The fan-out: keeps the variance of gradients on the way back. What torchvision's ResNets
    /// use.
    Out,
}

/// How a parameter's first values are drawn.
///
/// The fans are PyTorch's, see [`fans`]. For weights of two or more dimensions in PyTorch's layouts
/// (`(out, in)`, `(out, in / groups, kh, kw)`) they agree with Keras's fans for the same layer in
/// Keras's layout.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Initializer {
    /// All zeros.
    Zeros,
    /// All ones.
    Ones,
    /// All the same value.
    Constant(f64),
    /// Uniform on `[low, high)`.
    Uniform {
        /// The lower bound, included.
        low: f64,
        /// The upper bound, left out.
        high: f64,
    },
    /// The normal distribution.
    Normal {
        /// The mean.
        mean: f64,
        /// The standard deviation.
        std: f64,
    },
    /// The normal distribution cut to `[low, high]`, absolute values as in PyTorch's
    /// `trunc_normal_`.
    ///
    /// `mean` and `std` are those of the distribution before it is cut. Drawn by inverting the
    /// distribution function, so each element costs one number.
    TruncatedNormal {
        /// The mean before the cut.
        mean: f64,
        /// The standard deviation before the cut.
        std: f64,
        /// The smallest value.
        low: f64,
        /// The largest value.
        high: f64,
    },
    /// Uniform on `±sqrt(6 / (fan_in + fan_out))` (Glorot and Bengio 2010; PyTorch's
    /// `xavier_uniform_`, Keras's default).
    GlorotUniform,
    /// Normal with `std = sqrt(2 / (fan_in + fan_out))` (PyTorch's `xavier_normal_`; Keras
    /// truncates at two sigma).
    GlorotNormal,
    /// Uniform on `±sqrt(6 / ((1 + a²) fan))` (He et al. 2015; PyTorch's `kaiming_uniform_` for
    /// leaky ReLU).
    KaimingUniform {
        /// The negative slope `a` of the leaky ReLU that follows; 0 for ReLU.
        a: f64,
        /// Which fan.
        mode: FanMode,
    },
    /// Normal with `std = sqrt(2 / ((1 + a²) fan))` (He et al. 2015; PyTorch's `kaiming_normal_`
    /// for leaky ReLU).
    KaimingNormal {
        /// The negative slope `a` of the leaky ReLU that follows; 0 for ReLU.
        a: f64,
        /// Which fan.
        mode: FanMode,
    },
    /// Normal with `std = sqrt(1 / fan_in)` (LeCun et al. 1998; Keras truncates at two sigma).
    LecunNormal,
}

impl Initializer {
    /// Kaiming normal on the fan-out with `a = 0`: what torchvision's ResNets start their
    /// convolutions from.
    pub const KAIMING_NORMAL_FAN_OUT: Self = Self::KaimingNormal { a: 0.0, mode: FanMode::Out };

    /// As [`KAIMING_NORMAL_FAN_OUT`](Self::KAIMING_NORMAL_FAN_OUT) for a square filter, its outputs counted in one of
    /// `groups` groups: what TensorFlow's EfficientNets and timm's RegNets start their convolutions from. Of a
    /// depthwise filter the fan is the filter itself, which has each output of one input.
    pub fn grouped_fan_out(outputs: usize, kernel: usize, groups: usize) -> Self {
        let fan = (kernel * kernel * outputs / groups.max(1)).max(1);
        Self::Normal { mean: 0.0, std: (2.0 / fan as f64).sqrt() }
    }

    /// What PyTorch's `nn.Linear` and `nn.Conv2d` start a weight from: uniform on `±1 /
    /// sqrt(fan_in)`.
    ///
    /// It is `kaiming_uniform_` with `a = sqrt(5)`.
    pub fn pytorch_weight() -> Self {
        Self::KaimingUniform { a: 5f64.sqrt(), mode: FanMode::In }
    }

    /// What PyTorch's `nn.Linear` and `nn.Conv2d` start a bias from: uniform on `±1 / sqrt(fan_in)`
    /// of the weight.
    pub fn pytorch_bias(fan_in: usize) -> Self {
        let bound = if fan_in == 0 { 0.0 } else { 1.0 / (fan_in as f64).sqrt() };
        Self::Uniform { low: -bound, high: bound }
    }

    /// PyTorch's `trunc_normal_(std=std)`, the normal distribution around 0 cut at -2 and 2: what
    /// timm starts vision transformers from, with `std = 0.02`.
    pub const fn trunc_normal(std: f64) -> Self {
        Self::TruncatedNormal { mean: 0.0, std, low: -2.0, high: 2.0 }
    }

    /// The values of the parameter called `name`: a function of (self, seed, name, shape, element
    /// index) alone.
    ///
    /// Drawn in f64, then converted to `dtype`.
    ///
    /// # Errors
    ///
    /// candle's, where `dtype` or `device` can't take them.
    pub fn tensor(
        &self,
        seed: u64,
        name: &str,
        shape: &Shape,
        dtype: DType,
        device: &Device,
    ) -> Result<Tensor> {
        let key = address(seed, Domain::Parameter, name);
        let len = shape.elem_count();
        let values: Vec<f64> = match self.resolve(shape) {
            Self::Zeros => return Tensor::zeros(shape, dtype, device),
            Self::Ones => return Tensor::ones(shape, dtype, device),
            Self::Constant(value) => vec![value; len],
            Self::Uniform { low, high } => draw::uniform(key, low, high).take(len).collect(),
            Self::Normal { mean, std } => draw::normal(key, mean, std).take(len).collect(),
            Self::TruncatedNormal { mean, std, low, high } => {
                draw::truncated_normal(key, mean, std, low, high).take(len).collect()
            }
            _ => unreachable!("resolve leaves none of the scaled ones"),
        };
        match dtype {
            DType::F64 => Tensor::from_vec(values, shape, device),
            _ => {
                let values: Vec<f32> = values.iter().map(|&value| value as f32).collect();
                Tensor::from_vec(values, shape, device)?.to_dtype(dtype)
            }
        }
    }

    /// The same distribution with the fans of `shape` worked in: one of the first six variants.
    fn resolve(&self, shape: &Shape) -> Self {
        let (fan_in, fan_out) = fans(shape);
        let uniform = |variance: f64| {
            let bound = (3.0 * variance).sqrt();
            Self::Uniform { low: -bound, high: bound }
        };
        let normal = |variance: f64| Self::Normal { mean: 0.0, std: variance.sqrt() };
        let over = |numerator: f64, fan: usize| numerator / fan.max(1) as f64;
        let fan = |mode| match mode {
            FanMode::In => fan_in,
            FanMode::Out => fan_out,
        };
        match *self {
            Self::GlorotUniform => uniform(over(2.0, fan_in + fan_out)),
            Self::GlorotNormal => normal(over(2.0, fan_in + fan_out)),
            Self::KaimingUniform { a, mode } => uniform(over(2.0 / (1.0 + a * a), fan(mode))),
            Self::KaimingNormal { a, mode } => normal(over(2.0 / (1.0 + a * a), fan(mode))),
            Self::LecunNormal => normal(over(1.0, fan_in)),
            other => other,
        }
    }

    /// The nearest of candle's own hints, for a `VarBuilder` that is not ours: the same
    /// distribution, save that the truncated normal is not cut.
    pub(crate) fn hint(&self, shape: &Shape) -> Init {
        match self.resolve(shape) {
            Self::Ones => Init::Const(1.0),
            Self::Constant(value) => Init::Const(value),
            Self::Uniform { low, high } => Init::Uniform { lo: low, up: high },
            Self::Normal { mean, std } | Self::TruncatedNormal { mean, std, .. } => {
                Init::Randn { mean, stdev: std }
            }
            _ => Init::Const(0.0),
        }
    }
}

/// What candle's hints mean here.
///
/// candle's Kaiming with a gain `g` is `std = g / sqrt(fan)`, that is `a² = 2 / g² - 1`; it may be
/// negative, so the distribution is given with its bounds worked out.
impl Initializer {
    pub(crate) fn from_candle(init: Init, shape: &Shape) -> Self {
        match init {
            Init::Const(0.0) => Self::Zeros,
            Init::Const(1.0) => Self::Ones,
            Init::Const(value) => Self::Constant(value),
            Init::Randn { mean, stdev } => Self::Normal { mean, std: stdev },
            Init::Uniform { lo, up } => Self::Uniform { low: lo, high: up },
            Init::Kaiming { dist, fan, non_linearity } => {
                let (fan_in, fan_out) = fans(shape);
                let fan = match fan {
                    FanInOut::FanIn => fan_in,
                    FanInOut::FanOut => fan_out,
                };
                let std = non_linearity.gain() / (fan.max(1) as f64).sqrt();
                match dist {
                    NormalOrUniform::Normal => Self::Normal { mean: 0.0, std },
                    NormalOrUniform::Uniform => {
                        let bound = 3f64.sqrt() * std;
                        Self::Uniform { low: -bound, high: bound }
                    }
                }
            }
        }
    }
}

/// The fans `(fan_in, fan_out)` of a weight, as PyTorch counts them.
///
/// The receptive field is the product of all dimensions after the second; `fan_in = dims[1] *
/// field` and `fan_out = dims[0] * field`. PyTorch gives a tensor of fewer than two dimensions no
/// fans; here a vector counts as both, `(n, n)`, as in Keras, and a scalar as `(1, 1)`.
///
/// ```
/// use taper_model::init::fans;
///
/// assert_eq!(fans(&(64, 32, 3, 3).into()), (288, 576));
/// assert_eq!(fans(&(10, 128).into()), (128, 10));
/// ```
pub fn fans(shape: &Shape) -> (usize, usize) {
    match shape.dims() {
        [] => (1, 1),
        [n] => (*n, *n),
        [out, input, field @ ..] => {
            let field: usize = field.iter().product();
            (input * field, out * field)
        }
    }
}

#[cfg(test)]
mod tests;

//! Two-dimensional convolution.

use candle_core::{Module, ModuleT, Result, Tensor, bail};

use super::lora::Lora;
use super::max_pool2d::MaxPool2d;
use crate::builder::ParamBuilder;
use crate::init::Initializer;
use crate::summary;

/// Geometry and initial values of a [`Conv2d`].
///
/// ```
/// use taper_model::layers::Conv2dConfig;
///
/// let config = Conv2dConfig { stride: (2, 2), bias: false, ..Default::default() };
/// assert_eq!(config.dilation, (1, 1));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Conv2dConfig {
    /// Steps of the window, (vertical, horizontal), in pixels; default 1.
    pub stride: (usize, usize),
    /// Zeros added on each side, (top and bottom, left and right), in pixels; default 0.
    pub padding: (usize, usize),
    /// Zeros added below and to the right where they are others than `padding`, as TensorFlow's
    /// "same" has them, see [`same_padding`](Self::same_padding); default `None`.
    pub padding_end: Option<(usize, usize)>,
    /// Distance between the kernel's taps, (vertical, horizontal), in pixels; default 1.
    pub dilation: (usize, usize),
    /// Groups of channels convolved apart; divides both channel counts; default 1.
    pub groups: usize,
    /// Whether there is a bias; default true.
    pub bias: bool,
    /// First values of the weight; default PyTorch's, uniform on `±1 / sqrt(fan_in)`.
    pub weight_init: Initializer,
    /// First values of the bias; default `None`, PyTorch's, uniform on `±1 / sqrt(fan_in)` of the
    /// weight.
    pub bias_init: Option<Initializer>,
}

impl Default for Conv2dConfig {
    fn default() -> Self {
        Self {
            stride: (1, 1),
            padding: (0, 0),
            padding_end: None,
            dilation: (1, 1),
            groups: 1,
            bias: true,
            weight_init: Initializer::pytorch_weight(),
            bias_init: None,
        }
    }
}

impl Conv2dConfig {
    /// Keras's first values: Glorot-uniform weight, zero bias.
    pub fn keras() -> Self {
        Self {
            weight_init: Initializer::GlorotUniform,
            bias_init: Some(Initializer::Zeros),
            ..Self::default()
        }
    }

    /// TensorFlow's "same" padding of images of `size` (height, width) under a `kernel` of so many
    /// taps: the result has `size / stride` pixels, rounded up, and of an odd number of zeros the
    /// greater half lies below and to the right.
    ///
    /// ```
    /// use taper_model::layers::Conv2dConfig;
    ///
    /// let config = Conv2dConfig { stride: (2, 2), ..Default::default() };
    /// let config = config.same_padding((224, 225), (3, 3));
    /// assert_eq!((config.padding, config.padding_end), ((0, 1), Some((1, 1))));
    /// ```
    pub fn same_padding(self, size: (usize, usize), kernel: (usize, usize)) -> Self {
        let zeros = |size: usize, kernel: usize, stride: usize, dilation: usize| {
            let span = (kernel - 1) * dilation + 1;
            let reached = (size.div_ceil(stride).max(1) - 1) * stride + span;
            reached.saturating_sub(size)
        };
        let rows = zeros(size.0, kernel.0, self.stride.0, self.dilation.0);
        let columns = zeros(size.1, kernel.1, self.stride.1, self.dilation.1);
        let padding = (rows / 2, columns / 2);
        Self { padding, padding_end: Some((rows - rows / 2, columns - columns / 2)), ..self }
    }

    /// The part that the kernel needs.
    pub(crate) fn geometry(&self) -> taper_kernels::Conv2dConfig {
        taper_kernels::Conv2dConfig {
            stride: self.stride,
            padding: self.padding,
            padding_end: self.padding_end,
            dilation: self.dilation,
            groups: self.groups,
        }
    }
}

/// Two-dimensional convolution (cross-correlation), PyTorch's `nn.Conv2d` with zero padding.
///
/// `y[n, o, i, j] = bias[o] + sum over c, u, v of
/// weight[o, c, u, v] * x[n, c, i*sh - ph + u*dh, j*sw - pw + v*dw]`, where `c` runs over the channels of `o`'s group.
///
/// Parameters: `weight` (out, in / groups, kh, kw) and `bias` (out).
///
/// # Shapes
///
/// (n, in, h, w) to (n, out, h', w') with `h' = (h + 2 ph - dh (kh - 1) - 1) / sh + 1`, rounded
/// down.
///
/// ```
/// use candle_core::{DType, Device, ModuleT, Tensor};
/// use candle_nn::{VarBuilder, VarMap};
/// use taper_model::layers::{Conv2d, Conv2dConfig};
///
/// let vb = VarBuilder::from_varmap(&VarMap::new(), DType::F32, &Device::Cpu);
/// let config = Conv2dConfig { padding: (1, 1), ..Default::default() };
/// let conv = Conv2d::new(3, 8, (3, 3), config, vb.pp("conv1"))?;
/// let images = Tensor::zeros((2, 3, 5, 7), DType::F32, &Device::Cpu)?;
/// assert_eq!(conv.forward_t(&images, false)?.dims(), [2, 8, 5, 7]);
/// # Ok::<(), candle_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Conv2d {
    /// The kernel, (out, in / groups, kh, kw).
    pub weight: Tensor,
    /// The bias, (out).
    pub bias: Option<Tensor>,
    /// How it was made.
    pub config: Conv2dConfig,
    /// The adapter beside it.
    pub lora: Option<Lora>,
    name: String,
}

impl Conv2d {
    /// A convolution from `in_channels` to `out_channels`, its kernel (height, width), named by
    /// `vb`'s prefix.
    ///
    /// # Errors
    ///
    /// Where the groups don't divide both channel counts; and those of `vb`.
    pub fn new<'a>(
        in_channels: usize,
        out_channels: usize,
        kernel: (usize, usize),
        config: Conv2dConfig,
        vb: impl Into<ParamBuilder<'a>>,
    ) -> Result<Self> {
        let vb = vb.into();
        let name = vb.prefix();
        let groups = config.groups;
        if groups == 0
            || !in_channels.is_multiple_of(groups)
            || !out_channels.is_multiple_of(groups)
        {
            bail!(
                "convolution `{name}`: {groups} groups do not divide {in_channels} input and {out_channels} output \
                 channels"
            );
        }
        let shape = (out_channels, in_channels / groups, kernel.0, kernel.1);
        let weight = vb.get(shape, "weight", config.weight_init)?;
        let bias = if config.bias {
            let fan_in = in_channels / groups * kernel.0 * kernel.1;
            let bias_init = config.bias_init.unwrap_or_else(|| Initializer::pytorch_bias(fan_in));
            Some(vb.get(out_channels, "bias", bias_init)?)
        } else {
            None
        };
        let shapes = |rank: usize| {
            ((rank, in_channels, kernel.0, kernel.1).into(), (out_channels, rank, 1, 1).into())
        };
        let lora = Lora::attached(&vb, shapes)?;
        if lora.is_some() && groups != 1 {
            bail!(
                "convolution `{name}` has {groups} groups, and an adapter is for one; choose other targets"
            );
        }
        Ok(Self { weight, bias, config, lora, name })
    }
}

impl Conv2d {
    /// The convolution, ReLU and, where `pool` is given, max-pooling as one operation.
    ///
    /// The same as the three layers in a row, but the large intermediate results are neither kept
    /// for the backward pass nor given a gradient of their own, which is what costs most of the
    /// time of three.
    ///
    /// # Errors
    ///
    /// An input that does not fit the kernel or the window.
    pub fn forward_relu(
        &self,
        x: &Tensor,
        pool: Option<&MaxPool2d>,
        train: bool,
    ) -> Result<Tensor> {
        if self.lora.is_some() {
            let y = taper_kernels::relu(&self.forward_t(x, train)?)?;
            return pool.map_or(Ok(y.clone()), |pool| pool.forward(&y));
        }
        let block = taper_kernels::Conv2dBlock {
            conv: self.config.geometry(),
            activation: Some(taper_kernels::Activation::Relu),
            max_pool: pool.map(MaxPool2d::geometry),
        };
        let y = taper_kernels::conv2d_block(x, &self.weight, self.bias.as_ref(), &block)?;
        let kind = if pool.is_some() { "Conv2d, ReLU, MaxPool2d" } else { "Conv2d, ReLU" };
        summary::record(kind, &self.name, &y, |_| self.multiply_adds(x.dims()));
        Ok(y)
    }

    pub(super) fn record(&self, x: &Tensor, y: &Tensor) {
        summary::record("Conv2d", &self.name, y, |_| self.multiply_adds(x.dims()));
    }

    /// One multiply-add for each pixel of the output and each element of the weight and of the
    /// adapter's two; the bias is not counted.
    fn multiply_adds(&self, input: &[usize]) -> usize {
        let Conv2dConfig { stride, padding, padding_end, dilation, .. } = self.config;
        let (kernel, end) = (&self.weight.dims()[2..], padding_end.unwrap_or(padding));
        let out = |size: usize, kernel: usize, stride: usize, zeros: usize, dilation: usize| {
            (size + zeros - dilation * (kernel - 1) - 1) / stride + 1
        };
        let height = out(input[2], kernel[0], stride.0, padding.0 + end.0, dilation.0);
        let width = out(input[3], kernel[1], stride.1, padding.1 + end.1, dilation.1);
        let elements = self.lora.as_ref().map_or(0, Lora::elements);
        input[0] * height * width * (self.weight.elem_count() + elements)
    }
}

impl ModuleT for Conv2d {
    fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let mut y =
            taper_kernels::conv2d(x, &self.weight, self.bias.as_ref(), &self.config.geometry())?;
        if let Some(lora) = &self.lora {
            y = (y + lora.conv2d(x, &self.config.geometry(), train)?)?;
        }
        self.record(x, &y);
        Ok(y)
    }
}

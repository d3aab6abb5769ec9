//! Two-dimensional convolution.

mod composed;
mod naive;
mod op;
mod product;

use crate::path::{Path, resolve};
use crate::window::positions;
use candle_core::{Result, Shape, Tensor, bail};

/// How the filters of [`conv2d`] move over the image; pairs are (height, width), in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Conv2dConfig {
    /// Steps between two positions of a filter. Default (1, 1).
    pub stride: (usize, usize),
    /// Zeros added on both sides. Default (0, 0).
    pub padding: (usize, usize),
    /// Steps between two taps of a filter. Default (1, 1).
    pub dilation: (usize, usize),
    /// Groups of channels that do not see each other; the number of channels makes the
    /// convolution depthwise. Default 1.
    pub groups: usize,
}

impl Default for Conv2dConfig {
    fn default() -> Self {
        Self { stride: (1, 1), padding: (0, 0), dilation: (1, 1), groups: 1 }
    }
}

/// The sizes of one convolution, checked.
#[derive(Clone, Copy, Debug)]
struct Geometry {
    n: usize,
    c_in: usize,
    h: usize,
    w: usize,
    c_out: usize,
    kh: usize,
    kw: usize,
    oh: usize,
    ow: usize,
    stride: (usize, usize),
    padding: (usize, usize),
    dilation: (usize, usize),
    groups: usize,
}

impl Geometry {
    fn new(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, c: &Conv2dConfig) -> Result<Self> {
        let &[n, c_in, h, w] = x.dims() else {
            bail!("conv2d: expected an input of rank 4 (n, c, h, w), found {:?}", x.dims())
        };
        let &[c_out, c_group, kh, kw] = weight.dims() else {
            bail!(
                "conv2d: expected a weight of rank 4 (out, in / groups, kh, kw), found {:?}",
                weight.dims()
            )
        };
        if c_in == 0 || c_out == 0 {
            bail!("conv2d: expected at least one channel, found {c_in} in and {c_out} out")
        }
        let groups = c.groups;
        if groups == 0 || !c_in.is_multiple_of(groups) || !c_out.is_multiple_of(groups) {
            bail!("conv2d: {groups} groups do not divide {c_in} input and {c_out} output channels")
        }
        if c_group * groups != c_in {
            bail!(
                "conv2d: the weight expects {} input channels ({c_group} in each of {groups} \
                 groups), the input has {c_in}",
                c_group * groups
            )
        }
        if let Some(bias) = bias
            && bias.dims() != [c_out]
        {
            bail!("conv2d: expected a bias of shape [{c_out}], found {:?}", bias.dims())
        }
        let oh = positions("conv2d", "height", h, kh, c.stride.0, c.padding.0, c.dilation.0)?;
        let ow = positions("conv2d", "width", w, kw, c.stride.1, c.padding.1, c.dilation.1)?;
        let (stride, padding, dilation) = (c.stride, c.padding, c.dilation);
        Ok(Self { n, c_in, h, w, c_out, kh, kw, oh, ow, stride, padding, dilation, groups })
    }

    fn output_shape(&self) -> Shape {
        (self.n, self.c_out, self.oh, self.ow).into()
    }
}

/// Slides filters over images: cross-correlation, as every framework's convolution.
///
/// `y[n, o, i, j] = b[o] + sum over c, p, q of w[o, c, p, q] * x[n, c', i s - pad + p d, ...]`,
/// where `c'` runs over the input channels of `o`'s group and `x` is zero outside the image.
///
/// # Shapes
///
/// `x` (n, in, h, w), `weight` (out, in / groups, kh, kw), `bias` (out): the result is
/// (n, out, oh, ow), `oh = (h + 2 pad - dilation (kh - 1) - 1) / stride + 1`, rounded down.
///
/// # Errors
///
/// If a rank is wrong, the channels do not fit together, the groups do not divide them, the
/// kernel is larger than the padded image, or a stride or dilation is zero.
pub fn conv2d(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    config: &Conv2dConfig,
) -> Result<Tensor> {
    let geometry = Geometry::new(x, weight, bias, config)?;
    let run = |algorithm| op::apply(x, weight, bias, geometry, algorithm);
    match resolve(x) {
        Path::Composed => composed::conv2d(x, weight, bias, &geometry),
        Path::Naive => run(Algorithm::Naive),
        // A product needs columns of some length: the short ones of grouped and depthwise
        // convolutions are faster in plain loops.
        Path::Auto if geometry.groups == 1 => run(Algorithm::Product),
        Path::Auto => run(Algorithm::Naive),
    }
}

/// Which CPU kernels a convolution takes, forward and backward.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Algorithm {
    Naive,
    Product,
}

#[cfg(test)]
mod tests;

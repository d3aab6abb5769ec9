//! The sizes of a convolution.

use crate::activation::Activation;
use crate::pool::Pool2dConfig;
use crate::window::{check_size, positions};
use candle_core::{Result, Tensor, bail};

/// How the filters of [`conv2d`](crate::conv2d) move over the image; pairs are (height, width), in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Conv2dConfig {
    /// Steps between two positions of a filter. Default (1, 1).
    pub stride: (usize, usize),
    /// Zeros added on both sides. Default (0, 0).
    pub padding: (usize, usize),
    /// Zeros added below and to the right, where they are others than `padding`. Default none.
    pub padding_end: Option<(usize, usize)>,
    /// Steps between two taps of a filter. Default (1, 1).
    pub dilation: (usize, usize),
    /// Groups of channels that do not see each other; the number of channels makes the
    /// convolution depthwise. Default 1.
    pub groups: usize,
}

impl Default for Conv2dConfig {
    fn default() -> Self {
        Self { stride: (1, 1), padding: (0, 0), padding_end: None, dilation: (1, 1), groups: 1 }
    }
}

/// A convolution and what often follows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Conv2dBlock {
    /// How the filters move.
    pub conv: Conv2dConfig,
    /// What is applied to the result. Default none.
    pub activation: Option<Activation>,
    /// Max-pooling applied last. Default none.
    pub max_pool: Option<Pool2dConfig>,
}

/// The sizes of one convolution, checked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Geometry {
    pub n: usize,
    pub c_in: usize,
    pub h: usize,
    pub w: usize,
    pub c_out: usize,
    pub kh: usize,
    pub kw: usize,
    pub oh: usize,
    pub ow: usize,
    pub stride: (usize, usize),
    /// Zeros above and to the left.
    pub padding: (usize, usize),
    /// Zeros below and to the right.
    pub padding_end: (usize, usize),
    pub dilation: (usize, usize),
    pub groups: usize,
}

impl Geometry {
    pub fn new(
        x: &Tensor,
        weight: &Tensor,
        bias: Option<&Tensor>,
        c: &Conv2dConfig,
    ) -> Result<Self> {
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
        let padding = c.padding;
        let padding_end = c.padding_end.unwrap_or(padding);
        let (rows, columns) = ([padding.0, padding_end.0], [padding.1, padding_end.1]);
        let oh = positions("conv2d", "height", h, kh, c.stride.0, rows, c.dilation.0)?;
        let ow = positions("conv2d", "width", w, kw, c.stride.1, columns, c.dilation.1)?;
        let padded = (padding.0 + h + padding_end.0, padding.1 + w + padding_end.1);
        check_size("conv2d", "padded images", [n.max(1), c_in, padded.0, padded.1])?;
        check_size("conv2d", "a result", [n.max(1), c_out, oh, ow])?;
        // Longer steps lead out of the image like these.
        let within = |step: (usize, usize)| (step.0.min(padded.0), step.1.min(padded.1));
        let (stride, dilation) = (within(c.stride), within(c.dilation));
        Ok(Self {
            n,
            c_in,
            h,
            w,
            c_out,
            kh,
            kw,
            oh,
            ow,
            stride,
            padding,
            padding_end,
            dilation,
            groups,
        })
    }

    /// Height and width of the image with the zeros around it.
    pub fn padded(&self) -> (usize, usize) {
        let (before, after) = (self.padding, self.padding_end);
        (before.0 + self.h + after.0, before.1 + self.w + after.1)
    }

    pub fn output_dims(&self) -> [usize; 4] {
        [self.n, self.c_out, self.oh, self.ow]
    }
}

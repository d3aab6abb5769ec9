//! Two-dimensional convolution.

mod columns;
mod composed;
mod depthwise;
mod direct;
mod naive;
mod op;
mod product;
mod winograd;

use crate::path::{Path, resolve};
use crate::pool::{self, Pool2dConfig};
use crate::window::positions;
use candle_core::{DType, Result, Tensor, bail};
use op::Conv2d;
use winograd::Tail;

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

    fn output_dims(&self) -> [usize; 4] {
        [self.n, self.c_out, self.oh, self.ow]
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
    conv2d_block(x, weight, bias, &Conv2dBlock { conv: *config, ..Conv2dBlock::default() })
}

/// A convolution and what often follows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Conv2dBlock {
    /// How the filters move.
    pub conv: Conv2dConfig,
    /// Whether `max(x, 0)` is applied to the result. Default false.
    pub relu: bool,
    /// Max-pooling applied last. Default none.
    pub max_pool: Option<Pool2dConfig>,
}

/// [`conv2d`], then [`relu`](crate::relu), then [`max_pool2d`](crate::max_pool2d), in one
/// operation: the same result without the large tensors in between, in memory and on the tape.
///
/// # Shapes
///
/// Those of [`conv2d`] followed by those of [`max_pool2d`](crate::max_pool2d).
///
/// # Errors
///
/// As [`conv2d`] and [`max_pool2d`](crate::max_pool2d).
pub fn conv2d_block(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    block: &Conv2dBlock,
) -> Result<Tensor> {
    let geometry = Geometry::new(x, weight, bias, &block.conv)?;
    let pool = match &block.max_pool {
        Some(config) => Some(pool::Geometry::new("max_pool2d", &geometry.output_dims(), config)?),
        None => None,
    };
    let path = resolve(x);
    if path == Path::Composed {
        let y = composed::conv2d(x, weight, bias, &geometry)?;
        let y = if block.relu { crate::relu(&y)? } else { y };
        return block.max_pool.as_ref().map_or(Ok(y.clone()), |c| crate::max_pool2d(&y, c));
    }
    let algorithm = choose(path, x.dtype(), geometry, block);
    op::apply(x, weight, bias, Conv2d::new(geometry, block.relu, pool, algorithm, path.vectors()))
}

/// Which CPU kernels a convolution takes, forward and backward.
#[derive(Clone, Copy, Debug)]
enum Algorithm {
    Naive,
    Product,
    Columns(columns::Plan),
    Depthwise(depthwise::Plan),
    Direct(direct::Plan),
    Winograd(winograd::Plan),
}

fn choose(path: Path, dtype: DType, g: Geometry, block: &Conv2dBlock) -> Algorithm {
    let fast = path != Path::Naive && dtype == DType::F32;
    // Windows that a 4x4 tile holds whole are pooled within the kernel.
    let pool = block.max_pool.is_some_and(|pool| pool == Pool2dConfig::square(2));
    let tail = Tail { relu: block.relu && (pool || block.max_pool.is_none()), pool };
    match () {
        _ if path == Path::Naive => Algorithm::Naive,
        // One to three channels fill no vector: plain sums along the rows.
        _ if fast && direct::Plan::fits(&g) && g.c_in < 4 => {
            Algorithm::Direct(direct::Plan::new(g, path.isa(), block.relu))
        }
        _ if fast && winograd::Plan::fits(&g) && g.c_in >= 4 && g.c_out >= 4 && tiles_pay(&g) => {
            Algorithm::Winograd(winograd::Plan::new(g, path.isa(), tail))
        }
        _ if fast && columns::Plan::fits(&g) => {
            Algorithm::Columns(columns::Plan::new(g, path.isa(), block.relu))
        }
        // A filter that sees one channel has too few taps for a product.
        _ if fast && depthwise::Plan::fits(&g) => {
            Algorithm::Depthwise(depthwise::Plan::new(g, path.isa(), block.relu))
        }
        _ if g.groups == 1 => Algorithm::Product,
        _ => Algorithm::Naive,
    }
}

/// Whether the 4x4 tiles of Winograd's algorithm waste less than they save. A tile costs 36
/// products, its pixels 9 each in a plain sum; the transforms take about a third of the time.
fn tiles_pay(g: &Geometry) -> bool {
    let tiles = g.oh.div_ceil(4) * g.ow.div_ceil(4);
    3 * tiles * 36 < 2 * g.oh * g.ow * 9
}

#[cfg(test)]
mod tests;

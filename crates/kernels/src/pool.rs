//! Pooling: windows of an image reduced to one number each.

mod composed;
pub(crate) mod naive;
mod vector;

use crate::path::{Path, resolve};
use crate::window::positions;
use candle_core::{Result, Tensor, bail};

/// How the windows of a pooling move over the image; pairs are (height, width), in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Pool2dConfig {
    /// Size of a window.
    pub kernel: (usize, usize),
    /// Steps between two windows; usually the size of a window.
    pub stride: (usize, usize),
    /// Pixels added on both sides, at most half a window.
    pub padding: (usize, usize),
}

impl Pool2dConfig {
    /// Square windows of `size`, side by side, without padding.
    pub fn square(size: usize) -> Self {
        Self { kernel: (size, size), stride: (size, size), padding: (0, 0) }
    }
}

/// The sizes of one pooling, checked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Geometry {
    n: usize,
    c: usize,
    h: usize,
    w: usize,
    oh: usize,
    ow: usize,
    config: Pool2dConfig,
}

impl Geometry {
    pub(crate) fn new(op: &str, dims: &[usize], config: &Pool2dConfig) -> Result<Self> {
        let &[n, c, h, w] = dims else {
            bail!("{op}: expected an input of rank 4 (n, c, h, w), found {dims:?}")
        };
        let &Pool2dConfig { kernel, stride, padding } = config;
        let oh = positions(op, "height", h, kernel.0, stride.0, padding.0, 1)?;
        let ow = positions(op, "width", w, kernel.1, stride.1, padding.1, 1)?;
        if padding.0 > kernel.0 / 2 || padding.1 > kernel.1 / 2 {
            bail!(
                "{op}: expected a padding of at most half the kernel {kernel:?}, found {padding:?}"
            )
        }
        Ok(Self { n, c, h, w, oh, ow, config: *config })
    }
}

/// The largest number of each window.
///
/// The first maximum of a window, in row-major order, takes all of its gradient, and a NaN
/// counts as larger than every number, as in PyTorch. Padding never wins.
///
/// # Shapes
///
/// `x` (n, c, h, w): the result is (n, c, oh, ow), `oh = (h + 2 pad - kernel) / stride + 1`,
/// rounded down.
///
/// # Errors
///
/// If `x` is not of rank 4, a window is larger than the padded image, a size or stride is zero,
/// or the padding is more than half a window.
pub fn max_pool2d(x: &Tensor, config: &Pool2dConfig) -> Result<Tensor> {
    let geometry = Geometry::new("max_pool2d", x.dims(), config)?;
    match resolve(x) {
        Path::Composed => composed::max_pool2d(x, &geometry),
        path => naive::max_pool2d(x, geometry, path),
    }
}

/// The mean of each window.
///
/// Zeros of the padding count, as in PyTorch's default (`count_include_pad`): the divisor is
/// always the size of a window.
///
/// # Shapes
///
/// As [`max_pool2d`].
///
/// # Errors
///
/// As [`max_pool2d`].
pub fn avg_pool2d(x: &Tensor, config: &Pool2dConfig) -> Result<Tensor> {
    let geometry = Geometry::new("avg_pool2d", x.dims(), config)?;
    match resolve(x) {
        Path::Composed => composed::avg_pool2d(x, &geometry),
        path => naive::avg_pool2d(x, geometry, path),
    }
}

/// The mean of each image and channel: (n, c, h, w) becomes (n, c).
///
/// # Errors
///
/// If `x` is not of rank 4, or its images have no pixels.
pub fn global_avg_pool2d(x: &Tensor) -> Result<Tensor> {
    let &[n, c, h, w] = x.dims() else {
        bail!("global_avg_pool2d: expected an input of rank 4 (n, c, h, w), found {:?}", x.dims())
    };
    if h * w == 0 {
        bail!("global_avg_pool2d: expected images with pixels, found {h} x {w}")
    }
    match resolve(x) {
        Path::Composed => composed::global_avg_pool2d(x),
        path => {
            let whole = Pool2dConfig { kernel: (h, w), stride: (1, 1), padding: (0, 0) };
            let geometry = Geometry::new("global_avg_pool2d", x.dims(), &whole)?;
            naive::avg_pool2d(x, geometry, path)?.reshape((n, c))
        }
    }
}

#[cfg(test)]
mod tests;

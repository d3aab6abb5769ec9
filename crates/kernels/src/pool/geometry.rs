//! The sizes of a pooling.

use crate::window::{check_size, positions};
use candle_core::{Result, Shape, bail};
use std::ops::Range;

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
    pub(super) n: usize,
    pub(super) c: usize,
    pub(super) h: usize,
    pub(super) w: usize,
    pub(super) oh: usize,
    pub(super) ow: usize,
    pub(super) config: Pool2dConfig,
}

impl Geometry {
    pub(crate) fn new(op: &str, dims: &[usize], config: &Pool2dConfig) -> Result<Self> {
        let &[n, c, h, w] = dims else {
            bail!("{op}: expected an input of rank 4 (n, c, h, w), found {dims:?}")
        };
        let &Pool2dConfig { kernel, stride, padding } = config;
        let oh = positions(op, "height", h, kernel.0, stride.0, [padding.0; 2], 1)?;
        let ow = positions(op, "width", w, kernel.1, stride.1, [padding.1; 2], 1)?;
        if padding.0 > kernel.0 / 2 || padding.1 > kernel.1 / 2 {
            bail!(
                "{op}: expected a padding of at most half the kernel {kernel:?}, found {padding:?}"
            )
        }
        let padded = (h + 2 * padding.0, w + 2 * padding.1);
        check_size(op, "padded images", [n.max(1), c.max(1), padded.0, padded.1])?;
        // Longer steps lead out of the image like these.
        let stride = (stride.0.min(padded.0), stride.1.min(padded.1));
        Ok(Self { n, c, h, w, oh, ow, config: Pool2dConfig { stride, ..*config } })
    }

    pub(super) fn plane_in(&self) -> usize {
        self.h * self.w
    }

    pub(super) fn plane_out(&self) -> usize {
        self.oh * self.ow
    }

    pub(crate) fn output_shape(&self) -> Shape {
        (self.n, self.c, self.oh, self.ow).into()
    }

    /// The rows and columns of the image under the window of output `o`.
    pub(super) fn window(&self, o: usize) -> (Range<usize>, Range<usize>) {
        let axis = |o: usize, stride: usize, padding: usize, kernel: usize, len: usize| {
            let start = o * stride;
            start.saturating_sub(padding)..(start + kernel).saturating_sub(padding).min(len)
        };
        let (kernel, stride, padding) =
            (self.config.kernel, self.config.stride, self.config.padding);
        (
            axis(o / self.ow, stride.0, padding.0, kernel.0, self.h),
            axis(o % self.ow, stride.1, padding.1, kernel.1, self.w),
        )
    }
}

//! How a depthwise convolution is cut into tasks, and its filters.

use crate::activation::Activation;
use crate::conv2d::geometry::Geometry;
use crate::nchwc::{Frame, Planes, pack};
use crate::scratch::{self, Scratch};
use crate::simd::{Isa, Kernel, Simd};

/// A depthwise convolution, with one or more output channels for each of the input.
#[derive(Clone, Copy, Debug)]
pub(in crate::conv2d) struct Plan {
    pub(super) g: Geometry,
    pub(super) isa: Isa,
    pub(super) activation: Option<Activation>,
}

/// Multiply-adds of whole vectors that one task does at least: some 20 microseconds.
const FMAS_PER_TASK: usize = 1 << 16;
/// Pixels of the output that are summed before they are copied to their planes.
const PIXELS_PER_BAND: usize = 256;

impl Plan {
    pub fn new(g: Geometry, isa: Isa, activation: Option<Activation>) -> Self {
        assert!(Self::fits(&g));
        Self { g, isa, activation }
    }

    pub fn fits(g: &Geometry) -> bool {
        g.groups == g.c_in && g.groups > 1
    }

    /// Output channels of an input channel.
    pub fn multiplier(&self) -> usize {
        self.g.c_out / self.g.c_in
    }

    pub fn taps(&self) -> usize {
        self.g.kh * self.g.kw
    }

    /// Blocks of channels that fill a vector, the last one in part.
    pub fn blocks(&self) -> usize {
        self.g.c_in.div_ceil(self.isa.lanes())
    }

    /// Where the planes of `x` lie in their blocks.
    pub fn input(&self) -> Frame {
        let g = &self.g;
        let (top, left) = g.padding;
        let (rows, width) = g.padded();
        Frame { h: g.h, w: g.w, top, left, rows, width }
    }

    /// Where the planes of the output's gradient lie in theirs: with as many zeros around them as
    /// the pixels of the input look for.
    pub fn gradient(&self) -> Frame {
        let g = &self.g;
        let reach = |k: usize, dilation: usize, stride: usize| (k - 1) * dilation / stride;
        let top = reach(g.kh, g.dilation.0, g.stride.0).saturating_sub(g.padding.0 / g.stride.0);
        let left = reach(g.kw, g.dilation.1, g.stride.1).saturating_sub(g.padding.1 / g.stride.1);
        let rows = top + g.oh.max((g.h - 1 + g.padding.0) / g.stride.0 + 1);
        let width = left + g.ow.max((g.w - 1 + g.padding.1) / g.stride.1 + 1);
        Frame { h: g.oh, w: g.ow, top, left, rows, width }
    }

    /// The weights of each block, of each of its outputs, of each tap: a vector.
    pub fn pack(&self, w: &[f32]) -> Scratch {
        let size = self.multiplier() * self.taps() * self.isa.lanes();
        let mut packed = scratch::buffer(self.blocks() * size);
        self.isa.run(Pack { plan: self, w, packed: &mut packed });
        packed
    }

    /// Images that a task takes one after the other, and blocks, to be worth it.
    pub fn task(&self, passes: usize) -> usize {
        let pixels = self.g.oh * self.g.ow * self.multiplier() * (self.taps() * passes + 8);
        FMAS_PER_TASK.div_ceil(pixels + 4 * self.g.h * self.g.w)
    }
}

struct Pack<'a> {
    plan: &'a Plan,
    w: &'a [f32],
    packed: &'a mut [f32],
}

impl Kernel for Pack<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let (c, taps, m) = (self.plan.g.c_in, self.plan.taps(), self.plan.multiplier());
        assert_eq!((self.w.len(), self.plan.isa.lanes()), (c * m * taps, S::LANES));
        for (i, packed) in self.packed.chunks_exact_mut(taps * S::LANES).enumerate() {
            let first = i / m * S::LANES;
            // SAFETY: the filters of `channels` channels, and a vector for each tap.
            unsafe {
                let planes = Planes {
                    first: self.w.as_ptr().add((first * m + i % m) * taps),
                    distance: m * taps,
                    channels: (c - first).min(S::LANES),
                };
                pack::<S>(planes, &Frame::flat(taps), packed.as_mut_ptr());
            }
        }
    }
}

/// Rows of `columns` pixels each that are summed before they are copied to their planes; all of
/// them where a row fills no vector.
pub(super) fn band(rows: usize, columns: usize) -> usize {
    if columns < 8 { rows } else { (PIXELS_PER_BAND / columns).clamp(1, rows) }
}

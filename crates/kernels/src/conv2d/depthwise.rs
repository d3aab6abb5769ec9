//! Depthwise convolution: every channel has filters of its own. Vectors hold a pixel of `LANES`
//! channels, so that planes of any width fill them, and no sum runs across lanes.

mod backward;
mod taps;

use super::Geometry;
use crate::blocked::{Frame, Planes, gather, scatter};
use crate::scratch::{Output, Scratch, Shared, take};
use crate::simd::{Isa, Kernel, Simd};
pub(super) use backward::backward;
use rayon::prelude::*;
use taps::{Convolution, Tap};

/// A depthwise convolution, with one or more output channels for each of the input.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    g: Geometry,
    isa: Isa,
    relu: bool,
}

/// Multiply-adds of whole vectors that one task does at least: some 20 microseconds.
const TASK: usize = 1 << 16;
/// Pixels of the output that are summed before they are copied to their planes.
const BAND: usize = 256;

impl Plan {
    pub(super) fn new(g: Geometry, isa: Isa, relu: bool) -> Self {
        assert!(Self::fits(&g));
        Self { g, isa, relu }
    }

    pub(super) fn fits(g: &Geometry) -> bool {
        g.groups == g.c_in && g.groups > 1
    }

    /// Output channels of an input channel.
    fn multiplier(&self) -> usize {
        self.g.c_out / self.g.c_in
    }

    fn taps(&self) -> usize {
        self.g.kh * self.g.kw
    }

    /// Blocks of channels that fill a vector, the last one in part.
    fn blocks(&self) -> usize {
        self.g.c_in.div_ceil(self.isa.lanes())
    }

    /// Where the planes of `x` lie in their blocks.
    fn input(&self) -> Frame {
        let g = &self.g;
        let (top, left) = g.padding;
        Frame { h: g.h, w: g.w, top, left, rows: g.h + 2 * top, width: g.w + 2 * left }
    }

    /// Where the planes of the output's gradient lie in theirs: with as many zeros around them as
    /// the pixels of the input look for, see [`Phase`].
    fn gradient(&self) -> Frame {
        let g = &self.g;
        let reach = |k: usize, dilation: usize, stride: usize| (k - 1) * dilation / stride;
        let top = reach(g.kh, g.dilation.0, g.stride.0).saturating_sub(g.padding.0 / g.stride.0);
        let left = reach(g.kw, g.dilation.1, g.stride.1).saturating_sub(g.padding.1 / g.stride.1);
        let rows = top + g.oh.max((g.h - 1 + g.padding.0) / g.stride.0 + 1);
        let width = left + g.ow.max((g.w - 1 + g.padding.1) / g.stride.1 + 1);
        Frame { h: g.oh, w: g.ow, top, left, rows, width }
    }

    /// The weights of each block, of each of its outputs, of each tap: a vector.
    fn pack(&self, w: &[f32]) -> Scratch {
        let size = self.multiplier() * self.taps() * self.isa.lanes();
        let mut packed = take(self.blocks() * size);
        self.isa.run(Pack { plan: self, w, packed: &mut packed });
        packed
    }

    /// Images that a task takes one after the other, and blocks, to be worth it.
    fn task(&self, passes: usize) -> usize {
        let pixels = self.g.oh * self.g.ow * self.multiplier() * (self.taps() * passes + 8);
        TASK.div_ceil(pixels + 4 * self.g.h * self.g.w)
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
                gather::<S>(planes, &Frame::flat(taps), packed.as_mut_ptr());
            }
        }
    }
}

/// The taps of the forward pass, in a block of that width.
fn forward_taps(g: &Geometry, width: usize, lanes: usize) -> Vec<Tap> {
    let taps = (0..g.kh).flat_map(|p| (0..g.kw).map(move |q| (p, q)));
    taps.map(|(p, q)| Tap {
        x: (p * g.dilation.0 * width + q * g.dilation.1) * lanes,
        w: (p * g.kw + q) * lanes,
    })
    .collect()
}

pub(super) fn forward(plan: &Plan, x: &[f32], w: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
    let (g, lanes) = (&plan.g, plan.isa.lanes());
    assert_eq!((x.len(), w.len()), (g.n * g.c_in * g.h * g.w, g.c_out * plan.taps()));
    assert!(bias.is_none_or(|bias| bias.len() == g.c_out));
    let mut y = Output::<f32>::new(g.n * g.c_out * g.oh * g.ow);
    let (shared, frame, weights) = (y.shared(), plan.input(), plan.pack(w));
    let taps = forward_taps(g, frame.width, lanes);
    let band = band(g.oh, g.ow);
    let units = (0..g.n * plan.blocks()).into_par_iter().with_min_len(plan.task(1));
    units.for_each_init(
        || (take(frame.pixels() * lanes), take(band * g.ow * lanes)),
        |(block, out), unit| {
            let (image, channel) = (unit / plan.blocks(), unit % plan.blocks() * lanes);
            let x = &x[(image * g.c_in + channel) * g.h * g.w..];
            let weights = &weights[channel * plan.multiplier() * plan.taps()..];
            let y = shared.offset((image * g.c_in + channel) * plan.multiplier() * g.oh * g.ow);
            let (frame, taps) = (&frame, &taps[..]);
            plan.isa.run(Forward { plan, frame, taps, x, weights, bias, channel, block, out, y });
        },
    );
    // SAFETY: every unit writes the outputs of its channels of its image: all of them.
    unsafe { y.finish() }
}

/// Rows of `columns` pixels each that are summed before they are copied to their planes; all of
/// them where a row fills no vector.
fn band(rows: usize, columns: usize) -> usize {
    if columns < 8 { rows } else { (BAND / columns).clamp(1, rows) }
}

struct Forward<'a> {
    plan: &'a Plan,
    frame: &'a Frame,
    taps: &'a [Tap],
    /// From the first of the channels on.
    x: &'a [f32],
    /// Of this block of channels, and those after it.
    weights: &'a [f32],
    bias: Option<&'a [f32]>,
    /// The first of the channels.
    channel: usize,
    block: &'a mut [f32],
    out: &'a mut [f32],
    /// The first of their outputs.
    y: Shared<f32>,
}

impl Kernel for Forward<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let (plan, g, frame) = (self.plan, &self.plan.g, self.frame);
        let (m, lanes) = (plan.multiplier(), S::LANES);
        let channels = (g.c_in - self.channel).min(lanes);
        let band = band(g.oh, g.ow);
        assert!(self.x.len() >= channels * g.h * g.w && self.out.len() == band * g.ow * lanes);
        assert!(self.weights.len() >= m * plan.taps() * lanes);
        assert_eq!(self.block.len(), frame.pixels() * lanes);
        // SAFETY: the lengths just asserted; `y` has the outputs of the channels. A tap of the
        // last output reads pixel `(oh - 1) stride + (kh - 1) dilation < h + 2 padding` of a
        // column, and likewise of a row.
        unsafe {
            let planes = Planes { first: self.x.as_ptr(), distance: g.h * g.w, channels };
            gather::<S>(planes, frame, self.block.as_mut_ptr());
            for i in 0..m {
                let mut start = [S::splat(0.); 1];
                if let Some(bias) = self.bias {
                    let start = start.as_mut_ptr().cast::<f32>();
                    for c in 0..channels {
                        *start.add(c) = bias[(self.channel + c) * m + i];
                    }
                }
                for first in (0..g.oh).step_by(band) {
                    let rows = (g.oh - first).min(band);
                    let from_row = g.stride.0 * frame.width * lanes;
                    Convolution {
                        taps: self.taps,
                        weights: self.weights.as_ptr().add(i * plan.taps() * lanes),
                        start: start[0],
                        relu: plan.relu,
                        rows,
                        columns: g.ow,
                        from: self.block.as_ptr().add(first * from_row),
                        from_row,
                        from_step: g.stride.1 * lanes,
                        to: self.out.as_mut_ptr(),
                        to_row: g.ow * lanes,
                        to_step: lanes,
                    }
                    .run::<S>();
                    let pixels = g.oh * g.ow;
                    let first = self.y.pointer().add(i * pixels + first * g.ow);
                    let planes = Planes { first, distance: m * pixels, channels };
                    scatter::<S>(self.out.as_ptr(), &Frame::flat(rows * g.ow), planes);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;

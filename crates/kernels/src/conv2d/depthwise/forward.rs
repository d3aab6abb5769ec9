//! The forward pass: a block of channels of an image after the other.

use super::plan::{Plan, band};
use super::taps::{Convolution, Tap};
use crate::activation::Chunk;
use crate::conv2d::geometry::Geometry;
use crate::nchwc::{Frame, Planes, pack, unpack};
use crate::scratch::{self, SendPtr, UninitVec};
use crate::simd::{Kernel, Simd};
use rayon::prelude::*;

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
    let mut y = UninitVec::<f32>::new(g.n * g.c_out * g.oh * g.ow);
    let (shared, frame, weights) = (y.send_ptr(), plan.input(), plan.pack(w));
    let taps = forward_taps(g, frame.width, lanes);
    let band = band(g.oh, g.ow);
    let units = (0..g.n * plan.blocks()).into_par_iter().with_min_len(plan.task(1));
    units.for_each_init(
        || (scratch::buffer(frame.pixels() * lanes), scratch::buffer(band * g.ow * lanes)),
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
    y: SendPtr<f32>,
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
        // last output reads pixel `(oh - 1) stride + (kh - 1) dilation` of a column of the
        // padded image, which is inside, and likewise of a row.
        unsafe {
            let planes = Planes { first: self.x.as_ptr(), distance: g.h * g.w, channels };
            pack::<S>(planes, frame, self.block.as_mut_ptr());
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
                    if let Some(function) = plan.activation {
                        let (out, len) = (self.out.as_mut_ptr(), rows * g.ow * lanes);
                        plan.isa.run(Chunk::new(function, out, None, out, len));
                    }
                    let pixels = g.oh * g.ow;
                    let first = self.y.pointer().add(i * pixels + first * g.ow);
                    let planes = Planes { first, distance: m * pixels, channels };
                    unpack::<S>(self.out.as_ptr(), &Frame::flat(rows * g.ow), planes);
                }
            }
        }
    }
}

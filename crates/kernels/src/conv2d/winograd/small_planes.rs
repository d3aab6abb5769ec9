//! All tiles as one block, whose steps are shared out by channels and by points: small planes, which
//! in the deep layers of a net have many channels.
//!
//! Each number of the points' weight gradients is the whole sum over the tiles, so that nothing is
//! added up afterwards.

use super::backward::{BackwardBlock, partial_len, weight_products};
use super::forward::ForwardBlock;
use super::input::{pixels_len, transform_input};
use super::plan::{POINTS, Plan, point_stride};
use crate::scratch::{self, Scratch, SendPtr};
use crate::simd::{Kernel, Simd};
use rayon::prelude::*;

/// The outputs of all `pairs` of vectors of channels.
pub(super) fn forward<'a>(
    plan: &Plan,
    x: &[f32],
    pairs: usize,
    block: impl Fn() -> ForwardBlock<'a> + Sync,
) {
    let transformed = &transform_all(plan, x);
    (0..pairs).into_par_iter().for_each(|pair| {
        plan.isa.run(ForwardPair { plan, block: block(), pair, transformed });
    });
}

/// The gradients of the points' weights, if wanted, and of the bias; that of the input is written.
pub(super) fn backward<'a>(
    plan: &Plan,
    x: &[f32],
    [want_x, want_w]: [bool; 2],
    block: impl Fn() -> BackwardBlock<'a> + Sync,
) -> (Scratch, Scratch) {
    let (weights, biases) = partial_len(plan, want_w);
    let (mut dw, mut db) = (scratch::buffer(weights), scratch::buffer(biases));
    db.fill(0.);
    let (tiles, (c_blocks, o_blocks)) = (plan.tiles(0), plan.channel_blocks());
    let stride_in = point_stride(c_blocks * tiles, plan.isa.lanes());
    let stride_out = point_stride(o_blocks * tiles, plan.isa.lanes());
    let mut gradients = scratch::buffer(POINTS * stride_out);
    let to = (SendPtr::new(&mut gradients), SendPtr::new(&mut db));
    (0..o_blocks).into_par_iter().for_each(|o| {
        plan.isa.run(GradientChannels { plan, block: block(), o, transformed: to.0, db: to.1 });
    });
    let gradients = &*gradients;
    if want_w {
        let transformed = transform_all(plan, x);
        dw.par_chunks_exact_mut(weights / POINTS).enumerate().for_each(|(point, dw)| {
            let gradients = &gradients[point * stride_out..];
            let transformed = &transformed[point * stride_in..];
            plan.isa.run(WeightPoint { plan, gradients, transformed, dw });
        });
    }
    if want_x {
        (0..c_blocks.div_ceil(2)).into_par_iter().for_each(|pair| {
            plan.isa.run(InputPair { plan, block: block(), pair, gradients });
        });
    }
    (dw, db)
}

/// The points of all of the input.
fn transform_all(plan: &Plan, x: &[f32]) -> Scratch {
    let c_blocks = plan.channel_blocks().0;
    let stride = point_stride(c_blocks * plan.tiles(0), plan.isa.lanes());
    let mut transformed = scratch::buffer(POINTS * stride);
    let to = SendPtr::new(&mut transformed);
    (0..c_blocks).into_par_iter().for_each(|c| {
        plan.isa.run(InputChannels { plan, x, c, transformed: to, stride });
    });
    transformed
}

struct InputChannels<'a> {
    plan: &'a Plan,
    x: &'a [f32],
    c: usize,
    transformed: SendPtr<f32>,
    stride: usize,
}

impl Kernel for InputChannels<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self { plan, x, c, transformed, stride } = self;
        let mut pixels = scratch::buffer(pixels_len::<S>(plan));
        // SAFETY: `transform_all` took room for all channels, and each task has its own.
        unsafe {
            let to = (transformed.pointer(), stride);
            transform_input::<S>(plan, x, 0, c..c + 1, to, &mut pixels);
        }
    }
}

struct ForwardPair<'a> {
    plan: &'a Plan,
    block: ForwardBlock<'a>,
    pair: usize,
    transformed: &'a [f32],
}

impl Kernel for ForwardPair<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let mut pixels = scratch::buffer(pixels_len::<S>(self.plan));
        // SAFETY: the points are those of all channels; each task writes channels of its own.
        unsafe { self.block.pair::<S>(self.pair, self.transformed.as_ptr(), &mut pixels) }
    }
}

struct GradientChannels<'a> {
    plan: &'a Plan,
    block: BackwardBlock<'a>,
    o: usize,
    transformed: SendPtr<f32>,
    db: SendPtr<f32>,
}

impl Kernel for GradientChannels<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self { plan, block, o, transformed, db } = self;
        let mut pixels = scratch::buffer(2 * pixels_len::<S>(plan));
        // SAFETY: `backward` took points and sums for all channels, and each task has its own.
        unsafe {
            let (transformed, db) = (transformed.pointer(), db.pointer());
            block.transform_gradient::<S>(o..o + 1, transformed, db, &mut pixels);
        }
    }
}

struct WeightPoint<'a> {
    plan: &'a Plan,
    gradients: &'a [f32],
    transformed: &'a [f32],
    dw: &'a mut [f32],
}

impl Kernel for WeightPoint<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self { plan, gradients, transformed, dw } = self;
        let tiles = plan.tiles(0);
        let (c_blocks, o_blocks) = plan.channel_blocks();
        assert!(gradients.len() >= o_blocks * tiles * S::LANES);
        assert!(transformed.len() >= c_blocks * tiles * S::LANES);
        // SAFETY: the lengths just asserted.
        unsafe {
            weight_products::<S>(plan, tiles, gradients.as_ptr(), transformed.as_ptr(), dw, false);
        }
    }
}

struct InputPair<'a> {
    plan: &'a Plan,
    block: BackwardBlock<'a>,
    pair: usize,
    gradients: &'a [f32],
}

impl Kernel for InputPair<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let mut pixels = scratch::buffer(pixels_len::<S>(self.plan));
        // SAFETY: the points are those of all channels; each task writes channels of its own.
        unsafe { self.block.pair::<S>(self.pair, self.gradients.as_ptr(), &mut pixels) }
    }
}

//! Direct convolution at stride 1 for few input channels, where transforms would cost more than
//! they save: vectors along the rows of the image, four output channels at a time.

use super::algorithm::{Algorithm, BATCH_PIECES, Epilogue, Output};
use super::geometry::Geometry;
use super::im2col;
use crate::scratch::{self, Scratch, UninitVec};
use crate::simd::{Isa, Kernel, Simd, load_some, store_some};
use rayon::prelude::*;
use std::mem::MaybeUninit;

/// Output channels that share the loads of a piece of a row.
const CHANNELS: usize = 4;

/// A convolution that [`forward`] and [`weight_gradient`] can do, checked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    g: Geometry,
    isa: Isa,
    relu: bool,
}

impl Plan {
    pub(super) fn new(g: Geometry, isa: Isa, relu: bool) -> Self {
        assert!(Self::fits(&g));
        Self { g, isa, relu }
    }

    pub(super) fn fits(g: &Geometry) -> bool {
        let unit = (1, 1);
        (g.stride, g.dilation, g.groups) == (unit, unit, 1) && g.c_in <= 4 && g.kw <= 3
    }

    /// Length of a row of the padded input: whole vectors can be read at every output position.
    fn row(&self) -> usize {
        self.g.padded().1 + self.isa.lanes() * 2
    }

    fn rows(&self) -> usize {
        self.g.padded().0
    }

    /// Length of an output row filled up to whole vectors.
    fn row_out(&self) -> usize {
        self.g.ow.next_multiple_of(self.isa.lanes())
    }

    /// One image with zeros around it.
    fn pad(&self, image: &[f32], padded: &mut [f32]) {
        let g = &self.g;
        padded.fill(0.);
        for (c, plane) in image.chunks(g.h * g.w).enumerate() {
            for (y, row) in plane.chunks(g.w).enumerate() {
                let start = (c * self.rows() + y + g.padding.0) * self.row() + g.padding.1;
                padded[start..][..g.w].copy_from_slice(row);
            }
        }
    }

    fn padded_len(&self) -> usize {
        self.g.c_in * self.rows() * self.row()
    }
}

impl Algorithm for Plan {
    fn epilogue(&self) -> Epilogue {
        Epilogue { activation: self.relu, pool: false }
    }

    fn forward(&self, x: &[f32], w: &[f32], bias: Option<&[f32]>) -> (Vec<f32>, Vec<u8>) {
        (forward(self, x, w, bias), Vec::new())
    }

    fn backward(
        &self,
        x: &[f32],
        w: &[f32],
        output: Output,
        [want_x, want_w, want_bias]: [bool; 3],
    ) -> [Option<Vec<f32>>; 3] {
        // Nobody wants the gradient of images; of other inputs it takes a product.
        let [dx, _, _] = match want_x {
            true => {
                let columns = im2col::Plan::new(self.g, self.isa, None);
                columns.backward(x, w, output, [true, false, false])
            }
            false => [const { None }; 3],
        };
        let weights = want_w || want_bias;
        let (dw, db) = weights.then(|| weight_gradient(self, x, output, want_w)).unzip();
        [dx, dw.filter(|_| want_w), db.filter(|_| want_bias)]
    }
}

fn forward(plan: &Plan, x: &[f32], w: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
    let g = &plan.g;
    assert_eq!(x.len(), g.n * g.c_in * g.h * g.w);
    assert_eq!(w.len(), g.c_out * g.c_in * g.kh * g.kw);
    assert!(bias.is_none_or(|bias| bias.len() == g.c_out));
    let mut y = UninitVec::<f32>::new(g.n * g.c_out * g.oh * g.ow);
    let images = y.pieces(g.c_out * g.oh * g.ow).zip(x.par_chunks(g.c_in * g.h * g.w));
    images.for_each(|(y, x)| {
        let mut padded = scratch::buffer(plan.padded_len());
        plan.pad(x, &mut padded);
        plan.isa.run(Forward { plan, x: &padded, w, bias, y });
    });
    // SAFETY: every channel, row and column of an image's output is written.
    unsafe { y.finish() }
}

struct Forward<'a> {
    plan: &'a Plan,
    x: &'a [f32],
    w: &'a [f32],
    bias: Option<&'a [f32]>,
    /// One image's output, to be written.
    y: &'a mut [MaybeUninit<f32>],
}

impl Kernel for Forward<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(mut self) {
        let g = &self.plan.g;
        assert_eq!(self.x.len(), self.plan.padded_len());
        assert_eq!(self.w.len(), g.c_out * g.c_in * g.kh * g.kw);
        assert_eq!(self.y.len(), g.c_out * g.oh * g.ow);
        let c_out = g.c_out;
        for first in (0..c_out).step_by(CHANNELS) {
            // SAFETY: the lengths just asserted.
            unsafe {
                match c_out - first {
                    1 => self.width::<S, 1>(first),
                    2 => self.width::<S, 2>(first),
                    3 => self.width::<S, 3>(first),
                    _ => self.width::<S, CHANNELS>(first),
                }
            }
        }
    }
}

impl Forward<'_> {
    #[inline(always)]
    unsafe fn width<S: Simd, const N: usize>(&mut self, first: usize) {
        // SAFETY: the caller's promise.
        unsafe {
            match self.plan.g.kw {
                1 => self.channels::<S, N, 1>(first),
                2 => self.channels::<S, N, 2>(first),
                _ => self.channels::<S, N, 3>(first),
            }
        }
    }

    /// Output channels `first..first + N` for filters of width `K`.
    ///
    /// # Safety
    ///
    /// The slices have the plan's lengths. The last vector of a row reads up to
    /// `ow + LANES + kw - 2 < row()` numbers of a row of the padded input.
    #[inline(always)]
    unsafe fn channels<S: Simd, const N: usize, const K: usize>(&mut self, first: usize) {
        let (plan, g) = (self.plan, &self.plan.g);
        assert_eq!(K, g.kw);
        let taps = g.c_in * g.kh * K;
        // SAFETY: row `i + p` of the padded input with `i < oh` and `p < kh` is one of its `rows()`, since
        // `oh + kh - 1 <= rows()`; within it the last number read is at `ow - 1 + LANES - 1 + K - 1 < row()`.
        // Of the filters and the output, channels and pixels that there are.
        unsafe {
            let w = self.w.as_ptr().add(first * taps);
            let y = self.y.as_mut_ptr().cast::<f32>();
            for i in 0..g.oh {
                for j in (0..g.ow).step_by(S::LANES) {
                    let mut sums = [S::splat(0.); N];
                    if let Some(bias) = self.bias {
                        for (o, sum) in sums.iter_mut().enumerate() {
                            *sum = S::splat(bias[first + o]);
                        }
                    }
                    let mut tap = 0;
                    for c in 0..g.c_in {
                        for p in 0..g.kh {
                            let row = (c * plan.rows() + i + p) * plan.row() + j;
                            for q in 0..K {
                                let x = S::load(self.x.as_ptr().add(row + q));
                                for (o, sum) in sums.iter_mut().enumerate() {
                                    *sum = S::fma(S::splat(*w.add(o * taps + tap)), x, *sum);
                                }
                                tap += 1;
                            }
                        }
                    }
                    for (o, sum) in sums.into_iter().enumerate() {
                        let sum = if plan.relu { S::relu(sum) } else { sum };
                        let to = y.add(((first + o) * g.oh + i) * g.ow + j);
                        store_some::<S>(to, sum, g.ow - j);
                    }
                }
            }
        }
    }
}

/// The gradients of weight and bias; that of the weight is zeros where it is not wanted.
fn weight_gradient(
    plan: &Plan,
    x: &[f32],
    Output { y, grad, .. }: Output,
    want_w: bool,
) -> (Vec<f32>, Vec<f32>) {
    let g = &plan.g;
    let output = g.c_out * g.oh * g.ow;
    assert_eq!(x.len(), g.n * g.c_in * g.h * g.w);
    let plan = &Plan { relu: y.is_some(), ..*plan };
    let y = y.unwrap_or(grad);
    assert_eq!((y.len(), grad.len()), (g.n * output, g.n * output));
    let lanes = plan.isa.lanes();
    let filter = g.c_in * g.kh * g.kw + 1;
    let images = g.n.div_ceil(BATCH_PIECES).max(1);
    let pieces = x.par_chunks(images * g.c_in * g.h * g.w);
    let outputs = y.par_chunks(images * output).zip(grad.par_chunks(images * output));
    let partials: Vec<Scratch> = pieces
        .zip(outputs)
        .map(|(x, (y, grad))| {
            let mut sums = scratch::buffer(g.c_out * filter * lanes);
            sums.fill(0.);
            let mut padded = scratch::buffer(plan.padded_len());
            let mut masked = scratch::buffer(CHANNELS * g.oh * plan.row_out());
            let outputs = y.chunks(output).zip(grad.chunks(output));
            for (x, (y, grad)) in x.chunks(g.c_in * g.h * g.w).zip(outputs) {
                plan.pad(x, &mut padded);
                let (x, masked, sums) = (&*padded, &mut *masked, &mut *sums);
                plan.isa.run(Backward { plan, x, y, grad, want_w, masked, sums });
            }
            sums
        })
        .collect();
    // Lanes and pieces in order.
    let mut total = vec![0f32; g.c_out * filter];
    for partial in &partials {
        for (total, lanes) in total.iter_mut().zip(partial.chunks(lanes)) {
            *total += lanes.iter().sum::<f32>();
        }
    }
    let dw = total.chunks(filter).flat_map(|filter| &filter[1..]).copied().collect();
    let db = total.chunks(filter).map(|filter| filter[0]).collect();
    (dw, db)
}

struct Backward<'a> {
    plan: &'a Plan,
    x: &'a [f32],
    y: &'a [f32],
    grad: &'a [f32],
    /// Whether the sums of the taps are taken too.
    want_w: bool,
    /// Four channels of the gradient where the ReLU is not flat, rows filled up with zeros.
    masked: &'a mut [f32],
    /// For each output channel one vector of sums for the bias, then one a tap.
    sums: &'a mut [f32],
}

impl Kernel for Backward<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(mut self) {
        let (plan, g) = (self.plan, &self.plan.g);
        let output = g.c_out * g.oh * g.ow;
        assert_eq!(self.x.len(), plan.padded_len());
        assert_eq!((self.y.len(), self.grad.len()), (output, output));
        assert_eq!(self.masked.len(), CHANNELS * g.oh * plan.row_out());
        let c_out = g.c_out;
        for first in (0..c_out).step_by(CHANNELS) {
            // SAFETY: the lengths just asserted.
            unsafe {
                match c_out - first {
                    1 => self.channels::<S, 1>(first),
                    2 => self.channels::<S, 2>(first),
                    3 => self.channels::<S, 3>(first),
                    _ => self.channels::<S, CHANNELS>(first),
                }
            }
        }
    }
}

impl Backward<'_> {
    #[inline(always)]
    unsafe fn channels<S: Simd, const N: usize>(&mut self, first: usize) {
        // SAFETY: the caller's promise.
        unsafe {
            self.mask::<S, N>(first);
            if !self.want_w {
                return;
            }
            match self.plan.g.kw {
                1 => self.taps::<S, N, 1>(first),
                2 => self.taps::<S, N, 2>(first),
                _ => self.taps::<S, N, 3>(first),
            }
        }
    }

    /// # Safety
    ///
    /// `y` and `grad` hold the plan's output, `masked` four channels of filled-up rows.
    #[inline(always)]
    unsafe fn mask<S: Simd, const N: usize>(&mut self, first: usize) {
        let (plan, g) = (self.plan, &self.plan.g);
        let filter = g.c_in * g.kh * g.kw + 1;
        // SAFETY: rows of the output, read to their end; each is written in whole vectors to `row_out()` numbers.
        unsafe {
            for o in 0..N {
                let mut sum = S::splat(0.);
                for i in 0..g.oh {
                    let from = ((first + o) * g.oh + i) * g.ow;
                    let to = (o * g.oh + i) * plan.row_out();
                    for j in (0..g.ow).step_by(S::LANES) {
                        let y = load_some::<S>(self.y.as_ptr().add(from + j), g.ow - j);
                        let grad = load_some::<S>(self.grad.as_ptr().add(from + j), g.ow - j);
                        let grad = if plan.relu { S::where_positive(y, grad) } else { grad };
                        sum = S::add(sum, grad);
                        S::store(self.masked.as_mut_ptr().add(to + j), grad);
                    }
                }
                let bias = self.sums[(first + o) * filter * S::LANES..][..S::LANES].as_mut_ptr();
                S::store(bias, S::add(S::load(bias), sum));
            }
        }
    }

    /// One row of taps at a time: `N` channels by `K` taps of sums.
    ///
    /// # Safety
    ///
    /// As [`Forward::channels`].
    #[inline(always)]
    unsafe fn taps<S: Simd, const N: usize, const K: usize>(&mut self, first: usize) {
        let (plan, g) = (self.plan, &self.plan.g);
        let filter = g.c_in * g.kh * K + 1;
        assert_eq!(K, g.kw);
        // SAFETY: the padded input as in `Forward::channels`, and whole vectors of the masked rows.
        unsafe {
            for c in 0..g.c_in {
                for p in 0..g.kh {
                    let mut sums = [[S::splat(0.); K]; N];
                    for i in 0..g.oh {
                        let x = self.x.as_ptr().add((c * plan.rows() + i + p) * plan.row());
                        for j in (0..g.ow).step_by(S::LANES) {
                            let mut pixels = [S::splat(0.); K];
                            for (q, pixels) in pixels.iter_mut().enumerate() {
                                *pixels = S::load(x.add(j + q));
                            }
                            for (o, sums) in sums.iter_mut().enumerate() {
                                let at = (o * g.oh + i) * plan.row_out() + j;
                                let grad = S::load(self.masked.as_ptr().add(at));
                                for (sum, &pixels) in sums.iter_mut().zip(&pixels) {
                                    *sum = S::fma(grad, pixels, *sum);
                                }
                            }
                        }
                    }
                    for (o, sums) in sums.into_iter().enumerate() {
                        for (q, sum) in sums.into_iter().enumerate() {
                            let tap = (first + o) * filter + 1 + (c * g.kh + p) * K + q;
                            let to = self.sums[tap * S::LANES..][..S::LANES].as_mut_ptr();
                            S::store(to, S::add(S::load(to), sum));
                        }
                    }
                }
            }
        }
    }
}

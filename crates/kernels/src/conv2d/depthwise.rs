//! Depthwise convolution: one plane of the image, one filter, one plane of the output. Vectors
//! lie along the rows; four rows of the output share the pixels that they load.

use super::Geometry;
use crate::scratch::{Output, Scratch, take};
use crate::simd::{Isa, Kernel, Simd};
use rayon::prelude::*;

/// Rows of the output that are summed at once.
const ROWS: usize = 4;

/// A depthwise convolution, with one or more output channels for each of the input.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    g: Geometry,
    isa: Isa,
    relu: bool,
}

/// A plane padded with zeros: each row sorted by the column's remainder modulo the stride, so that
/// neighboring outputs read neighboring pixels.
#[derive(Clone, Copy)]
struct Padded {
    rows: usize,
    phases: usize,
    row: usize,
}

impl Padded {
    fn len(&self) -> usize {
        self.rows * self.phases * self.row
    }

    /// Where tap `q` of row `y` starts.
    #[inline(always)]
    fn tap(&self, y: usize, x: usize) -> usize {
        (y * self.phases + x % self.phases) * self.row + x / self.phases
    }
}

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

    fn padded(&self) -> Padded {
        let (g, lanes) = (&self.g, self.isa.lanes());
        // Whole vectors are read at every output position, and rows beyond the last group of
        // rows of the output.
        let width = (self.row_out() - 1) * g.stride.1 + (g.kw - 1) * g.dilation.1 + 1;
        let width = width.max(g.w + 2 * g.padding.1);
        let rows = (g.oh.next_multiple_of(ROWS) - 1) * g.stride.0 + (g.kh - 1) * g.dilation.0 + 1;
        let rows = rows.max(g.h + 2 * g.padding.0);
        Padded { rows, phases: g.stride.1, row: width.div_ceil(g.stride.1) + lanes }
    }

    /// Length of a row of the output filled up to whole vectors.
    fn row_out(&self) -> usize {
        self.g.ow.next_multiple_of(self.isa.lanes())
    }

    fn taps(&self) -> usize {
        self.g.kh * self.g.kw
    }

    fn pad(&self, plane: &[f32], padded: &mut [f32]) {
        let (g, layout) = (&self.g, self.padded());
        padded.fill(0.);
        for (y, row) in plane.chunks_exact(g.w).enumerate() {
            if layout.phases == 1 {
                let start = layout.tap(y + g.padding.0, g.padding.1);
                padded[start..][..g.w].copy_from_slice(row);
                continue;
            }
            for (x, &v) in row.iter().enumerate() {
                padded[layout.tap(y + g.padding.0, x + g.padding.1)] = v;
            }
        }
    }

    fn unpad(&self, padded: &[f32], plane: &mut [f32]) {
        let (g, layout) = (&self.g, self.padded());
        for (y, row) in plane.chunks_exact_mut(g.w).enumerate() {
            if layout.phases == 1 {
                let start = layout.tap(y + g.padding.0, g.padding.1);
                row.copy_from_slice(&padded[start..][..g.w]);
                continue;
            }
            for (x, v) in row.iter_mut().enumerate() {
                *v = padded[layout.tap(y + g.padding.0, x + g.padding.1)];
            }
        }
    }
}

pub(super) fn forward(plan: &Plan, x: &[f32], w: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
    let g = &plan.g;
    assert_eq!((x.len(), w.len()), (g.n * g.c_in * g.h * g.w, g.c_out * plan.taps()));
    assert!(bias.is_none_or(|bias| bias.len() == g.c_out));
    let mut y = Output::<f32>::new(g.n * g.c_out * g.oh * g.ow);
    let outputs = y.pieces(plan.multiplier() * g.oh * g.ow);
    outputs.zip(x.par_chunks(g.h * g.w)).enumerate().for_each(|(plane, (y, x))| {
        let mut padded = take(plan.padded().len());
        plan.pad(x, &mut padded);
        for (i, y) in y.chunks_exact_mut(g.oh * g.ow).enumerate() {
            let o = plane % g.c_in * plan.multiplier() + i;
            let w = &w[o * plan.taps()..][..plan.taps()];
            let bias = bias.map_or(0., |bias| bias[o]);
            let y = y.as_mut_ptr().cast();
            plan.isa.run(Forward { plan, padded: &padded, w, bias, y });
        }
    });
    // SAFETY: every row and column of every plane is written.
    unsafe { y.finish() }
}

struct Forward<'a> {
    plan: &'a Plan,
    padded: &'a [f32],
    w: &'a [f32],
    bias: f32,
    /// One plane of the output, to be written.
    y: *mut f32,
}

impl Kernel for Forward<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let (plan, g, layout) = (self.plan, &self.plan.g, self.plan.padded());
        assert!(self.padded.len() >= layout.len() && self.w.len() == plan.taps());
        for first in (0..g.oh).step_by(ROWS) {
            for j in (0..g.ow).step_by(S::LANES) {
                // SAFETY: `Plan::padded` leaves room for whole vectors at every position of the
                // filled-up output.
                unsafe {
                    let mut sums = [S::splat(self.bias); ROWS];
                    for p in 0..g.kh {
                        for q in 0..g.kw {
                            let w = S::splat(*self.w.as_ptr().add(p * g.kw + q));
                            for (i, sum) in sums.iter_mut().enumerate() {
                                let y = (first + i) * g.stride.0 + p * g.dilation.0;
                                let from = layout.tap(y, q * g.dilation.1) + j;
                                *sum = S::fma(w, S::load(self.padded.as_ptr().add(from)), *sum);
                            }
                        }
                    }
                    for (i, sum) in sums.into_iter().enumerate().take(g.oh - first) {
                        let sum = if plan.relu { S::relu(sum) } else { sum };
                        let to = self.y.add((first + i) * g.ow + j);
                        match g.ow - j {
                            rest if rest < S::LANES => S::store_first(to, sum, rest),
                            _ => S::store(to, sum),
                        }
                    }
                }
            }
        }
    }
}

/// The gradients that are wanted, of `x` and weight; `grad` is that of the convolution's own
/// output, before any ReLU.
pub(super) fn backward(
    plan: &Plan,
    x: &[f32],
    w: &[f32],
    grad: &[f32],
    [want_x, want_w]: [bool; 2],
) -> [Option<Vec<f32>>; 2] {
    let g = &plan.g;
    let output = plan.multiplier() * g.oh * g.ow;
    assert_eq!((x.len(), w.len()), (g.n * g.c_in * g.h * g.w, g.c_out * plan.taps()));
    assert_eq!(grad.len(), g.n * g.c_in * output);
    let mut dx = vec![0f32; if want_x { x.len() } else { 0 }];
    // The weight gradient of each image apart, to be added in order.
    let filters = plan.multiplier() * plan.taps();
    let mut partials = take(if want_w { g.n * g.c_in * filters } else { 0 });
    let plane = |i: usize, dx: Option<&mut [f32]>, dw: Option<&mut [f32]>| {
        let layout = plan.padded();
        let x = &x[i * g.h * g.w..][..g.h * g.w];
        let grad = &grad[i * output..][..output];
        let w = &w[i % g.c_in * filters..][..filters];
        let mut padded = take(layout.len());
        if let Some(dw) = dw {
            plan.pad(x, &mut padded);
            plan.isa.run(WeightGradient { plan, padded: &padded, grad, dw });
        }
        if let Some(dx) = dx {
            padded.fill(0.);
            plan.isa.run(InputGradient { plan, padded: &mut padded, grad, w });
            plan.unpad(&padded, dx);
        }
    };
    let h_w = g.h * g.w;
    match (want_x, want_w) {
        (true, true) => {
            let both = dx.par_chunks_mut(h_w).zip(partials.par_chunks_mut(filters));
            both.enumerate().for_each(|(i, (dx, dw))| plane(i, Some(dx), Some(dw)));
        }
        (true, false) => {
            dx.par_chunks_mut(h_w).enumerate().for_each(|(i, dx)| plane(i, Some(dx), None));
        }
        (false, true) => partials
            .par_chunks_mut(filters)
            .enumerate()
            .for_each(|(i, dw)| plane(i, None, Some(dw))),
        (false, false) => {}
    }
    [want_x.then_some(dx), want_w.then(|| add_images(&partials, g.c_in * filters))]
}

fn add_images(partials: &Scratch, len: usize) -> Vec<f32> {
    let mut total = vec![0f32; len];
    for partial in partials.chunks_exact(len) {
        for (total, &v) in total.iter_mut().zip(partial) {
            *total += v;
        }
    }
    total
}

struct WeightGradient<'a> {
    plan: &'a Plan,
    padded: &'a [f32],
    /// The planes of one input channel.
    grad: &'a [f32],
    dw: &'a mut [f32],
}

impl Kernel for WeightGradient<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let (plan, g, layout) = (self.plan, &self.plan.g, self.plan.padded());
        assert!(self.padded.len() >= layout.len());
        let planes = self.grad.chunks_exact(g.oh * g.ow).zip(self.dw.chunks_exact_mut(plan.taps()));
        for (grad, dw) in planes {
            for p in 0..g.kh {
                // Up to eight taps of a row of the filter at once.
                for first in (0..g.kw).step_by(8) {
                    let count = (g.kw - first).min(8);
                    // SAFETY: as in `Forward`; beyond a row's end the gradient counts as zero.
                    unsafe {
                        let mut sums = [S::splat(0.); 8];
                        for i in 0..g.oh {
                            let y = i * g.stride.0 + p * g.dilation.0;
                            for j in (0..g.ow).step_by(S::LANES) {
                                let from = grad.as_ptr().add(i * g.ow + j);
                                let grad = match g.ow - j {
                                    rest if rest < S::LANES => S::load_first(from, rest),
                                    _ => S::load(from),
                                };
                                for (q, sum) in sums.iter_mut().enumerate().take(count) {
                                    let from = layout.tap(y, (first + q) * g.dilation.1) + j;
                                    let x = S::load(self.padded.as_ptr().add(from));
                                    *sum = S::fma(grad, x, *sum);
                                }
                            }
                        }
                        for (q, sum) in sums.into_iter().enumerate().take(count) {
                            let mut lanes = [0f32; 16];
                            S::store(lanes.as_mut_ptr(), sum);
                            dw[p * g.kw + first + q] = lanes[..S::LANES].iter().sum();
                        }
                    }
                }
            }
        }
    }
}

struct InputGradient<'a> {
    plan: &'a Plan,
    padded: &'a mut [f32],
    /// The planes and filters of one input channel.
    grad: &'a [f32],
    w: &'a [f32],
}

impl Kernel for InputGradient<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let (plan, g, layout) = (self.plan, &self.plan.g, self.plan.padded());
        assert!(self.padded.len() >= layout.len());
        let planes = self.grad.chunks_exact(g.oh * g.ow).zip(self.w.chunks_exact(plan.taps()));
        for (grad, w) in planes {
            for i in 0..g.oh {
                for p in 0..g.kh {
                    let y = i * g.stride.0 + p * g.dilation.0;
                    for j in (0..g.ow).step_by(S::LANES) {
                        // SAFETY: as in `Forward`; beyond a row's end zeros are added.
                        unsafe {
                            let from = grad.as_ptr().add(i * g.ow + j);
                            let grad = match g.ow - j {
                                rest if rest < S::LANES => S::load_first(from, rest),
                                _ => S::load(from),
                            };
                            for q in 0..g.kw {
                                let w = S::splat(*w.as_ptr().add(p * g.kw + q));
                                let at = layout.tap(y, q * g.dilation.1) + j;
                                let to = self.padded.as_mut_ptr().add(at);
                                S::store(to, S::fma(w, grad, S::load(to)));
                            }
                        }
                    }
                }
            }
        }
    }
}

//! Depthwise convolution: one plane of the image, one filter, one plane of the output. Vectors
//! lie along the rows; four rows of the output share the taps that they load.

use super::Geometry;
use crate::phases::Phases;
use crate::scratch::{Output, Scratch, take};
use crate::simd::{Isa, Kernel, Simd, sum_lanes};
use rayon::prelude::*;

/// Rows of the output that are summed at once.
const ROWS: usize = 4;
/// Widest filter.
const WIDEST: usize = 16;

/// A depthwise convolution, with one or more output channels for each of the input.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    g: Geometry,
    isa: Isa,
    relu: bool,
}

/// A padded plane and where the taps of a row of the filter lie in it. Whole vectors can be read
/// at every position of the output filled up to whole vectors and groups of rows.
#[derive(Clone, Copy)]
struct Layout {
    phases: Phases,
    taps: [usize; WIDEST],
    /// Distance of two rows of the output, and of two rows of taps.
    output_row: usize,
    tap_row: usize,
}

impl Plan {
    pub(super) fn new(g: Geometry, isa: Isa, relu: bool) -> Self {
        assert!(Self::fits(&g));
        Self { g, isa, relu }
    }

    pub(super) fn fits(g: &Geometry) -> bool {
        g.groups == g.c_in && g.groups > 1 && g.kw <= WIDEST
    }

    /// Output channels of an input channel.
    fn multiplier(&self) -> usize {
        self.g.c_out / self.g.c_in
    }

    fn taps(&self) -> usize {
        self.g.kh * self.g.kw
    }

    fn layout(&self) -> Layout {
        let (g, lanes) = (&self.g, self.isa.lanes());
        let reach = |out: usize, stride: usize, k: usize, dilation: usize| {
            (out - 1) * stride + (k - 1) * dilation + 1
        };
        let width = reach(g.ow.next_multiple_of(lanes), g.stride.1, g.kw, g.dilation.1);
        let rows = reach(g.oh.next_multiple_of(ROWS), g.stride.0, g.kh, g.dilation.0);
        let phases = Phases {
            rows: rows.max(g.h + 2 * g.padding.0),
            phases: g.stride.1,
            row: width.max(g.w + 2 * g.padding.1).div_ceil(g.stride.1) + 1,
            padding: g.padding,
        };
        let mut taps = [0; WIDEST];
        for (q, tap) in taps.iter_mut().enumerate().take(g.kw) {
            *tap = phases.column(q * g.dilation.1);
        }
        let row = phases.row_stride();
        Layout { phases, taps, output_row: g.stride.0 * row, tap_row: g.dilation.0 * row }
    }

    /// The convolution that takes the output's gradient to the input's, with the filters turned
    /// around; for stride 1, and no more padding than the filter reaches.
    fn turned(&self) -> Option<Self> {
        let g = &self.g;
        let padding = (
            ((g.kh - 1) * g.dilation.0).checked_sub(g.padding.0)?,
            ((g.kw - 1) * g.dilation.1).checked_sub(g.padding.1)?,
        );
        let turned = Geometry { h: g.oh, w: g.ow, oh: g.h, ow: g.w, padding, ..*g };
        (g.stride == (1, 1) && self.multiplier() == 1).then_some(Self {
            g: turned,
            relu: false,
            ..*self
        })
    }
}

pub(super) fn forward(plan: &Plan, x: &[f32], w: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
    let g = &plan.g;
    assert_eq!((x.len(), w.len()), (g.n * g.c_in * g.h * g.w, g.c_out * plan.taps()));
    assert!(bias.is_none_or(|bias| bias.len() == g.c_out));
    let layout = plan.layout();
    let mut y = Output::<f32>::new(g.n * g.c_out * g.oh * g.ow);
    let planes = y.pieces(plan.multiplier() * g.oh * g.ow).zip(x.par_chunks(g.h * g.w));
    planes.enumerate().for_each(|(plane, (y, x))| {
        let mut padded = take(layout.phases.len());
        padded.fill(0.);
        layout.phases.fill(plan.isa, x, g.w, &mut padded);
        for (i, y) in y.chunks_exact_mut(g.oh * g.ow).enumerate() {
            let o = plane % g.c_in * plan.multiplier() + i;
            let w = &w[o * plan.taps()..][..plan.taps()];
            let bias = bias.map_or(0., |bias| bias[o]);
            let y = y.as_mut_ptr().cast();
            plan.isa.run(Forward { plan, layout: &layout, padded: &padded, w, bias, y });
        }
    });
    // SAFETY: every row and column of every plane is written.
    unsafe { y.finish() }
}

struct Forward<'a> {
    plan: &'a Plan,
    layout: &'a Layout,
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
        let (plan, g, layout) = (self.plan, &self.plan.g, self.layout);
        assert!(self.padded.len() >= layout.phases.len() && self.w.len() == plan.taps());
        for first in (0..g.oh).step_by(ROWS) {
            for j in (0..g.ow).step_by(S::LANES) {
                // SAFETY: `Plan::layout` leaves room for whole vectors at every position of the
                // filled-up output.
                unsafe {
                    let mut sums = [S::splat(self.bias); ROWS];
                    let mut w = self.w.as_ptr();
                    for p in 0..g.kh {
                        let row = first * layout.output_row + p * layout.tap_row + j;
                        let row = self.padded.as_ptr().add(row);
                        for &tap in &layout.taps[..g.kw] {
                            let from = row.add(tap);
                            let tap = S::splat(*w);
                            for (i, sum) in sums.iter_mut().enumerate() {
                                let x = S::load(from.add(i * layout.output_row));
                                *sum = S::fma(tap, x, *sum);
                            }
                            w = w.add(1);
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
    let filters = plan.multiplier() * plan.taps();
    assert_eq!((x.len(), w.len()), (g.n * g.c_in * g.h * g.w, g.c_in * filters));
    assert_eq!(grad.len(), g.n * g.c_out * g.oh * g.ow);
    let dx = want_x.then(|| match plan.turned() {
        Some(turned) => {
            let filters = w.chunks_exact(plan.taps());
            let w: Vec<f32> = filters.flat_map(|filter| filter.iter().rev()).copied().collect();
            forward(&turned, grad, &w, None)
        }
        None => input_gradient(plan, w, grad),
    });
    [dx, want_w.then(|| weight_gradient(plan, x, grad))]
}

fn weight_gradient(plan: &Plan, x: &[f32], grad: &[f32]) -> Vec<f32> {
    let g = &plan.g;
    let layout = plan.layout();
    let (filters, output) = (plan.multiplier() * plan.taps(), plan.multiplier() * g.oh * g.ow);
    // Each image apart, to be added in order.
    let mut partials = take(g.n * g.c_in * filters);
    let row_out = g.ow.next_multiple_of(plan.isa.lanes());
    partials.par_chunks_mut(filters).enumerate().for_each(|(i, dw)| {
        let mut padded = take(layout.phases.len());
        padded.fill(0.);
        layout.phases.fill(plan.isa, &x[i * g.h * g.w..][..g.h * g.w], g.w, &mut padded);
        let mut rows = take(g.oh * row_out);
        let grads = grad[i * output..][..output].chunks_exact(g.oh * g.ow);
        for (grad, dw) in grads.zip(dw.chunks_exact_mut(plan.taps())) {
            for (to, from) in rows.chunks_exact_mut(row_out).zip(grad.chunks_exact(g.ow)) {
                to[..g.ow].copy_from_slice(from);
                to[g.ow..].fill(0.);
            }
            let (layout, grad) = (&layout, &rows[..]);
            plan.isa.run(WeightGradient { plan, layout, padded: &padded, grad, row_out, dw });
        }
    });
    add_images(&partials, g.c_in * filters)
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
    layout: &'a Layout,
    padded: &'a [f32],
    /// The plane's gradient, its rows filled up with zeros to `row_out`.
    grad: &'a [f32],
    row_out: usize,
    dw: &'a mut [f32],
}

impl Kernel for WeightGradient<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(mut self) {
        let g = self.plan.g;
        assert!(self.padded.len() >= self.layout.phases.len());
        assert!(self.row_out >= g.ow && self.grad.len() == g.oh * self.row_out);
        for p in 0..g.kh {
            // Up to four taps of a row of the filter at once.
            for first in (0..g.kw).step_by(4) {
                // SAFETY: as in `Forward`.
                unsafe {
                    match g.kw - first {
                        1 => self.taps::<S, 1>(p, first),
                        2 => self.taps::<S, 2>(p, first),
                        3 => self.taps::<S, 3>(p, first),
                        _ => self.taps::<S, 4>(p, first),
                    }
                }
            }
        }
    }
}

impl WeightGradient<'_> {
    #[inline(always)]
    unsafe fn taps<S: Simd, const N: usize>(&mut self, p: usize, first: usize) {
        let (g, layout) = (&self.plan.g, self.layout);
        // SAFETY: as in `Forward`; beyond a row's end the gradient is zero. Two sums a tap hide
        // the latency of the additions.
        unsafe {
            let mut sums = [[S::splat(0.); N]; 2];
            for i in 0..g.oh {
                let row = i * layout.output_row + p * layout.tap_row;
                let row = self.padded.as_ptr().add(row);
                let grad = self.grad.as_ptr().add(i * self.row_out);
                for j in (0..self.row_out).step_by(S::LANES) {
                    let grad = S::load(grad.add(j));
                    let sums = &mut sums[j / S::LANES % 2];
                    for (q, sum) in sums.iter_mut().enumerate() {
                        let x = S::load(row.add(layout.taps[first + q] + j));
                        *sum = S::fma(grad, x, *sum);
                    }
                }
            }
            let dw = &mut self.dw[p * g.kw + first..][..N];
            for ((dw, even), odd) in dw.iter_mut().zip(sums[0]).zip(sums[1]) {
                *dw = sum_lanes::<S>(S::add(even, odd));
            }
        }
    }
}

/// The input's gradient at any stride: each output's gradient is added to the pixels it saw.
fn input_gradient(plan: &Plan, w: &[f32], grad: &[f32]) -> Vec<f32> {
    let g = &plan.g;
    let layout = plan.layout();
    let (filters, output) = (plan.multiplier() * plan.taps(), plan.multiplier() * g.oh * g.ow);
    let mut dx = vec![0f32; g.n * g.c_in * g.h * g.w];
    dx.par_chunks_mut(g.h * g.w).enumerate().for_each(|(i, dx)| {
        let mut padded = take(layout.phases.len());
        padded.fill(0.);
        let grad = &grad[i * output..][..output];
        let w = &w[i % g.c_in * filters..][..filters];
        plan.isa.run(InputGradient { plan, layout: &layout, padded: &mut padded, grad, w });
        layout.phases.unfill(plan.isa, &padded, g.w, dx);
    });
    dx
}

struct InputGradient<'a> {
    plan: &'a Plan,
    layout: &'a Layout,
    padded: &'a mut [f32],
    /// The planes and filters of one input channel.
    grad: &'a [f32],
    w: &'a [f32],
}

impl Kernel for InputGradient<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let (plan, g, layout) = (self.plan, &self.plan.g, self.layout);
        assert!(self.padded.len() >= layout.phases.len());
        let planes = self.grad.chunks_exact(g.oh * g.ow).zip(self.w.chunks_exact(plan.taps()));
        for (grad, w) in planes {
            for i in 0..g.oh {
                for j in (0..g.ow).step_by(S::LANES) {
                    // SAFETY: as in `Forward`; beyond a row's end zeros are added.
                    unsafe {
                        let from = grad.as_ptr().add(i * g.ow + j);
                        let grad = match g.ow - j {
                            rest if rest < S::LANES => S::load_first(from, rest),
                            _ => S::load(from),
                        };
                        let mut w = w.as_ptr();
                        for p in 0..g.kh {
                            let row = i * layout.output_row + p * layout.tap_row + j;
                            let row = self.padded.as_mut_ptr().add(row);
                            for &tap in &layout.taps[..g.kw] {
                                let to = row.add(tap);
                                S::store(to, S::fma(S::splat(*w), grad, S::load(to)));
                                w = w.add(1);
                            }
                        }
                    }
                }
            }
        }
    }
}

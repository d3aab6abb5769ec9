//! Pooling of `f32` in vectors, a plane (an image's channel) at a time. A plane lies padded, its
//! rows sorted by the column's remainder modulo the stride: windows side by side then see pixels
//! side by side.

use super::geometry::Geometry;
use crate::phases::Phases;
use crate::scratch::{self, UninitVec};
use crate::simd::{Isa, Kernel, Simd, load_some, store_some, sum_lanes};
use rayon::prelude::*;
use std::mem::MaybeUninit;

/// Pixels of the images that one task takes at least.
pub(super) const PIXELS_PER_TASK: usize = 1 << 15;

/// Whether the place of a maximum in its window fits a byte.
pub(super) fn fits(g: &Geometry) -> bool {
    let (kh, kw) = g.config.kernel;
    kh.checked_mul(kw).is_some_and(|taps| taps <= 256)
}

/// Length of a row of argmax: each window's place in a byte, filled up to whole vectors.
fn argmax_row(g: &Geometry, isa: Isa) -> usize {
    g.ow.next_multiple_of(isa.lanes())
}

fn tasks(g: &Geometry) -> usize {
    PIXELS_PER_TASK.div_ceil(g.h * g.w)
}

/// The maxima, and for each output the tap of its window that has it.
pub(super) fn max_forward(isa: Isa, g: &Geometry, x: &[f32]) -> (Vec<f32>, Vec<u8>) {
    let mut argmax = UninitVec::<u8>::new(g.n * g.c * g.oh * argmax_row(g, isa));
    let y = forward::<true>(isa, g, x, Some(&mut argmax));
    // SAFETY: `forward` wrote every row of every plane.
    (y, unsafe { argmax.finish() })
}

/// The sums over the windows, divided by their size.
pub(super) fn mean_forward(isa: Isa, g: &Geometry, x: &[f32]) -> Vec<f32> {
    forward::<false>(isa, g, x, None)
}

fn forward<const MAX: bool>(
    isa: Isa,
    g: &Geometry,
    x: &[f32],
    argmax: Option<&mut UninitVec<u8>>,
) -> Vec<f32> {
    let ((kh, kw), stride, padding) = (g.config.kernel, g.config.stride, g.config.padding);
    assert_eq!(x.len(), g.n * g.c * g.h * g.w);
    let width = ((argmax_row(g, isa) - 1) * stride.1 + kw).max(g.w + padding.1);
    let phases = Phases {
        rows: ((g.oh - 1) * stride.0 + kh).max(g.h + padding.0),
        phases: stride.1,
        row: width.div_ceil(stride.1) + 1,
        padding,
    };
    let taps: Vec<usize> = (0..kh)
        .flat_map(|p| (0..kw).map(move |q| p * phases.row_stride() + phases.column(q)))
        .collect();
    // The first column of each window that lies within the image.
    let firsts: Vec<f32> =
        (0..argmax_row(g, isa)).map(|j| padding.1.saturating_sub(j * stride.1) as f32).collect();
    let mut y = UninitVec::<f32>::new(g.n * g.c * g.oh * g.ow);
    let argmax = argmax.map(UninitVec::send_ptr);
    let planes = y.pieces(g.oh * g.ow).zip(x.par_chunks(g.h * g.w)).enumerate();
    planes.with_min_len(tasks(g)).for_each_init(
        || {
            let mut padded = scratch::buffer(phases.len());
            padded.fill(if MAX { f32::NEG_INFINITY } else { 0. });
            padded
        },
        |padded, (plane, (y, x))| {
            phases.fill(isa, x, g.w, padded);
            let rows = g.oh * argmax_row(g, isa);
            isa.run(Forward::<MAX> {
                g,
                phases,
                taps: &taps,
                firsts: &firsts,
                padded,
                y,
                argmax: argmax.map(|argmax| argmax.offset(plane * rows).pointer()),
            });
        },
    );
    // SAFETY: every output of every plane is written.
    unsafe { y.finish() }
}

struct Forward<'a, const MAX: bool> {
    g: &'a Geometry,
    phases: Phases,
    taps: &'a [usize],
    firsts: &'a [f32],
    padded: &'a [f32],
    /// The plane's outputs, and rows of argmax, to be written.
    y: &'a mut [MaybeUninit<f32>],
    argmax: Option<*mut u8>,
}

impl<const MAX: bool> Kernel for Forward<'_, MAX> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let (g, kw) = (self.g, self.g.config.kernel.1);
        let row = self.firsts.len();
        assert!(self.padded.len() >= self.phases.len() && row == g.ow.next_multiple_of(S::LANES));
        assert_eq!(self.y.len(), g.oh * g.ow);
        let y = self.y.as_mut_ptr().cast::<f32>();
        let scale = 1. / self.taps.len() as f32;
        for i in 0..g.oh {
            let start = i * g.config.stride.0 * self.phases.row_stride();
            let first_row = g.config.padding.0.saturating_sub(i * g.config.stride.0);
            for j in (0..g.ow).step_by(S::LANES) {
                // SAFETY: `forward` left room for whole vectors of every tap, and rows of argmax
                // and of first columns hold whole vectors; of the outputs those of row `i` are written.
                unsafe {
                    let from = self.padded.as_ptr().add(start + j);
                    let value = if MAX {
                        // Padding never wins, so the first pixel within the image stands first.
                        let mut best = S::splat(f32::NEG_INFINITY);
                        let first = S::load(self.firsts.as_ptr().add(j));
                        let mut place = S::add(first, S::splat((first_row * kw) as f32));
                        for (tap, &offset) in self.taps.iter().enumerate() {
                            let (x, tap) = (S::load(from.add(offset)), S::splat(tap as f32));
                            (best, place) = S::later_maximum(best, place, x, tap);
                        }
                        if let Some(argmax) = self.argmax {
                            S::store_bytes(argmax.add(i * row + j), place);
                        }
                        best
                    } else {
                        let mut sum = S::splat(0.);
                        for &offset in self.taps {
                            sum = S::add(sum, S::load(from.add(offset)));
                        }
                        S::mul(sum, S::splat(scale))
                    };
                    store_some::<S>(y.add(i * g.ow + j), value, g.ow - j);
                }
            }
        }
    }
}

/// Each output's gradient for the pixel of its maximum.
pub(super) fn max_backward(isa: Isa, g: &Geometry, argmax: &[u8], grad: &[f32]) -> Vec<f32> {
    assert_eq!(argmax.len(), g.n * g.c * g.oh * argmax_row(g, isa));
    backward::<true>(isa, g, argmax, grad)
}

/// Each output's gradient for all pixels of its window, divided by their number.
pub(super) fn mean_backward(isa: Isa, g: &Geometry, grad: &[f32]) -> Vec<f32> {
    backward::<false>(isa, g, &[], grad)
}

/// How the gradients of a plane lie: rows above and columns to the left are zero, since a pixel
/// looks for the windows before it that reach it.
#[derive(Clone, Copy)]
struct GradientLayout {
    above: usize,
    left: usize,
    rows: usize,
    width: usize,
    /// A row of the input's gradient.
    input: Phases,
}

/// A tap, and where the windows lie that see a pixel there.
#[derive(Clone, Copy)]
struct Seen {
    tap: f32,
    offset: usize,
}

impl GradientLayout {
    fn new(g: &Geometry, isa: Isa) -> Self {
        let ((kh, kw), stride, padding) = (g.config.kernel, g.config.stride, g.config.padding);
        let (above, left) = ((kh - 1) / stride.0, (kw - 1) / stride.1);
        let row = g.w.div_ceil(stride.1).next_multiple_of(isa.lanes());
        // Where the windows of the last pixels that are computed begin, those of a filled-up row.
        let last = row + padding.1.div_ceil(stride.1);
        Self {
            above,
            left,
            rows: above + g.oh.max((g.h - 1 + padding.0) / stride.0 + 1),
            width: left + argmax_row(g, isa).max(last),
            input: Phases { rows: 1, phases: stride.1, row, padding: (0, 0) },
        }
    }

    fn len(&self) -> usize {
        self.rows * self.width
    }

    /// The taps that see the pixels whose row and column leave these remainders.
    fn seen(&self, g: &Geometry, row: usize, column: usize) -> Vec<Seen> {
        let ((kh, kw), stride) = (g.config.kernel, g.config.stride);
        let mut seen = Vec::new();
        for p in (row..kh).step_by(stride.0) {
            for q in (column..kw).step_by(stride.1) {
                let (above, left) = (self.above - p / stride.0, self.left - q / stride.1);
                seen.push(Seen { tap: (p * kw + q) as f32, offset: above * self.width + left });
            }
        }
        seen
    }
}

fn backward<const MAX: bool>(isa: Isa, g: &Geometry, argmax: &[u8], grad: &[f32]) -> Vec<f32> {
    assert_eq!(grad.len(), g.n * g.c * g.oh * g.ow);
    let (layout, stride) = (GradientLayout::new(g, isa), g.config.stride);
    let phases = (0..stride.0).flat_map(|row| (0..stride.1).map(move |column| (row, column)));
    let taps: Vec<Vec<Seen>> = phases.map(|(row, column)| layout.seen(g, row, column)).collect();
    let mut dx = UninitVec::<f32>::new(g.n * g.c * g.h * g.w);
    let planes = dx.pieces(g.h * g.w).zip(grad.par_chunks(g.oh * g.ow)).enumerate();
    planes.with_min_len(tasks(g)).for_each_init(
        || {
            let mut blocks = [
                scratch::buffer(layout.len()),
                scratch::buffer(layout.len()),
                scratch::buffer(layout.input.len()),
            ];
            blocks[0].fill(0.);
            blocks
        },
        |blocks, (plane, (dx, grad))| {
            let [padded, places, input] = blocks;
            let rows = if MAX { g.oh * argmax_row(g, isa) } else { 0 };
            let argmax = &argmax[plane * rows..][..rows];
            let (layout, taps) = (&layout, &taps[..]);
            isa.run(Backward::<MAX> {
                g,
                isa,
                layout,
                taps,
                argmax,
                grad,
                padded,
                places,
                input,
                dx,
            });
        },
    );
    // SAFETY: every plane is written.
    unsafe { dx.finish() }
}

struct Backward<'a, const MAX: bool> {
    g: &'a Geometry,
    isa: Isa,
    layout: &'a GradientLayout,
    taps: &'a [Vec<Seen>],
    argmax: &'a [u8],
    grad: &'a [f32],
    /// The gradients in their layout, zeros around them, and the argmax likewise.
    padded: &'a mut [f32],
    places: &'a mut [f32],
    /// For a row of the input's gradient.
    input: &'a mut [f32],
    /// The plane of the input's gradient, to be written.
    dx: &'a mut [MaybeUninit<f32>],
}

impl<const MAX: bool> Kernel for Backward<'_, MAX> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self { g, layout, padded, places, input, .. } = self;
        let (stride, padding, size) = (g.config.stride, g.config.padding, g.config.kernel);
        let row = g.ow.next_multiple_of(S::LANES);
        assert!(padded.len() == layout.len() && places.len() == layout.len());
        assert!(input.len() == layout.input.len() && self.grad.len() == g.oh * g.ow);
        assert!(!MAX || self.argmax.len() == g.oh * row);
        for i in 0..g.oh {
            let start = (layout.above + i) * layout.width + layout.left;
            padded[start..][..g.ow].copy_from_slice(&self.grad[i * g.ow..][..g.ow]);
            for j in (0..if MAX { row } else { 0 }).step_by(S::LANES) {
                // SAFETY: a row of argmax holds whole vectors, and so does one of the layout.
                unsafe {
                    let argmax = S::load_bytes(self.argmax.as_ptr().add(i * row + j));
                    S::store(places.as_mut_ptr().add(start + j), argmax);
                }
            }
        }
        let scale = if MAX { 1. } else { 1. / (size.0 * size.1) as f32 };
        for y in 0..g.h {
            let start = (y + padding.0) / stride.0 * layout.width;
            for x in 0..stride.1.min(g.w) {
                let column = (x + padding.1) % stride.1;
                let taps = &self.taps[(y + padding.0) % stride.0 * stride.1 + column];
                let start = start + (x + padding.1) / stride.1;
                let row = InputRow {
                    grad: padded[start..].as_ptr(),
                    places: places[start..].as_ptr(),
                    count: (g.w - x).div_ceil(stride.1),
                    scale,
                    to: input[x * layout.input.row..].as_mut_ptr(),
                };
                // SAFETY: a tap looks at most `above` rows and `left` columns back, and the layout
                // has whole vectors from there on for every row of the input, whose buffer has
                // them for every remainder.
                unsafe {
                    match **taps {
                        [a] => row.sum::<S, MAX>(&[a]),
                        [a, b] => row.sum::<S, MAX>(&[a, b]),
                        [a, b, c, d] => row.sum::<S, MAX>(&[a, b, c, d]),
                        _ => row.sum::<S, MAX>(taps),
                    }
                }
            }
            layout.input.unfill(self.isa, input, g.w, &mut self.dx[y * g.w..][..g.w]);
        }
    }
}

/// Pixels of a row of the input's gradient that are seen by the same taps.
struct InputRow {
    /// The gradients that the pixels' windows start from, and the argmax.
    grad: *const f32,
    places: *const f32,
    count: usize,
    /// For means.
    scale: f32,
    /// To be written, in whole vectors.
    to: *mut f32,
}

impl InputRow {
    /// Adds up what the taps see. To be called with an array where the compiler shall unroll.
    #[inline(always)]
    unsafe fn sum<S: Simd, const MAX: bool>(&self, taps: &[Seen]) {
        for j in (0..self.count).step_by(S::LANES) {
            // SAFETY: the caller's promise.
            unsafe {
                let mut sum = S::splat(0.);
                for seen in taps {
                    let mut grad = S::load(self.grad.add(j + seen.offset));
                    if MAX {
                        let place = S::load(self.places.add(j + seen.offset));
                        grad = S::where_equal(place, S::splat(seen.tap), grad);
                    }
                    sum = S::add(sum, grad);
                }
                let sum = if MAX { sum } else { S::mul(sum, S::splat(self.scale)) };
                S::store(self.to.add(j), sum);
            }
        }
    }
}

/// The mean of each plane of `pixels`.
pub(super) fn plane_means(isa: Isa, pixels: usize, x: &[f32]) -> Vec<f32> {
    let mut y = UninitVec::<f32>::new(x.len() / pixels);
    let size = PIXELS_PER_TASK.div_ceil(pixels);
    y.pieces(size).zip(x.par_chunks(size * pixels)).for_each(|(y, x)| {
        isa.run(Means { pixels, x, y });
    });
    // SAFETY: a task writes as many means as it has planes.
    unsafe { y.finish() }
}

struct Means<'a> {
    pixels: usize,
    x: &'a [f32],
    /// One for each plane, to be written.
    y: &'a mut [MaybeUninit<f32>],
}

impl Kernel for Means<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let scale = 1. / self.pixels as f32;
        for (x, y) in self.x.chunks_exact(self.pixels).zip(self.y) {
            // SAFETY: whole vectors within the plane, its last elements in part.
            unsafe {
                let mut sums = [S::splat(0.); 2];
                for i in (0..x.len()).step_by(S::LANES) {
                    let v = load_some::<S>(x.as_ptr().add(i), x.len() - i);
                    sums = [sums[1], S::add(sums[0], v)];
                }
                y.write(sum_lanes::<S>(S::add(sums[0], sums[1])) * scale);
            }
        }
    }
}

/// Each mean's gradient for all pixels of its plane, divided by their number.
pub(super) fn spread_means(pixels: usize, grad: &[f32]) -> Vec<f32> {
    let mut dx = UninitVec::<f32>::new(grad.len() * pixels);
    let scale = 1. / pixels as f32;
    let planes = dx.pieces(pixels).zip(grad).with_min_len(PIXELS_PER_TASK.div_ceil(pixels));
    planes.for_each(|(dx, &grad)| {
        dx.fill(MaybeUninit::new(grad * scale));
    });
    // SAFETY: every plane is filled.
    unsafe { dx.finish() }
}

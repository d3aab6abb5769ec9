//! All columns at once, the products shared out among the threads: the small planes and long filters
//! of a net's deep layers. The weight gradient is one product, written once.

use super::layout::{Columns, Padded};
use super::plan::Plan;
use crate::gemm::{Epilogue, Matrix, Panels, multiply, multiply_panels};
use crate::scratch::{self, Scratch, UninitVec};
use crate::simd::{Kernel, Simd};
use rayon::prelude::*;

pub(super) fn forward(plan: &Plan, x: &[f32], w: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
    let filters = Matrix::new(w, plan.g.c_out, plan.depth());
    let epilogue = Epilogue { row_bias: bias, activation: plan.activation, ..Epilogue::default() };
    plan.split(plan.g.c_out, &multiply_panels(filters, &plan.all_columns(x), epilogue))
}

/// The gradients that are wanted, of `x` and weight.
pub(super) fn backward(
    plan: &Plan,
    x: &[f32],
    w: &[f32],
    grad: &[f32],
    [want_x, want_w]: [bool; 2],
) -> [Option<Vec<f32>>; 2] {
    let columns = plan.g.n * plan.plane();
    let grad = plan.join(plan.g.c_out, grad);
    let grad = Matrix::new(&grad[..], plan.g.c_out, columns);
    let dw = want_w.then(|| {
        if plan.pointwise() {
            let x = plan.join(plan.g.c_in, x);
            let pixels = Matrix::new(&x[..], plan.g.c_in, columns).transposed();
            return multiply(plan.isa, grad, pixels, Epilogue::default());
        }
        let pixels = plan.by_pixels(&plan.all_columns(x));
        multiply_panels(grad, &pixels, Epilogue::default())
    });
    let dx = want_x.then(|| {
        let filters = Matrix::new(w, plan.g.c_out, plan.depth()).transposed();
        let product = multiply(plan.isa, filters, grad, Epilogue::default());
        if plan.pointwise() { plan.split(plan.g.c_in, &product) } else { plan.fold(&product) }
    });
    [dx, dw]
}

impl Plan {
    /// The columns of all images.
    fn all_columns(&self, x: &[f32]) -> Panels {
        if self.pointwise() {
            let x = self.join(self.g.c_in, x);
            let columns = self.g.n * self.plane();
            return Panels::pack_parallel(self.isa, Matrix::new(&x[..], self.g.c_in, columns));
        }
        let padded = self.pad(x);
        let mut panels = Panels::new(self.isa, self.depth(), self.g.n * self.plane());
        let layout = Padded::new(&self.g, self.isa);
        let columns = Columns { g: &self.g, layout, first: 0 };
        columns.pack_parallel(self.isa, &padded, &mut panels);
        panels
    }

    /// The same the other way round: for each pixel its column, as a right operand.
    fn by_pixels(&self, columns: &Panels) -> Panels {
        let mut pixels = Panels::new(self.isa, columns.columns(), self.depth());
        let (len, width) = pixels.panel();
        pixels.data_mut().par_chunks_exact_mut(len).enumerate().for_each(|(panel, out)| {
            columns.isa().run(TransposePanel { columns, first: panel * width, out });
        });
        pixels
    }

    /// Planes of all images side by side, (channel, column).
    fn join(&self, channels: usize, images: &[f32]) -> Scratch {
        let (columns, plane) = (self.g.n * self.plane(), self.plane());
        let mut out = scratch::buffer(images.len());
        let rows = out.par_chunks_exact_mut(columns).enumerate();
        rows.with_min_len((1 << 13) / columns).for_each(|(c, out)| {
            let images = images.chunks_exact(channels * plane);
            for (out, image) in out.chunks_exact_mut(plane).zip(images) {
                out.copy_from_slice(&image[c * plane..][..plane]);
            }
        });
        out
    }

    /// The other way round.
    fn split(&self, channels: usize, joined: &[f32]) -> Vec<f32> {
        let (columns, plane) = (self.g.n * self.plane(), self.plane());
        let mut images = UninitVec::<f32>::new(joined.len());
        images.pieces(channels * plane).enumerate().for_each(|(image, out)| {
            for (out, row) in out.chunks_exact_mut(plane).zip(joined.chunks_exact(columns)) {
                out.write_copy_of_slice(&row[image * plane..][..plane]);
            }
        });
        // SAFETY: every plane of every image is written.
        unsafe { images.finish() }
    }

    /// Adds the columns' gradient, (k, column), to the pixels that they came from.
    fn fold(&self, product: &[f32]) -> Vec<f32> {
        let (columns, plane) = (self.g.n * self.plane(), self.plane());
        let layout = Padded::new(&self.g, self.isa);
        let mut dx = UninitVec::<f32>::new(self.g.n * self.input());
        dx.pieces(self.input()).enumerate().for_each_init(
            || scratch::buffer(layout.image() + layout.slack()),
            |folded, (image, dx)| {
                folded.fill(0.);
                let product = &product[image * plane..];
                let product = Matrix::strided(product, self.depth(), plane, columns);
                let columns = Columns { g: &self.g, layout, first: 0 };
                columns.add(self.isa, product, folded);
                layout.unfill(self.isa, &self.g, folded, dx);
            },
        );
        // SAFETY: every row of every image is written.
        unsafe { dx.finish() }
    }
}

/// Turns the columns' rows from `first` on into a panel of pixels.
struct TransposePanel<'a> {
    columns: &'a Panels,
    first: usize,
    /// For each pixel two vectors, filled up with zeros.
    out: &'a mut [f32],
}

impl Kernel for TransposePanel<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self { columns, first, out } = self;
        let (len, width) = columns.panel();
        assert!(width == 2 * S::LANES && out.len() == columns.columns() * width);
        let count = (columns.depth() - first).min(width);
        for (panel, out) in out.chunks_mut(width * width).enumerate() {
            let from = &columns.data()[panel * len + first * width..][..count * width];
            if count == width && out.len() == width * width {
                for (k, pixel) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
                    // SAFETY: a quarter of a square of `width` rows and columns, here and there.
                    unsafe {
                        let from = from.as_ptr().add((k * width + pixel) * S::LANES);
                        let to = out.as_mut_ptr().add((pixel * width + k) * S::LANES);
                        S::transpose(from, width, to, width);
                    }
                }
                continue;
            }
            for (pixel, out) in out.chunks_exact_mut(width).enumerate() {
                for (k, out) in out.iter_mut().enumerate() {
                    *out = if k < count { from[k * width + pixel] } else { 0. };
                }
            }
        }
    }
}

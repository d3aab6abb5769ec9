//! The backward pass: one piece of the batch a task.

use super::layout::{Columns, Padded};
use super::plan::{Plan, whole};
use super::{patches, small_planes};
use crate::conv2d::algorithm::{BATCH_PIECES, MOST_PARTIALS};
use crate::gemm::{Epilogue, Matrix, PackPanel, Panels, multiply_part, transpose};
use crate::microkernel::{Steps, rows};
use crate::scratch::{self, Scratch, SendPtr, UninitVec};
use crate::simd::{Kernel, Simd};
use rayon::prelude::*;
use std::mem::MaybeUninit;
use std::ops::Range;

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
    assert_eq!((x.len(), w.len()), (g.n * plan.input(), g.c_out * plan.depth()));
    assert_eq!(grad.len(), g.n * plan.output());
    if plan.has_small_planes() {
        return small_planes::backward(plan, x, w, grad, [want_x, want_w]);
    }
    let transposed = want_x.then(|| transpose(plan.isa, Matrix::new(w, g.c_out, plan.depth())));
    let mut dx = UninitVec::<f32>::new(if want_x { x.len() } else { 0 });
    let shared = dx.send_ptr();
    let row_len = g.c_out.next_multiple_of(2 * plan.isa.lanes());
    let partial_len = if want_w { plan.depth() * row_len } else { 0 };
    let pieces = (MOST_PARTIALS / partial_len.max(1)).clamp(1, BATCH_PIECES);
    let images = g.n.div_ceil(pieces).next_multiple_of(plan.images()).max(1);
    let partials: Vec<Scratch> = (0..g.n.div_ceil(images))
        .into_par_iter()
        .map(|piece| {
            let mut dw = scratch::buffer(partial_len);
            dw.fill(0.);
            let end = ((piece + 1) * images).min(g.n);
            for first in (piece * images..end).step_by(plan.images()) {
                let count = plan.images().min(end - first);
                let x = &x[first * plan.input()..][..count * plan.input()];
                let grad = &grad[first * plan.output()..][..count * plan.output()];
                let dx = shared.offset(if want_x { first * plan.input() } else { 0 });
                let dw = want_w.then_some(&mut *dw);
                // SAFETY: these images of the input gradient belong to this task.
                unsafe { plan.images_backward(x, grad, transposed.as_deref(), dx, dw) };
            }
            dw
        })
        .collect();
    [
        // SAFETY: the pieces cover all images, each of which is written whole.
        want_x.then(|| unsafe { dx.finish() }),
        want_w.then(|| plan.add_partials(&partials, row_len)),
    ]
}

impl Plan {
    /// The gradient of some columns of several images, (channel, column).
    fn pack_gradient(&self, grad: &[f32], columns: Range<usize>) -> Scratch {
        let mut out = scratch::buffer(self.g.c_out * columns.len());
        for (o, row) in out.chunks_exact_mut(columns.len()).enumerate() {
            for (column, v) in columns.clone().zip(row) {
                let (image, pixel) = (column / self.plane(), column % self.plane());
                *v = grad[image * self.output() + o * self.plane() + pixel];
            }
        }
        out
    }

    /// The backward pass of images that are packed side by side.
    ///
    /// # Safety
    ///
    /// `dx` has room for the images' gradient, which nobody else uses.
    unsafe fn images_backward(
        &self,
        x: &[f32],
        grad: &[f32],
        filters: Option<&[f32]>,
        dx: SendPtr<f32>,
        mut dw: Option<&mut [f32]>,
    ) {
        let g = &self.g;
        let images = x.len() / self.input();
        let padded = if dw.is_some() { self.pad(x) } else { scratch::buffer(0) };
        let layout = Padded::new(g, self.isa);
        let patched = filters.is_some() && self.patched();
        if patched {
            // SAFETY: the caller's promise. What lies beyond the windows has no gradient.
            unsafe { dx.slice(x.len()) }.fill(MaybeUninit::new(0.));
        }
        let fold = filters.is_some() && !self.pointwise() && !patched;
        let mut folded =
            scratch::buffer(if fold { images * layout.image() + layout.slack() } else { 0 });
        folded.fill(0.);
        for columns in self.chunks(images) {
            let gathered = (self.images() > 1).then(|| self.pack_gradient(grad, columns.clone()));
            let gradient = match &gathered {
                Some(gathered) => Matrix::new(&gathered[..], g.c_out, columns.len()),
                // Of one image they lie there.
                None => {
                    let grad = &grad[columns.start..];
                    Matrix::strided(grad, g.c_out, columns.len(), self.plane())
                }
            };
            if let Some(dw) = &mut dw {
                let panels = self.pack(x, &padded, columns.clone());
                let (_, width) = panels.panel();
                // The gradient by pixels, filled up to whole panels of them.
                let mut pixels = Panels::new(self.isa, panels.count() * width, g.c_out);
                let (len, _) = pixels.panel();
                for (panel, out) in pixels.data_mut().chunks_mut(len).enumerate() {
                    let (out, rest) = out.split_at_mut(columns.len() * width);
                    rest.fill(0.);
                    let b = gradient.transposed();
                    self.isa.run(PackPanel { b, first: panel * width, out });
                }
                panels.isa().run(WeightProduct { columns: &panels, pixels: &pixels, dw });
            }
            if let Some(filters) = filters {
                let filters =
                    Matrix::new(&filters[..self.depth() * g.c_out], self.depth(), g.c_out);
                let panels = Panels::pack(self.isa, gradient);
                let part = whole(filters, &panels);
                let epilogue = Epilogue::default();
                if self.pointwise() {
                    // SAFETY: these columns of the image are the caller's.
                    unsafe {
                        let to = (dx.offset(columns.start), self.plane());
                        multiply_part(filters, &panels, part, to, epilogue, false);
                    }
                } else {
                    let mut product = scratch::buffer(self.depth() * columns.len());
                    // SAFETY: the product has room for these columns.
                    unsafe {
                        let to = (SendPtr::new(&mut product), columns.len());
                        multiply_part(filters, &panels, part, to, epilogue, false);
                    }
                    let first = columns.start;
                    let product = Matrix::new(&product[..], self.depth(), columns.len());
                    if patched {
                        let windows = transpose(self.isa, product);
                        // SAFETY: the caller's promise.
                        patches::unpack(g, &windows, columns, unsafe { dx.slice(x.len()) });
                    } else {
                        Columns { g, layout, first }.add(self.isa, product, &mut folded);
                    }
                }
            }
        }
        if fold {
            // SAFETY: the caller's promise.
            layout.unfill(self.isa, g, &folded, unsafe { dx.slice(x.len()) });
        }
    }

    /// Adds up the partial gradients in order, from (k, o) to (o, k).
    fn add_partials(&self, partials: &[Scratch], row_len: usize) -> Vec<f32> {
        let (depth, c_out) = (self.depth(), self.g.c_out);
        let mut total = scratch::buffer(depth * c_out);
        total.par_chunks_mut(c_out).enumerate().with_min_len(16).for_each(|(k, total)| {
            total.fill(0.);
            for partial in partials {
                for (total, &v) in total.iter_mut().zip(&partial[k * row_len..]) {
                    *total += v;
                }
            }
        });
        transpose(self.isa, Matrix::new(&total[..], depth, c_out)).to_vec()
    }
}

/// `dw (k, o) += columns (k, pixels) x gradient (pixels, o)`. The rows of the left operand lie in
/// pieces, one a panel of pixels.
struct WeightProduct<'a> {
    columns: &'a Panels,
    pixels: &'a Panels,
    dw: &'a mut [f32],
}

impl Kernel for WeightProduct<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let (columns, pixels) = (self.columns, self.pixels);
        let ((columns_len, width), (pixels_len, _)) = (columns.panel(), pixels.panel());
        let row_len = pixels.count() * width;
        assert_eq!((width, pixels.panel().1), (2 * S::LANES, 2 * S::LANES));
        assert_eq!(self.dw.len(), columns.depth() * row_len);
        assert_eq!(pixels.depth(), columns.count() * width);
        let steps = Steps {
            chunks: columns.count(),
            inner: width,
            a_step: 1,
            a_chunk: columns_len,
            b_step: width,
            b_chunk: width * width,
            b_vector: S::LANES,
        };
        // SAFETY: rows, panels and steps are those of the operands, as asserted.
        unsafe {
            let a = columns.data().as_ptr();
            for panel in 0..pixels.count() {
                let b = pixels.data().as_ptr().add(panel * pixels_len);
                let out = self.dw.as_mut_ptr().add(panel * width);
                let row = |k: usize| a.add(k * width);
                rows::<S>(steps, columns.depth(), 2, row, b, out, (row_len, S::LANES), true);
            }
        }
    }
}

//! Convolution as matrix products (im2col), for any filter, stride, padding and dilation: the
//! windows of the image become the columns of a matrix, packed straight into the panels that the
//! product reads. A 1x1 convolution has nothing to lay out and takes the image as it is; windows that
//! lie side by side are copied as they are ([`patches`]).
//!
//! Forward: `filters (o, k) x columns (k, pixels)`. Weight gradient: `columns (k, pixels) x
//! gradient (pixels, o)`, which reads the same panels by rows. Input gradient: `filters (k, o) x
//! gradient (o, pixels)`, each column then added to the pixels it came from.
//!
//! Images are shared out among the threads; where there are few columns, the products are ([`wide`]).

mod layout;
mod patches;
mod wide;

use super::Geometry;
use crate::gemm::{Finish, Matrix, PackPanel, Panels, block, transpose};
use crate::micro::{Steps, rows};
use crate::scratch::{Output, Scratch, Shared, take};
use crate::simd::{Isa, Kernel, Simd};
use layout::{Columns, Padded};
use rayon::prelude::*;
use std::ops::Range;

/// Pieces of the batch whose weight gradients are summed apart, then in order.
const PIECES: usize = 16;
/// Numbers that all pieces' partial gradients may take: 64 MiB.
const PARTIALS: usize = 1 << 24;
/// Numbers in the panels that are packed at once: half of a small second-level cache.
const CHUNK: usize = 1 << 16;

/// A convolution cut into pieces.
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
        g.groups == 1
    }

    /// Length of a filter: rows of the column matrix.
    fn depth(&self) -> usize {
        self.g.c_in * self.g.kh * self.g.kw
    }

    /// Pixels of an output plane: columns of an image.
    fn plane(&self) -> usize {
        self.g.oh * self.g.ow
    }

    fn input(&self) -> usize {
        self.g.c_in * self.g.h * self.g.w
    }

    fn output(&self) -> usize {
        self.g.c_out * self.plane()
    }

    /// Whether the columns are the image itself.
    fn pointwise(&self) -> bool {
        let g = &self.g;
        (g.kh, g.kw, g.stride, g.padding) == (1, 1, (1, 1), (0, 0))
    }

    /// Whether the columns are copied as windows.
    fn patched(&self) -> bool {
        patches::fits(&self.g) && !self.is_wide()
    }

    /// Whether all columns are packed at once: few of them, and filters so long and many that each
    /// piece of the batch would do little but read them and add to their gradient.
    fn is_wide(&self) -> bool {
        let columns = self.g.n * self.plane();
        !self.pointwise() && columns <= 512 && 2 * columns <= self.depth()
    }

    /// Images whose columns are packed side by side: several where one fills no panels.
    fn images(&self) -> usize {
        if self.pointwise() { 1 } else { (64 / self.plane()).clamp(1, 16) }
    }

    /// Columns that are packed at once.
    fn chunk(&self) -> usize {
        let width = 2 * self.isa.lanes();
        (CHUNK / self.depth().max(self.g.c_out) / width).clamp(2, 64) * width
    }

    /// The columns of some images, in chunks.
    fn chunks(&self, images: usize) -> impl Iterator<Item = Range<usize>> + use<> {
        let (chunk, columns) = (self.chunk(), images * self.plane());
        (0..columns).step_by(chunk).map(move |first| first..(first + chunk).min(columns))
    }

    /// Packs columns of the images in `x`; `padded` holds them as [`pad`](Self::pad) lays them out.
    fn pack(&self, x: &[f32], padded: &[f32], columns: Range<usize>) -> Panels {
        let mut panels = Panels::new(self.isa, self.depth(), columns.len());
        if self.pointwise() || self.patched() {
            let depth = self.depth();
            let b = match self.pointwise() {
                true => Matrix::new(x, depth, self.plane()),
                false => Matrix::new(padded, padded.len() / depth, depth).transposed(),
            };
            let (len, width) = panels.panel();
            for (panel, out) in panels.data.chunks_mut(len).enumerate() {
                self.isa.run(PackPanel { b, first: columns.start + panel * width, out });
            }
        } else {
            let layout = Padded::new(&self.g, self.isa);
            Columns { g: &self.g, layout, first: columns.start }.pack(
                self.isa,
                padded,
                &mut panels,
            );
        }
        panels
    }

    /// The images as the columns are packed from them.
    fn pad(&self, x: &[f32]) -> Scratch {
        if self.pointwise() {
            return take(0);
        }
        if self.patched() {
            let mut windows = take(x.len() / self.input() * self.plane() * self.depth());
            patches::gather(&self.g, x, &mut windows);
            return windows;
        }
        let layout = Padded::new(&self.g, self.isa);
        let mut padded = take(x.len() / self.input() * layout.image() + layout.slack());
        padded.fill(0.);
        layout.fill(self.isa, &self.g, x, &mut padded);
        padded
    }
}

pub(super) fn forward(plan: &Plan, x: &[f32], w: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
    let g = &plan.g;
    assert_eq!((x.len(), w.len()), (g.n * plan.input(), g.c_out * plan.depth()));
    assert!(bias.is_none_or(|bias| bias.len() == g.c_out));
    if plan.is_wide() {
        return wide::forward(plan, x, w, bias);
    }
    let filters = Matrix::new(w, g.c_out, plan.depth());
    let finish = Finish { row_bias: bias, relu: plan.relu, ..Finish::default() };
    let mut y = Output::<f32>::new(g.n * plan.output());
    let shared = y.shared();
    // Few images are shared out in parts, each of which pads them for itself.
    let parts = if g.n < 8 { plan.chunks(plan.images()).count() } else { 1 };
    let groups = g.n.div_ceil(plan.images());
    (0..groups * parts).into_par_iter().for_each(|task| {
        let (group, part) = (task / parts, task % parts);
        let first = group * plan.images();
        let images = plan.images().min(g.n - first);
        let x = &x[first * plan.input()..][..images * plan.input()];
        let padded = plan.pad(x);
        for columns in plan.chunks(images).skip(part).step_by(parts) {
            let panels = plan.pack(x, &padded, columns.clone());
            if plan.images() == 1 {
                // SAFETY: these columns of the image's output belong to this task.
                unsafe {
                    let at = first * plan.output() + columns.start;
                    let to = (shared.offset(at), plan.plane());
                    block(plan.isa, filters, &panels, whole(filters, &panels), to, finish, false);
                }
            } else {
                let mut product = take(g.c_out * columns.len());
                // SAFETY: the product has room for these columns; the pixels of these images
                // belong to this task.
                unsafe {
                    let to = (Shared::new(&mut product), columns.len());
                    block(plan.isa, filters, &panels, whole(filters, &panels), to, finish, false);
                    let to = shared.offset(first * plan.output());
                    plan.share_out(&product, columns, to);
                }
            }
        }
    });
    // SAFETY: groups and chunks cover all images and columns.
    unsafe { y.finish() }
}

fn whole(a: Matrix<f32>, panels: &Panels) -> (Range<usize>, Range<usize>) {
    (0..a.rows(), 0..panels.count())
}

impl Plan {
    /// From (channel, columns of several images) to images.
    ///
    /// # Safety
    ///
    /// `to` has room for the images, whose pixels nobody else uses.
    unsafe fn share_out(&self, product: &[f32], columns: Range<usize>, to: Shared<f32>) {
        for (o, row) in product.chunks_exact(columns.len()).enumerate() {
            for (column, &v) in columns.clone().zip(row) {
                let (image, pixel) = (column / self.plane(), column % self.plane());
                let at = image * self.output() + o * self.plane() + pixel;
                // SAFETY: a pixel of one of the images.
                unsafe { *to.offset(at).pointer() = v }
            }
        }
    }

    /// The gradient of some columns, (channel, column).
    fn gather_gradient(&self, grad: &[f32], columns: Range<usize>) -> Scratch {
        let mut out = take(self.g.c_out * columns.len());
        for (o, row) in out.chunks_exact_mut(columns.len()).enumerate() {
            if self.images() == 1 {
                row.copy_from_slice(&grad[o * self.plane()..][columns.clone()]);
                continue;
            }
            for (column, v) in columns.clone().zip(row) {
                let (image, pixel) = (column / self.plane(), column % self.plane());
                *v = grad[image * self.output() + o * self.plane() + pixel];
            }
        }
        out
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
    assert_eq!((x.len(), w.len()), (g.n * plan.input(), g.c_out * plan.depth()));
    assert_eq!(grad.len(), g.n * plan.output());
    if plan.is_wide() {
        return wide::backward(plan, x, w, grad, [want_x, want_w]);
    }
    let transposed = want_x.then(|| transpose(plan.isa, Matrix::new(w, g.c_out, plan.depth())));
    let mut dx = Output::<f32>::new(if want_x { x.len() } else { 0 });
    let shared = dx.shared();
    let row_len = g.c_out.next_multiple_of(2 * plan.isa.lanes());
    let partial_len = if want_w { plan.depth() * row_len } else { 0 };
    let pieces = (PARTIALS / partial_len.max(1)).clamp(1, PIECES);
    let images = g.n.div_ceil(pieces).next_multiple_of(plan.images()).max(1);
    let partials: Vec<Scratch> = (0..g.n.div_ceil(images))
        .into_par_iter()
        .map(|piece| {
            let mut dw = take(partial_len);
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
        dx: Shared<f32>,
        mut dw: Option<&mut [f32]>,
    ) {
        let g = &self.g;
        let images = x.len() / self.input();
        let padded = if dw.is_some() { self.pad(x) } else { take(0) };
        let layout = Padded::new(g, self.isa);
        let patched = filters.is_some() && self.patched();
        if patched {
            // SAFETY: the caller's promise. What lies beyond the windows has no gradient.
            unsafe { std::slice::from_raw_parts_mut(dx.pointer(), x.len()) }.fill(0.);
        }
        let fold = filters.is_some() && !self.pointwise() && !patched;
        let mut folded = take(if fold { images * layout.image() + layout.slack() } else { 0 });
        folded.fill(0.);
        for columns in self.chunks(images) {
            let gathered = self.gather_gradient(grad, columns.clone());
            let gradient = Matrix::new(&gathered[..], g.c_out, columns.len());
            if let Some(dw) = &mut dw {
                let panels = self.pack(x, &padded, columns.clone());
                let (_, width) = panels.panel();
                // The gradient by pixels, filled up to whole panels of them.
                let mut pixels = Panels::new(self.isa, panels.count() * width, g.c_out);
                let (len, _) = pixels.panel();
                for (panel, out) in pixels.data.chunks_mut(len).enumerate() {
                    let (out, rest) = out.split_at_mut(columns.len() * width);
                    rest.fill(0.);
                    let b = gradient.transposed();
                    self.isa.run(PackPanel { b, first: panel * width, out });
                }
                self.isa.run(WeightProduct { columns: &panels, pixels: &pixels, dw });
            }
            if let Some(filters) = filters {
                let filters =
                    Matrix::new(&filters[..self.depth() * g.c_out], self.depth(), g.c_out);
                let mut panels = Panels::new(self.isa, g.c_out, columns.len());
                let (len, width) = panels.panel();
                for (panel, out) in panels.data.chunks_mut(len).enumerate() {
                    self.isa.run(PackPanel { b: gradient, first: panel * width, out });
                }
                let part = whole(filters, &panels);
                let finish = Finish::default();
                if self.pointwise() {
                    // SAFETY: these columns of the image are the caller's.
                    unsafe {
                        let to = (dx.offset(columns.start), self.plane());
                        block(self.isa, filters, &panels, part, to, finish, false);
                    }
                } else {
                    let mut product = take(self.depth() * columns.len());
                    // SAFETY: the product has room for these columns.
                    unsafe {
                        let to = (Shared::new(&mut product), columns.len());
                        block(self.isa, filters, &panels, part, to, finish, false);
                    }
                    let first = columns.start;
                    let product = Matrix::new(&product[..], self.depth(), columns.len());
                    if patched {
                        let windows = transpose(self.isa, product);
                        // SAFETY: the caller's promise.
                        let dx = unsafe { std::slice::from_raw_parts_mut(dx.pointer(), x.len()) };
                        patches::scatter(g, &windows, columns, dx);
                    } else {
                        Columns { g, layout, first }.add(self.isa, product, &mut folded);
                    }
                }
            }
        }
        if fold {
            // SAFETY: the caller's promise.
            let dx = unsafe { std::slice::from_raw_parts_mut(dx.pointer(), x.len()) };
            layout.unfill(self.isa, g, &folded, dx);
        }
    }

    /// Adds up the partial gradients in order, from (k, o) to (o, k).
    fn add_partials(&self, partials: &[Scratch], row_len: usize) -> Vec<f32> {
        let (depth, c_out) = (self.depth(), self.g.c_out);
        let mut total = take(depth * c_out);
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
        assert_eq!(self.dw.len(), columns.depth * row_len);
        assert_eq!(pixels.depth, columns.count() * width);
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
            let a = columns.data.as_ptr();
            for panel in 0..pixels.count() {
                let b = pixels.data.as_ptr().add(panel * pixels_len);
                let out = self.dw.as_mut_ptr().add(panel * width);
                let row = |k: usize| a.add(k * width);
                rows::<S>(steps, columns.depth, 2, row, b, out, (row_len, S::LANES), true);
            }
        }
    }
}

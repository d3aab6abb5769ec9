//! Images laid out so that every row of the column matrix lies in one piece: padded with zeros,
//! and each row sorted by the column's remainder modulo the stride.

use crate::conv2d::geometry::Geometry;
use crate::gemm::{Matrix, Panels};
use crate::phases::Phases;
use crate::simd::{Isa, Kernel, Simd};
use rayon::prelude::*;
use std::mem::MaybeUninit;
use std::ops::Range;

/// The layout of padded images, one plane after the other.
#[derive(Clone, Copy)]
pub(super) struct Padded {
    plane: Phases,
    channels: usize,
    /// Numbers of a panel's row, which are read and written whole.
    width: usize,
}

impl Padded {
    pub(super) fn new(g: &Geometry, isa: Isa) -> Self {
        let plane = Phases {
            rows: g.padded().0,
            phases: g.stride.1,
            row: g.padded().1.div_ceil(g.stride.1),
            padding: g.padding,
        };
        Self { plane, channels: g.c_in, width: 2 * isa.lanes() }
    }

    /// Length of an image, and what may be read beyond the last one.
    pub(super) fn image(&self) -> usize {
        self.channels * self.plane.len()
    }

    pub(super) fn slack(&self) -> usize {
        self.width
    }

    /// Copies images into zeros.
    pub(super) fn fill(&self, isa: Isa, g: &Geometry, x: &[f32], padded: &mut [f32]) {
        let planes = padded.chunks_exact_mut(self.plane.len());
        for (x, padded) in x.chunks_exact(g.h * g.w).zip(planes) {
            self.plane.fill(isa, x, g.w, padded);
        }
    }

    /// Copies images back, without what lies around them.
    pub(super) fn unfill(
        &self,
        isa: Isa,
        g: &Geometry,
        padded: &[f32],
        x: &mut [MaybeUninit<f32>],
    ) {
        let planes = padded.chunks_exact(self.plane.len());
        for (x, padded) in x.chunks_exact_mut(g.h * g.w).zip(planes) {
            self.plane.unfill(isa, padded, g.w, x);
        }
    }
}

/// Columns of the matrix from `first` on; columns count the pixels of all images.
#[derive(Clone, Copy)]
pub(super) struct Columns<'a> {
    pub g: &'a Geometry,
    pub layout: Padded,
    pub first: usize,
}

/// Columns that lie side by side in one row of an image.
#[derive(Clone, Copy, Default)]
struct Segment {
    /// The first column within the panel, and how many.
    start: usize,
    len: usize,
    /// Where the image's row starts for the first tap, at the first pixel.
    at: usize,
}

/// The segments of some columns: at most one a column.
struct Segments {
    list: [Segment; 32],
    count: usize,
}

impl Columns<'_> {
    /// The segments of `count` columns (at most 32) from `column` on.
    #[inline(always)]
    fn segments(&self, column: usize, count: usize) -> Segments {
        let (g, layout) = (self.g, self.layout);
        let mut segments = Segments { list: [Segment::default(); 32], count: 0 };
        let mut start = 0;
        while start < count {
            let column = column + start;
            let (image, pixel) = (column / (g.oh * g.ow), column % (g.oh * g.ow));
            let (i, j) = (pixel / g.ow, pixel % g.ow);
            let len = (g.ow - j).min(count - start);
            let at = image * layout.image() + i * g.stride.0 * layout.plane.row_stride() + j;
            segments.list[segments.count] = Segment { start, len, at };
            segments.count += 1;
            start += len;
        }
        segments
    }

    /// Where tap `k` lies from the start of a segment.
    #[inline(always)]
    fn tap(&self, k: usize) -> usize {
        let (g, layout) = (self.g, self.layout);
        let (channel, p, q) = (k / (g.kh * g.kw), k / g.kw % g.kh, k % g.kw);
        let row = channel * layout.plane.rows + p * g.dilation.0;
        row * layout.plane.row_stride() + layout.plane.column(q * g.dilation.1)
    }

    /// Packs as many columns as the panels have.
    pub(super) fn pack(self, isa: Isa, padded: &[f32], panels: &mut Panels) {
        self.check(padded, panels);
        let ((len, width), columns) = (panels.panel(), panels.columns());
        for (panel, out) in panels.data_mut().chunks_exact_mut(len).enumerate() {
            self.pack_panel(isa, padded, panel * width..columns, out);
        }
    }

    /// [`pack`](Self::pack), the panels shared out between threads.
    pub(super) fn pack_parallel(self, isa: Isa, padded: &[f32], panels: &mut Panels) {
        self.check(padded, panels);
        let ((len, width), columns) = (panels.panel(), panels.columns());
        panels.data_mut().par_chunks_exact_mut(len).enumerate().for_each(|(panel, out)| {
            self.pack_panel(isa, padded, panel * width..columns, out);
        });
    }

    fn check(&self, padded: &[f32], panels: &Panels) {
        assert!(panels.panel().1 == self.layout.width);
        self.check_images(
            panels.columns(),
            panels.depth(),
            padded.len().saturating_sub(self.layout.slack()),
        );
    }

    /// Panics unless there are that many columns and taps in as many numbers of whole padded images: every tap of every
    /// output is a pixel of its padded image, as `window::positions` found.
    fn check_images(&self, columns: usize, taps: usize, padded: usize) {
        let g = self.g;
        let images = (self.first + columns).div_ceil(g.oh * g.ow);
        assert!(taps <= g.c_in * g.kh * g.kw && images * self.layout.image() <= padded);
    }

    /// One panel, of the first of these columns that it has room for.
    fn pack_panel(mut self, isa: Isa, padded: &[f32], columns: Range<usize>, out: &mut [f32]) {
        self.first += columns.start;
        let count = columns.len().min(self.layout.width);
        isa.run(Pack { columns: self, padded, count, out });
    }

    /// Adds a product (k, columns) to the padded images.
    pub(super) fn add(self, isa: Isa, product: Matrix<f32>, padded: &mut [f32]) {
        self.check_images(product.columns(), product.rows(), padded.len());
        isa.run(Add { columns: self, product, padded });
    }
}

struct Pack<'a> {
    columns: Columns<'a>,
    padded: &'a [f32],
    /// Columns that there are, at most the panel's width.
    count: usize,
    out: &'a mut [f32],
}

impl Kernel for Pack<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self { columns, padded, count, out } = self;
        let (width, end) = (2 * S::LANES, out.len());
        assert!(count <= width && width <= 32);
        let segments = columns.segments(columns.first, count);
        for k in 0..end / width {
            let tap = columns.tap(k);
            for segment in &segments.list[..segments.count] {
                // SAFETY: whole vectors are read, from a pixel of the padded images on, behind which
                // there is a panel's width, as `Columns::check` asserted. They are written whole, too: over the columns of the next segments and into the next row, which
                // are written later; the very last ones in parts.
                unsafe {
                    let from = padded.as_ptr().add(segment.at + tap);
                    let at = k * width + segment.start;
                    let to = out.as_mut_ptr().add(at);
                    if at + width <= end {
                        S::store(to, S::load(from));
                        S::store(to.add(S::LANES), S::load(from.add(S::LANES)));
                    } else {
                        to.copy_from_nonoverlapping(from, segment.len);
                    }
                }
            }
        }
        if count < width {
            for row in out.chunks_exact_mut(width) {
                row[count..].fill(0.);
            }
        }
    }
}

struct Add<'a> {
    columns: Columns<'a>,
    product: Matrix<'a, f32>,
    padded: &'a mut [f32],
}

impl Kernel for Add<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self { columns, product, padded } = self;
        let count = product.columns();
        for k in 0..product.rows() {
            let row = product.row(k);
            let tap = columns.tap(k);
            let mut start = 0;
            while start < count {
                // One segment at a time: a row of an image, or what is left of it.
                let part = (count - start).min(32);
                let segments = columns.segments(columns.first + start, part);
                for segment in &segments.list[..segments.count] {
                    // SAFETY: the segment lies within the row of the product, and its taps side by side within
                    // a row of the padded images, as `Columns::add` asserted.
                    unsafe {
                        let from = row.as_ptr().add(start + segment.start);
                        let to = padded.as_mut_ptr().add(segment.at + tap);
                        let mut i = 0;
                        while i + S::LANES <= segment.len {
                            let sum = S::add(S::load(to.add(i)), S::load(from.add(i)));
                            S::store(to.add(i), sum);
                            i += S::LANES;
                        }
                        let rest = segment.len - i;
                        if rest > 0 {
                            let (to, from) = (to.add(i), from.add(i));
                            let sum =
                                S::add(S::load_partial(to, rest), S::load_partial(from, rest));
                            S::store_partial(to, sum, rest);
                        }
                    }
                }
                start += part;
            }
        }
    }
}

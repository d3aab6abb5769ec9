//! Matrix products of `f32`: the right operand packed into panels two vectors wide, the left one
//! read row by row, sums held in registers.
//!
//! The `gemm` crate, which candle uses and which [`product`] calls for `f64`, reaches two thirds
//! of this at the sizes of image models: it packs both operands and splits small products badly.

use crate::element::{Element, as_f32};
use crate::microkernel::{Steps, rows};
use crate::scratch::{self, Scratch, SendPtr, UninitVec};
use crate::simd::{Isa, Kernel, Simd};
use ::gemm::Parallelism;
pub(crate) use epilogue::Epilogue;
use rayon::prelude::*;

mod epilogue;

/// A matrix within a slice.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a, T> {
    data: &'a [T],
    rows: usize,
    columns: usize,
    /// Distance between two rows, and between two columns; one of them is 1.
    strides: (usize, usize),
}

impl<'a, T> Matrix<'a, T> {
    /// `rows` rows one after the other.
    pub(crate) fn new(data: &'a [T], rows: usize, columns: usize) -> Self {
        assert_eq!(rows.checked_mul(columns), Some(data.len()));
        Self { data, rows, columns, strides: (columns, 1) }
    }

    /// Rows that start `stride` apart.
    pub(crate) fn strided(data: &'a [T], rows: usize, columns: usize, stride: usize) -> Self {
        let last = rows.saturating_sub(1).checked_mul(stride);
        let end = last.and_then(|last| last.checked_add(columns));
        assert!(rows == 0 || end.is_some_and(|end| end <= data.len()));
        Self { data, rows, columns, strides: (stride, 1) }
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    pub(crate) fn columns(&self) -> usize {
        self.columns
    }

    /// Some rows of a matrix that lies row by row.
    pub(crate) fn rows_in(self, rows: std::ops::Range<usize>) -> Self {
        assert!(self.strides.1 == 1 && rows.start <= rows.end && rows.end <= self.rows);
        Self { data: &self.data[rows.start * self.strides.0..], rows: rows.len(), ..self }
    }

    /// A row of a matrix that lies row by row.
    pub(crate) fn row(self, row: usize) -> &'a [T] {
        assert!(self.strides.1 == 1 && row < self.rows);
        &self.data[row * self.strides.0..][..self.columns]
    }

    pub(crate) fn transposed(self) -> Self {
        let (row, column) = self.strides;
        Self { rows: self.columns, columns: self.rows, strides: (column, row), ..self }
    }
}

impl<'a, T: Element> Matrix<'a, T> {
    /// The same matrix as one of `f32`, if it is.
    pub(crate) fn as_f32(self) -> Option<Matrix<'a, f32>> {
        let Self { data, rows, columns, strides } = self;
        as_f32(data).map(|data| Matrix { data, rows, columns, strides })
    }
}

/// The product of two matrices, row by row, by the `gemm` crate. It shares out rows and columns
/// of the result between threads, never parts of a sum.
pub(crate) fn product<T: Element>(a: Matrix<T>, b: Matrix<T>) -> Vec<T> {
    assert_eq!(a.columns, b.rows);
    if a.columns == 0 {
        return vec![T::ZERO; a.rows * b.columns];
    }
    let mut out = UninitVec::<T>::new(a.rows * b.columns);
    // SAFETY: whatever makes a matrix looks that its strides stay within its data; the output has
    // room for the product, whose every element is written, since the sum is not empty.
    unsafe {
        ::gemm::gemm(
            a.rows,
            b.columns,
            a.columns,
            out.send_ptr().pointer(),
            1,
            b.columns as isize,
            false,
            a.data.as_ptr(),
            a.strides.1 as isize,
            a.strides.0 as isize,
            b.data.as_ptr(),
            b.strides.1 as isize,
            b.strides.0 as isize,
            T::ZERO,
            T::ONE,
            false,
            false,
            false,
            Parallelism::Rayon(0),
        );
        out.finish()
    }
}

/// Steps of a sum that are done before the next rows: a panel of them stays in the first-level
/// cache, the rows' part in the second.
pub(crate) const STEPS_AT_ONCE: usize = 256;
/// Rows that a task takes; a multiple of six.
pub(crate) const ROWS_PER_TASK: usize = 48;
/// Panels that a task takes.
pub(crate) const PANELS_PER_TASK: usize = 16;

/// A right operand in panels: for each pair of vectors of columns all rows, filled up with zeros.
pub(crate) struct Panels {
    data: Scratch,
    depth: usize,
    columns: usize,
    /// For which the panels are made, two of its vectors wide.
    isa: Isa,
}

impl Panels {
    /// Room for an operand of `depth` rows; to be filled panel by panel, in whole.
    pub(crate) fn new(isa: Isa, depth: usize, columns: usize) -> Self {
        let data = scratch::buffer(depth * columns.next_multiple_of(2 * isa.lanes()));
        Self { data, depth, columns, isa }
    }

    pub(crate) fn count(&self) -> usize {
        self.columns.div_ceil(2 * self.isa.lanes())
    }

    pub(crate) fn isa(&self) -> Isa {
        self.isa
    }

    /// Rows, and columns, of the operand.
    pub(crate) fn depth(&self) -> usize {
        self.depth
    }

    pub(crate) fn columns(&self) -> usize {
        self.columns
    }

    /// The panels one after the other.
    pub(crate) fn data(&self) -> &[f32] {
        &self.data
    }

    pub(crate) fn data_mut(&mut self) -> &mut [f32] {
        &mut self.data
    }

    /// Length of a panel, and its columns.
    pub(crate) fn panel(&self) -> (usize, usize) {
        (self.depth * 2 * self.isa.lanes(), 2 * self.isa.lanes())
    }

    /// Packs an operand on this thread.
    pub(crate) fn pack(isa: Isa, b: Matrix<f32>) -> Self {
        let mut panels = Self::new(isa, b.rows, b.columns);
        let (len, width) = panels.panel();
        if len > 0 {
            for (panel, out) in panels.data.chunks_mut(len).enumerate() {
                isa.run(PackPanel { b, first: panel * width, out });
            }
        }
        panels
    }

    /// [`pack`](Self::pack), the panels shared out between threads.
    pub(crate) fn pack_parallel(isa: Isa, b: Matrix<f32>) -> Self {
        let mut panels = Self::new(isa, b.rows, b.columns);
        let (len, width) = panels.panel();
        if len > 0 {
            let tasks = panels.data.par_chunks_mut(len).enumerate().with_min_len((1 << 15) / len);
            tasks.for_each(|(panel, out)| isa.run(PackPanel { b, first: panel * width, out }));
        }
        panels
    }
}

/// Packs the columns from `first` on.
pub(crate) struct PackPanel<'a> {
    pub b: Matrix<'a, f32>,
    pub first: usize,
    /// The panel: `b.rows` rows of its width.
    pub out: &'a mut [f32],
}

impl Kernel for PackPanel<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self { b, first, out } = self;
        let width = 2 * S::LANES;
        assert!(first < b.columns && out.len() == b.rows * width);
        let count = (b.columns - first).min(width);
        if b.strides.1 == 1 {
            for (row, out) in out.chunks_exact_mut(width).enumerate() {
                let from = &b.data[row * b.strides.0 + first..][..count];
                if count == width {
                    // SAFETY: `from` and `out` are two vectors long. A copy of so few bytes would
                    // be a call into the C library.
                    unsafe {
                        S::store(out.as_mut_ptr(), S::load(from.as_ptr()));
                        let second = S::load(from.as_ptr().add(S::LANES));
                        S::store(out.as_mut_ptr().add(S::LANES), second);
                    }
                } else {
                    out[..count].copy_from_slice(from);
                    out[count..].fill(0.);
                }
            }
            return;
        }
        // Columns lie in one piece: squares are transposed, the rest goes one by one.
        let squares = if count == width { b.rows / S::LANES * S::LANES } else { 0 };
        for row in (0..squares).step_by(S::LANES) {
            for half in [0, S::LANES] {
                let from = (first + half) * b.strides.1 + row;
                // SAFETY: `LANES` columns from `first + half` on (`count` is the width) and rows from
                // `row` on (`squares` ends before the last) lie in the matrix, whose makers checked that it
                // lies in its data, and in the panel, whose length was asserted.
                unsafe {
                    let to = out.as_mut_ptr().add(row * width + half);
                    S::transpose(b.data.as_ptr().add(from), b.strides.1, to, width);
                }
            }
        }
        for (row, out) in out.chunks_exact_mut(width).enumerate().skip(squares) {
            for (column, out) in out.iter_mut().enumerate() {
                let inside = column < count;
                *out = if inside { b.data[(first + column) * b.strides.1 + row] } else { 0. };
            }
        }
    }
}

/// `a b` and what follows, row by row.
pub(crate) fn multiply(isa: Isa, a: Matrix<f32>, b: Matrix<f32>, epilogue: Epilogue) -> Vec<f32> {
    multiply_panels(a, &Panels::pack_parallel(isa, b), epilogue)
}

/// [`multiply`] with an operand that is in panels already.
pub(crate) fn multiply_panels(a: Matrix<f32>, panels: &Panels, epilogue: Epilogue) -> Vec<f32> {
    assert_eq!(a.columns, panels.depth);
    let mut out = UninitVec::<f32>::new(a.rows * panels.columns);
    let shared = out.send_ptr();
    let tasks = (a.rows.div_ceil(ROWS_PER_TASK), panels.count().div_ceil(PANELS_PER_TASK));
    (0..tasks.0 * tasks.1).into_par_iter().for_each(|task| {
        let (row, panel) = (task / tasks.1 * ROWS_PER_TASK, task % tasks.1 * PANELS_PER_TASK);
        let rows = row..(row + ROWS_PER_TASK).min(a.rows);
        let range = panel..(panel + PANELS_PER_TASK).min(panels.count());
        // SAFETY: every task writes its own rows and columns of the output, which has `a.rows`
        // rows of the panels' columns.
        unsafe {
            multiply_part(a, panels, (rows, range), (shared, panels.columns), epilogue, false)
        };
    });
    // SAFETY: the tasks cover all rows and columns.
    unsafe { out.finish() }
}

/// The transpose of a matrix that lies row by row.
pub(crate) fn transpose(isa: Isa, a: Matrix<f32>) -> Scratch {
    assert_eq!(a.strides, (a.columns, 1));
    let mut out = scratch::buffer(a.rows * a.columns);
    let shared = SendPtr::new(&mut out);
    (0..a.columns.div_ceil(isa.lanes())).into_par_iter().for_each(|i| {
        // SAFETY: this task alone writes the rows from `i * lanes` on.
        isa.run(TransposeRows { a, first: i * isa.lanes(), to: shared });
    });
    out
}

struct TransposeRows<'a> {
    a: Matrix<'a, f32>,
    /// The first of `LANES` columns of `a`.
    first: usize,
    to: SendPtr<f32>,
}

impl Kernel for TransposeRows<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self { a, first, to } = self;
        let (from, to) = (a.data.as_ptr(), to.pointer());
        let count = (a.columns - first).min(S::LANES);
        let squares = if count == S::LANES { a.rows / S::LANES * S::LANES } else { 0 };
        // SAFETY: `transpose` asserted that `a` lies row by row and took room for its transpose; columns up to
        // `first + count`, and all rows.
        unsafe {
            for row in (0..squares).step_by(S::LANES) {
                let to = to.add(first * a.rows + row);
                S::transpose(from.add(row * a.columns + first), a.columns, to, a.rows);
            }
            for row in squares..a.rows {
                for column in first..first + count {
                    *to.add(column * a.rows + row) = *from.add(row * a.columns + column);
                }
            }
        }
    }
}

/// A part of the product: rows and panels; `out` starts at the product's first element, and its
/// rows lie `row_len` apart. With `accumulate` it is added to what is there.
///
/// # Safety
///
/// Nobody else uses the part's elements of `out`, which has them all.
pub(crate) unsafe fn multiply_part(
    a: Matrix<f32>,
    panels: &Panels,
    (rows, range): (std::ops::Range<usize>, std::ops::Range<usize>),
    (out, row_len): (SendPtr<f32>, usize),
    epilogue: Epilogue,
    accumulate: bool,
) {
    assert_eq!(a.columns, panels.depth);
    assert!(rows.end <= a.rows && range.end <= panels.count() && panels.columns <= row_len);
    assert!(epilogue.column_bias.is_none_or(|bias| bias.len() >= panels.columns));
    assert!(epilogue.row_bias.is_none_or(|bias| bias.len() >= a.rows));
    if rows.is_empty() || range.is_empty() {
        return;
    }
    panels.isa.run(Part { a, panels, rows, range, out, row_len, epilogue, accumulate });
}

struct Part<'a> {
    a: Matrix<'a, f32>,
    panels: &'a Panels,
    rows: std::ops::Range<usize>,
    range: std::ops::Range<usize>,
    out: SendPtr<f32>,
    row_len: usize,
    epilogue: Epilogue<'a>,
    accumulate: bool,
}

impl Kernel for Part<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let depth = self.panels.depth;
        let (panel_len, width) = self.panels.panel();
        // The parts of a long sum are of about one length.
        let part = depth.div_ceil(depth.div_ceil(STEPS_AT_ONCE).max(1)).max(1);
        let by_columns = self.a.strides.1 != 1;
        let mut packed =
            scratch::buffer(if by_columns { self.rows.len() * part.min(depth) } else { 0 });
        let mut first = 0;
        // At least once: an empty sum is zero.
        loop {
            let inner = (depth - first).min(part);
            let last = first + inner == depth;
            let steps = Steps {
                chunks: 1,
                inner,
                a_step: 1,
                a_chunk: 0,
                b_step: width,
                b_chunk: 0,
                b_vector: S::LANES,
            };
            // SAFETY: rows and steps of the left operand, as `multiply_part` checked.
            let (a, stride) = unsafe {
                if by_columns {
                    self.pack_rows::<S>(first, inner, &mut packed);
                    (packed.as_ptr(), inner)
                } else {
                    let stride = self.a.strides.0;
                    (self.a.data.as_ptr().add(self.rows.start * stride + first), stride)
                }
            };
            let accumulate = self.accumulate || first > 0;
            for panel in self.range.clone() {
                // SAFETY: `multiply_part` checked rows, panels and depth; the output's elements are there
                // by its contract.
                unsafe {
                    let b = self.panels.data.as_ptr().add(panel * panel_len + first * width);
                    let row_start = |row: usize| a.add(row * stride);
                    let count = (self.panels.columns - panel * width).min(width);
                    let out = self.out.pointer();
                    let out = out.add(self.rows.start * self.row_len + panel * width);
                    if count == width {
                        let strides = (self.row_len, S::LANES);
                        let row_count = self.rows.len();
                        rows::<S>(steps, row_count, 2, row_start, b, out, strides, accumulate);
                    } else {
                        self.partial::<S>(steps, row_start, b, (out, count), accumulate);
                    }
                    if last {
                        let (rows, columns) =
                            (self.rows.clone(), panel * width..panel * width + count);
                        self.epilogue.apply::<S>(rows, columns, out, self.row_len);
                    }
                }
            }
            first += inner;
            if last {
                break;
            }
        }
    }
}

impl Part<'_> {
    /// Steps `first..first + inner` of the part's rows, row by row, from a left operand that
    /// lies column by column.
    #[inline(always)]
    unsafe fn pack_rows<S: Simd>(&self, first: usize, inner: usize, packed: &mut [f32]) {
        let (count, step) = (self.rows.len(), self.a.strides.1);
        assert!(packed.len() >= count * inner);
        // SAFETY: the part's rows at these steps, and room for them. Of an empty sum nothing is read.
        unsafe {
            let from = self.a.data.as_ptr().wrapping_add(first * step + self.rows.start);
            let to = packed.as_mut_ptr();
            let (squares, square_steps) =
                (count / S::LANES * S::LANES, inner / S::LANES * S::LANES);
            for k in (0..square_steps).step_by(S::LANES) {
                for row in (0..squares).step_by(S::LANES) {
                    S::transpose(from.add(k * step + row), step, to.add(row * inner + k), inner);
                }
            }
            for k in 0..inner {
                let done = if k < square_steps { squares } else { 0 };
                for row in done..count {
                    *to.add(row * inner + k) = *from.add(k * step + row);
                }
            }
        }
    }

    /// The product with a panel of which only `count` columns are there: through a buffer of its
    /// full width, some rows at a time.
    #[inline(always)]
    unsafe fn partial<S: Simd>(
        &self,
        steps: Steps,
        row_start: impl Fn(usize) -> *const f32,
        b: *const f32,
        (out, count): (*mut f32, usize),
        accumulate: bool,
    ) {
        const GROUP: usize = 6;
        let mut buffer = [0f32; GROUP * 2 * 16];
        let width = 2 * S::LANES;
        for first in (0..self.rows.len()).step_by(GROUP) {
            let group = (self.rows.len() - first).min(GROUP);
            // SAFETY: rows of the part, and a buffer for six of at most two vectors of sixteen.
            unsafe {
                let to = buffer.as_mut_ptr();
                let a = |row: usize| row_start(first + row);
                let out = |row: usize| out.add((first + row) * self.row_len);
                if accumulate {
                    // The sum goes on from what is there, as in a whole panel: a column's bits must
                    // not depend on which of them it is in.
                    for row in 0..group {
                        to.add(row * width).copy_from_nonoverlapping(out(row), count);
                    }
                }
                rows::<S>(steps, group, 2, a, b, to, (width, S::LANES), accumulate);
                for row in 0..group {
                    out(row).copy_from_nonoverlapping(to.add(row * width), count);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;

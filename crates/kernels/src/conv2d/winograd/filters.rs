//! Filters to points, packed for the products, and their gradient back.

use super::plan::POINTS;
use super::transform;
use crate::scratch::{self, Scratch};
use crate::simd::{Isa, Kernel, Simd};
use rayon::prelude::*;

/// Transformed filters: for each pair of vectors of columns and each point, a matrix of `rows`
/// rows and two vectors (one, in the last pair of an odd number).
pub(super) struct Packed {
    data: Scratch,
    lanes: usize,
    columns: usize,
    /// Rows, filled up with zeros to whole vectors.
    rows: usize,
}

impl Packed {
    /// Vectors in pair `pair`.
    pub(super) fn vectors(&self, pair: usize) -> usize {
        (self.columns - 2 * pair).min(2)
    }

    pub(super) fn pairs(&self) -> usize {
        self.columns.div_ceil(2)
    }

    /// The matrix of a pair and a point.
    pub(super) fn matrix(&self, pair: usize, point: usize) -> &[f32] {
        let len = self.rows * self.vectors(pair) * self.lanes;
        let start = pair * POINTS * self.rows * 2 * self.lanes;
        &self.data[start + point * len..][..len]
    }
}

/// Which channels are the rows of the packed matrices.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum SummedOver {
    /// Input channels: the forward pass sums over them.
    Input,
    /// Output channels: the input gradient sums over them.
    Output,
}

pub(super) fn pack(isa: Isa, w: &[f32], c_in: usize, c_out: usize, rows: SummedOver) -> Packed {
    assert_eq!(w.len(), c_in * c_out * 9);
    let lanes = isa.lanes();
    let (row_count, column_count) = match rows {
        SummedOver::Input => (c_in, c_out),
        SummedOver::Output => (c_out, c_in),
    };
    let padded_rows = row_count.div_ceil(lanes) * lanes;
    let columns = column_count.div_ceil(lanes);
    let pair_len = POINTS * padded_rows * 2 * lanes;
    let mut data = scratch::buffer(POINTS * padded_rows * columns * lanes);
    data.par_chunks_mut(pair_len).enumerate().for_each(|(pair, data)| {
        let vectors = (columns - 2 * pair).min(2);
        for vector in 0..vectors {
            let first = (2 * pair + vector) * lanes;
            let count = (column_count - first).min(lanes);
            let filter = |row: usize, column: usize| match rows {
                SummedOver::Input => &w[((first + column) * c_in + row) * 9..][..9],
                SummedOver::Output => &w[(row * c_in + first + column) * 9..][..9],
            };
            isa.run(PackColumn { filter, row_count, padded_rows, count, vector, vectors, data });
        }
    });
    Packed { data, lanes, columns, rows: padded_rows }
}

/// Transforms the filters of one vector of columns.
struct PackColumn<'a, F> {
    filter: F,
    row_count: usize,
    padded_rows: usize,
    count: usize,
    vector: usize,
    vectors: usize,
    data: &'a mut [f32],
}

impl<'w, F: Fn(usize, usize) -> &'w [f32]> Kernel for PackColumn<'_, F> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let matrix = self.padded_rows * self.vectors * S::LANES;
        assert!(self.data.len() >= POINTS * matrix && self.vector < self.vectors);
        // Taps of up to 16 lanes, tap by tap.
        let mut taps = [0f32; 9 * 16];
        for row in 0..self.padded_rows {
            taps.fill(0.);
            if row < self.row_count {
                for lane in 0..self.count {
                    for (tap, &w) in (self.filter)(row, lane).iter().enumerate() {
                        taps[tap * S::LANES + lane] = w;
                    }
                }
            }
            // SAFETY: taps are read up to 9 vectors; the store of point `p` lies in its matrix,
            // which the assertion puts within the data.
            unsafe {
                let tap = |p: usize, q: usize| S::load(taps.as_ptr().add((p * 3 + q) * S::LANES));
                let mut half = [[S::splat(0.); 3]; 6];
                for q in 0..3 {
                    let column = transform::filter::<S>([tap(0, q), tap(1, q), tap(2, q)]);
                    for (half, v) in half.iter_mut().zip(column) {
                        half[q] = v;
                    }
                }
                for (i, half) in half.into_iter().enumerate() {
                    for (j, v) in transform::filter::<S>(half).into_iter().enumerate() {
                        let at =
                            (i * 6 + j) * matrix + (row * self.vectors + self.vector) * S::LANES;
                        S::store(self.data.as_mut_ptr().add(at), v);
                    }
                }
            }
        }
    }
}

/// Adds up the partial gradients of the points, in order, and transforms them to those of the
/// filters: `partials` hold (point, output channel, input channel), the last two filled up.
pub(super) fn unpack(isa: Isa, partials: &[Scratch], c_in: usize, c_out: usize) -> Vec<f32> {
    let lanes = isa.lanes();
    let columns = c_in.div_ceil(lanes) * lanes;
    let rows = c_out.div_ceil(lanes) * lanes;
    assert!(partials.iter().all(|p| p.len() == POINTS * rows * columns));
    let mut dw = vec![0f32; c_out * c_in * 9];
    dw.par_chunks_mut(c_in * 9).enumerate().for_each(|(o, dw)| {
        isa.run(UnpackRow { partials, o, rows, columns, dw });
    });
    dw
}

struct UnpackRow<'a> {
    partials: &'a [Scratch],
    o: usize,
    rows: usize,
    columns: usize,
    dw: &'a mut [f32],
}

impl Kernel for UnpackRow<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let mut taps = [0f32; 9 * 16];
        for (first, dw) in (0..self.columns).step_by(S::LANES).zip(self.dw.chunks_mut(9 * S::LANES))
        {
            // SAFETY: `unpack` checked that every partial has all points, rows and columns; the
            // nine vectors of taps fit into the array for up to 16 lanes.
            unsafe {
                let mut half = [[S::splat(0.); 6]; 3];
                for j in 0..6 {
                    let mut column = [S::splat(0.); 6];
                    for (i, sum) in column.iter_mut().enumerate() {
                        let at = ((i * 6 + j) * self.rows + self.o) * self.columns + first;
                        for partial in self.partials {
                            *sum = S::add(*sum, S::load(partial.as_ptr().add(at)));
                        }
                    }
                    let column = transform::filter_transposed::<S>(column);
                    for (half, v) in half.iter_mut().zip(column) {
                        half[j] = v;
                    }
                }
                for (p, half) in half.into_iter().enumerate() {
                    for (q, v) in transform::filter_transposed::<S>(half).into_iter().enumerate() {
                        S::store(taps.as_mut_ptr().add((p * 3 + q) * S::LANES), v);
                    }
                }
            }
            for (lane, dw) in dw.chunks_mut(9).enumerate() {
                for (tap, dw) in dw.iter_mut().enumerate() {
                    *dw = taps[tap * S::LANES + lane];
                }
            }
        }
    }
}

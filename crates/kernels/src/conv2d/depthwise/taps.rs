//! Sums over the taps of a filter, `LANES` channels at once: the inner loops.

use crate::simd::Simd;

/// One tap of a filter: where its pixel lies from the first one, and where its weights do, in
/// numbers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tap {
    pub x: usize,
    pub w: usize,
}

/// Outputs at `rows` x `columns` positions, each the sum over taps of a weight and a pixel.
#[derive(Clone, Copy)]
pub(super) struct Convolution<'a, V> {
    pub taps: &'a [Tap],
    pub weights: *const f32,
    /// What the sums start with.
    pub start: V,
    pub rows: usize,
    pub columns: usize,
    /// The first tap's pixel of the first output, and the distances of those of the next row and
    /// column, in numbers.
    pub from: *const f32,
    pub from_row: usize,
    pub from_step: usize,
    /// The first output, and the distances of the next ones.
    pub to: *mut f32,
    pub to_row: usize,
    pub to_step: usize,
}

impl<V: Copy> Convolution<'_, V> {
    /// Computes all outputs.
    ///
    /// # Safety
    ///
    /// The CPU has the features of `S`; the pixel of every tap of every output is readable, its
    /// weights too, and the outputs are writable.
    #[inline(always)]
    pub(super) unsafe fn run<I: Simd<Vector = V>>(&self) {
        // SAFETY: the caller's promise; the blocks are no larger than the rows and columns.
        unsafe {
            match (self.from_step / I::LANES, self.rows, self.columns) {
                (1, _, 8..) => self.blocks::<I, 1, 8, 1>(),
                (2, _, 8..) => self.blocks::<I, 1, 8, 2>(),
                (1, _, 7) => self.blocks::<I, 1, 7, 1>(),
                (2, _, 7) => self.blocks::<I, 1, 7, 2>(),
                (1, 2.., 4..) => self.blocks::<I, 2, 4, 1>(),
                (_, _, 4..) => self.blocks::<I, 1, 4, 0>(),
                (1, 2.., 2..) => self.blocks::<I, 2, 2, 1>(),
                _ => self.blocks::<I, 1, 1, 0>(),
            }
        }
    }

    /// In blocks of `ROWS` x `COLUMNS` outputs, the last ones overlapping those before; `STEP` is
    /// the distance of two columns' pixels, in pixels, or 0 where it is not known.
    #[inline(always)]
    unsafe fn blocks<I, const ROWS: usize, const COLUMNS: usize, const STEP: usize>(&self)
    where
        I: Simd<Vector = V>,
    {
        let step = if STEP == 0 { self.from_step } else { STEP * I::LANES };
        let mut i = 0;
        while i < self.rows {
            i = i.min(self.rows - ROWS);
            let mut j = 0;
            while j < self.columns {
                j = j.min(self.columns - COLUMNS);
                // SAFETY: outputs within the rows and columns, and their pixels.
                unsafe {
                    let from = self.from.add(i * self.from_row + j * step);
                    let mut sums = [[self.start; COLUMNS]; ROWS];
                    for tap in self.taps {
                        let weight = I::load(self.weights.add(tap.w));
                        let from = from.add(tap.x);
                        for (row, sums) in sums.iter_mut().enumerate() {
                            for (column, sum) in sums.iter_mut().enumerate() {
                                let x = I::load(from.add(row * self.from_row + column * step));
                                *sum = I::fma(weight, x, *sum);
                            }
                        }
                    }
                    let to = self.to.add(i * self.to_row + j * self.to_step);
                    for (row, sums) in sums.into_iter().enumerate() {
                        for (column, sum) in sums.into_iter().enumerate() {
                            I::store(to.add(row * self.to_row + column * self.to_step), sum);
                        }
                    }
                }
                j += COLUMNS;
            }
            i += ROWS;
        }
    }
}

/// The gradient of a filter's taps: for each, the sum over the outputs of the output's gradient
/// and the pixel that the tap saw.
#[derive(Clone, Copy)]
pub(super) struct Correlation {
    pub kernel: (usize, usize),
    /// Outputs, and the distances of their gradients' rows; columns lie side by side.
    pub rows: usize,
    pub columns: usize,
    pub grad: *const f32,
    pub grad_row: usize,
    /// The first tap's pixel of the first output; the distances of the next output's rows and
    /// columns, and of the next tap's.
    pub x: *const f32,
    pub x_row: usize,
    pub x_step: usize,
    pub tap_row: usize,
    pub tap_step: usize,
    /// The taps' gradients, to be added to.
    pub to: *mut f32,
}

impl Correlation {
    /// # Safety
    ///
    /// The CPU has the features of `S`; the pixel of every tap of every output is readable, the
    /// outputs' gradients too, and a vector for each tap is writable.
    #[inline(always)]
    pub(super) unsafe fn run<S: Simd>(&self) {
        let (kh, kw) = self.kernel;
        // As many taps at once as there are registers; taps of a row lie side by side where the
        // filter is not dilated.
        let side_by_side = self.tap_step == S::LANES;
        let mut p = 0;
        while p < kh {
            // SAFETY: rows and columns of taps within the filter.
            unsafe {
                p += match (kw, kh - p) {
                    (3, 3..) if side_by_side => self.taps::<S, 3, 3>(p, 0),
                    (3, _) if side_by_side => self.taps::<S, 1, 3>(p, 0),
                    (5, 3..) if side_by_side => self.taps::<S, 3, 5>(p, 0),
                    (5, 2) if side_by_side => self.taps::<S, 2, 5>(p, 0),
                    (5, _) if side_by_side => self.taps::<S, 1, 5>(p, 0),
                    (7, 2..) if side_by_side => self.taps::<S, 2, 7>(p, 0),
                    (7, _) if side_by_side => self.taps::<S, 1, 7>(p, 0),
                    (_, 4..) => self.each_column::<S, 4>(p),
                    _ => self.each_column::<S, 1>(p),
                }
            }
        }
    }

    /// `P` rows of taps from `p` on, one column after the other; gives back `P`.
    #[inline(always)]
    unsafe fn each_column<S: Simd, const P: usize>(&self, p: usize) -> usize {
        for q in 0..self.kernel.1 {
            // SAFETY: the caller's promise.
            unsafe { self.taps::<S, P, 1>(p, q) };
        }
        P
    }

    /// `P` rows of taps from `p` on, `Q` taps of each from `q` on; gives back `P`.
    #[inline(always)]
    unsafe fn taps<S: Simd, const P: usize, const Q: usize>(&self, p: usize, q: usize) -> usize {
        // SAFETY: the caller's promise.
        unsafe {
            let mut sums = [[S::splat(0.); Q]; P];
            for i in 0..self.rows {
                let mut grad = self.grad.add(i * self.grad_row);
                let mut x = self.x.add(i * self.x_row + p * self.tap_row + q * self.tap_step);
                for _ in 0..self.columns {
                    let g = S::load(grad);
                    for (row, sums) in sums.iter_mut().enumerate() {
                        let x = x.add(row * self.tap_row);
                        for (column, sum) in sums.iter_mut().enumerate() {
                            *sum = S::fma(g, S::load(x.add(column * S::LANES)), *sum);
                        }
                    }
                    // Beyond the last column, where nothing is read.
                    grad = grad.wrapping_add(S::LANES);
                    x = x.wrapping_add(self.x_step);
                }
            }
            for (row, sums) in sums.into_iter().enumerate() {
                for (column, sum) in sums.into_iter().enumerate() {
                    let tap = (p + row) * self.kernel.1 + q + column;
                    let to = self.to.add(tap * S::LANES);
                    S::store(to, S::add(S::load(to), sum));
                }
            }
        }
        P
    }
}

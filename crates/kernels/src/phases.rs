//! Planes padded with zeros, each row sorted by the column's remainder modulo the stride: outputs
//! side by side then read pixels side by side, at any stride.

use crate::simd::{Isa, Kernel, Simd, load_some, store_some};
use std::mem::MaybeUninit;

/// The layout of a padded plane.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Phases {
    /// Rows, padding included.
    pub rows: usize,
    /// Remainders, and the length of a row of one.
    pub phases: usize,
    pub row: usize,
    /// Where the image starts.
    pub padding: (usize, usize),
}

impl Phases {
    pub(crate) fn len(&self) -> usize {
        self.rows * self.row_stride()
    }

    /// Distance of two rows.
    pub(crate) fn row_stride(&self) -> usize {
        self.phases * self.row
    }

    /// Where column `x` of a row lies.
    pub(crate) fn column(&self, x: usize) -> usize {
        x % self.phases * self.row + x / self.phases
    }

    /// Copies a plane with rows of `w` into zeros.
    pub(crate) fn fill(self, isa: Isa, plane: &[f32], w: usize, padded: &mut [f32]) {
        self.check(plane.len(), w, padded.len());
        isa.run(Fill { layout: self, plane, w, padded });
    }

    /// Copies a plane back, without what lies around it.
    pub(crate) fn unfill(self, isa: Isa, padded: &[f32], w: usize, plane: &mut [MaybeUninit<f32>]) {
        self.check(plane.len(), w, padded.len());
        isa.run(Unfill { layout: self, padded, w, plane });
    }

    fn check(&self, plane: usize, w: usize, padded: usize) {
        assert!(plane / w + self.padding.0 <= self.rows && padded >= self.len());
        assert!(w + self.padding.1 <= self.row_stride());
    }

    /// Where the even columns of the image's row `y` start, and where the odd ones.
    fn halves(&self, y: usize) -> (usize, usize) {
        let start = (y + self.padding.0) * self.row_stride();
        (start + self.column(self.padding.1), start + self.column(self.padding.1 + 1))
    }
}

struct Fill<'a> {
    layout: Phases,
    plane: &'a [f32],
    w: usize,
    padded: &'a mut [f32],
}

impl Kernel for Fill<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self { layout, plane, w, padded } = self;
        for (y, from) in plane.chunks_exact(w).enumerate() {
            let start = (y + layout.padding.0) * layout.row_stride();
            if layout.phases == 1 {
                padded[start + layout.padding.1..][..w].copy_from_slice(from);
                continue;
            }
            if layout.phases == 2 {
                let (even, odd) = layout.halves(y);
                for x in (0..w).step_by(2 * S::LANES) {
                    let rest = (w - x).min(2 * S::LANES);
                    // SAFETY: at most two vectors of the row, and half as many of each phase's
                    // row, which holds the image's columns by `Phases::check`.
                    unsafe {
                        let (from, to) = (from.as_ptr().add(x), padded.as_mut_ptr().add(x / 2));
                        let a = load_some::<S>(from, rest);
                        let second = rest.saturating_sub(S::LANES);
                        let b = load_some::<S>(from.add(rest - second), second);
                        let (a, b) = S::deinterleave(a, b);
                        store_some::<S>(to.add(even), a, rest.div_ceil(2));
                        store_some::<S>(to.add(odd), b, rest / 2);
                    }
                }
                continue;
            }
            for (x, &v) in from.iter().enumerate() {
                padded[start + layout.column(x + layout.padding.1)] = v;
            }
        }
    }
}

struct Unfill<'a> {
    layout: Phases,
    padded: &'a [f32],
    w: usize,
    /// Whole rows of `w` numbers, to be written.
    plane: &'a mut [MaybeUninit<f32>],
}

impl Kernel for Unfill<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self { layout, padded, w, plane } = self;
        for (y, to) in plane.chunks_exact_mut(w).enumerate() {
            let start = (y + layout.padding.0) * layout.row_stride();
            if layout.phases == 1 {
                to.write_copy_of_slice(&padded[start + layout.padding.1..][..w]);
                continue;
            }
            if layout.phases == 2 {
                let (even, odd) = layout.halves(y);
                for x in (0..w).step_by(2 * S::LANES) {
                    let rest = (w - x).min(2 * S::LANES);
                    // SAFETY: at most two vectors of the row, and half as many of each phase's
                    // row, which holds the image's columns by `Phases::check`.
                    unsafe {
                        let from = padded.as_ptr().add(x / 2);
                        let a = load_some::<S>(from.add(even), rest.div_ceil(2));
                        let b = load_some::<S>(from.add(odd), rest / 2);
                        let (a, b) = S::interleave(a, b);
                        let (to, second) =
                            (to.as_mut_ptr().cast::<f32>(), rest.saturating_sub(S::LANES));
                        store_some::<S>(to.add(x), a, rest);
                        store_some::<S>(to.add(x + rest - second), b, second);
                    }
                }
                continue;
            }
            for (x, to) in to.iter_mut().enumerate() {
                to.write(padded[start + layout.column(x + layout.padding.1)]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::UninitVec;
    use rayon::prelude::*;

    #[test]
    fn a_plane_comes_back_and_lies_where_its_columns_say() {
        for isa in Isa::all() {
            for (phases, pad, w) in (1..4usize)
                .flat_map(|s| (0..4usize).flat_map(move |p| [1usize, 7, 16, 45].map(|w| (s, p, w))))
            {
                let row = usize::div_ceil(w + 2 * pad, phases) + 1;
                let layout = Phases { rows: 3 + 2 * pad, phases, row, padding: (pad, pad) };
                let plane: Vec<f32> = (0..3 * w).map(|i| (i + 1) as f32).collect();
                let mut padded = vec![0.; layout.len()];
                layout.fill(isa, &plane, w, &mut padded);
                for y in 0..3 {
                    for x in 0..w {
                        let at = (y + pad) * layout.row_stride() + layout.column(x + pad);
                        assert_eq!(padded[at], plane[y * w + x]);
                    }
                }
                assert_eq!(padded.iter().filter(|&&v| v != 0.).count(), plane.len());
                let mut back = UninitVec::new(plane.len());
                back.pieces(plane.len()).for_each(|back| layout.unfill(isa, &padded, w, back));
                // SAFETY: all rows were written.
                assert_eq!(unsafe { back.finish() }, plane);
            }
        }
    }
}

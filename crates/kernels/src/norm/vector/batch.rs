//! Batch normalization, a plane (an image's channel) at a time.

use super::sums;
use crate::scratch::Output;
use crate::simd::{Isa, Kernel, Simd};
use rayon::prelude::*;

/// (n, c, inner): images, channels and positions.
#[derive(Clone, Copy)]
pub(in crate::norm) struct Dims {
    pub n: usize,
    pub c: usize,
    pub inner: usize,
}

impl Dims {
    /// Planes of fewer positions are not worth a vector.
    pub(in crate::norm) const LEAST: usize = 8;

    fn plane(self, x: &[f32], n: usize, c: usize) -> &[f32] {
        &x[(n * self.c + c) * self.inner..][..self.inner]
    }
}

/// Of each channel, the sum over images of two sums over a plane.
pub(in crate::norm) fn channel_sums(
    isa: Isa,
    dims: Dims,
    a: &[f32],
    b: &[f32],
    mean: impl Fn(usize) -> f64 + Sync,
    what: Sums,
) -> Vec<[f64; 2]> {
    assert_eq!((a.len(), b.len()), (dims.n * dims.c * dims.inner, a.len()));
    let channels = (0..dims.c).into_par_iter().map(|c| {
        let mut total = [0.; 2];
        for n in 0..dims.n {
            let (a, b) = (dims.plane(a, n, c), dims.plane(b, n, c));
            let plane = isa.run(PlaneSums { a, b, mean: mean(c) as f32, what });
            total[0] += f64::from(plane[0]);
            total[1] += f64::from(plane[1]);
        }
        total
    });
    channels.collect()
}

#[derive(Clone, Copy)]
pub(in crate::norm) enum Sums {
    /// Of `a - mean`, and of its square.
    Moments,
    /// Of `b`, and of `b (a - mean)`.
    Gradients,
}

struct PlaneSums<'a> {
    a: &'a [f32],
    b: &'a [f32],
    mean: f32,
    what: Sums,
}

impl Kernel for PlaneSums<'_> {
    type Output = [f32; 2];

    #[inline(always)]
    unsafe fn run<S: Simd>(self) -> [f32; 2] {
        let m = self.mean;
        // SAFETY: arithmetic on registers; the caller has the features of `S`.
        unsafe {
            let mean = S::splat(m);
            match self.what {
                Sums::Moments => sums::<S, 2>(
                    self.a,
                    self.b,
                    |a, _| {
                        let centered = S::sub(a, mean);
                        [centered, S::mul(centered, centered)]
                    },
                    |a, _| [a - m, (a - m) * (a - m)],
                ),
                Sums::Gradients => sums::<S, 2>(
                    self.a,
                    self.b,
                    |a, b| [b, S::mul(b, S::sub(a, mean))],
                    |a, b| [b, b * (a - m)],
                ),
            }
        }
    }
}

/// `a[c] * (x - center[c]) + b[c] * y + offset[c]` for each element.
#[derive(Clone, Copy)]
pub(in crate::norm) struct Affine {
    pub x: f32,
    pub center: f32,
    pub y: f32,
    pub offset: f32,
}

pub(in crate::norm) fn affine(
    isa: Isa,
    dims: Dims,
    x: &[f32],
    y: &[f32],
    channels: &[Affine],
) -> Vec<f32> {
    assert_eq!((y.len(), channels.len()), (x.len(), dims.c));
    let mut out = Output::<f32>::new(x.len());
    let inputs = x.par_chunks(dims.inner).zip(y.par_chunks(dims.inner));
    out.pieces(dims.inner).zip(inputs).enumerate().with_min_len(8).for_each(
        |(plane, (out, (x, y)))| {
            let out = out.as_mut_ptr().cast();
            isa.run(Plane { x, y, affine: channels[plane % dims.c], out });
        },
    );
    // SAFETY: every element of every plane is written.
    unsafe { out.finish() }
}

struct Plane<'a> {
    x: &'a [f32],
    y: &'a [f32],
    affine: Affine,
    /// As many elements, to be written.
    out: *mut f32,
}

impl Kernel for Plane<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Affine { x: a, center, y: b, offset } = self.affine;
        // SAFETY: `affine` gave slices of one length; the last elements are taken in part.
        unsafe {
            let (a, center, b, offset) =
                (S::splat(a), S::splat(center), S::splat(b), S::splat(offset));
            for i in (0..self.x.len()).step_by(S::LANES) {
                let rest = self.x.len() - i;
                let (x, y) = (self.x.as_ptr().add(i), self.y.as_ptr().add(i));
                let (x, y) = match rest < S::LANES {
                    true => (S::load_first(x, rest), S::load_first(y, rest)),
                    false => (S::load(x), S::load(y)),
                };
                let v = S::fma(a, S::sub(x, center), S::fma(b, y, offset));
                match rest < S::LANES {
                    true => S::store_first(self.out.add(i), v, rest),
                    false => S::store(self.out.add(i), v),
                }
            }
        }
    }
}

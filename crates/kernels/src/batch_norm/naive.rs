//! Batch normalization in plain loops, a channel at a time: one task sums a whole channel in a fixed
//! order, in `f64`.

use super::statistics::{Dims, Statistics};
use crate::element::Element;
use rayon::prelude::*;

/// The pieces of channel `c`, one an image.
fn channel<T>(dims: Dims, x: &[T], c: usize) -> impl Iterator<Item = &[T]> {
    (0..dims.n).map(move |n| &x[(n * dims.c + c) * dims.inner..][..dims.inner])
}

pub(super) fn statistics<T: Element>(dims: Dims, x: &[T]) -> Statistics {
    let (mean, variance) = (0..dims.c)
        .into_par_iter()
        .map(|c| {
            let sum: f64 = channel(dims, x, c).flatten().map(|x| x.to_f64()).sum();
            let mean = sum / dims.count();
            let squares = channel(dims, x, c).flatten().map(|x| (x.to_f64() - mean).powi(2));
            (mean, squares.sum::<f64>() / dims.count())
        })
        .unzip();
    Statistics { mean, variance }
}

pub(super) fn forward<T: Element>(
    dims: Dims,
    x: &[T],
    [gamma, beta]: [&[T]; 2],
    eps: f64,
    s: &Statistics,
) -> Vec<T> {
    let mut y = vec![T::ZERO; x.len()];
    let planes = y.par_chunks_mut(dims.inner.max(1)).zip(x.par_chunks(dims.inner.max(1)));
    planes.enumerate().with_min_len(8).for_each(|(plane, (y, x))| {
        let c = plane % dims.c;
        let scale = gamma[c].to_f64() / (s.variance[c] + eps).sqrt();
        let (mean, beta) = (s.mean[c], beta[c].to_f64());
        for (y, &x) in y.iter_mut().zip(x) {
            *y = T::from_f64((x.to_f64() - mean) * scale + beta);
        }
    });
    y
}

/// The gradients of x, gamma and beta that are wanted; `own` says whether the statistics are the
/// batch's own and move with `x`.
pub(super) fn backward<T: Element>(
    dims: Dims,
    [x, gamma, grad]: [&[T]; 3],
    eps: f64,
    s: &Statistics,
    own: bool,
    [want_x, want_gamma, want_beta]: [bool; 3],
) -> [Option<Vec<T>>; 3] {
    // Of each channel: 1 / standard deviation, sum of the gradient, and sum of the gradient
    // times the normalized input.
    let sums: Vec<(f64, f64, f64)> = (0..dims.c)
        .into_par_iter()
        .map(|c| {
            let inverse = (s.variance[c] + eps).sqrt().recip();
            let (mut sum, mut product) = (0., 0.);
            for (x, g) in channel(dims, x, c).zip(channel(dims, grad, c)) {
                for (x, g) in x.iter().zip(g) {
                    sum += g.to_f64();
                    product += g.to_f64() * (x.to_f64() - s.mean[c]) * inverse;
                }
            }
            (inverse, sum, product)
        })
        .collect();
    let dx = || {
        let mut dx = vec![T::ZERO; x.len()];
        let inputs = x.par_chunks(dims.inner.max(1)).zip(grad.par_chunks(dims.inner.max(1)));
        let planes = dx.par_chunks_mut(dims.inner.max(1)).zip(inputs);
        planes.enumerate().with_min_len(8).for_each(|(plane, (dx, (x, g)))| {
            let c = plane % dims.c;
            let (inverse, sum, product) = sums[c];
            let (shift, slope) = match own {
                true => (sum / dims.count(), product * inverse / dims.count()),
                false => (0., 0.),
            };
            let scale = gamma[c].to_f64() * inverse;
            for ((dx, x), g) in dx.iter_mut().zip(x).zip(g) {
                let centered = x.to_f64() - s.mean[c];
                *dx = T::from_f64(scale * (g.to_f64() - shift - centered * slope));
            }
        });
        dx
    };
    [
        want_x.then(dx),
        want_gamma.then(|| sums.iter().map(|s| T::from_f64(s.2)).collect()),
        want_beta.then(|| sums.iter().map(|s| T::from_f64(s.1)).collect()),
    ]
}

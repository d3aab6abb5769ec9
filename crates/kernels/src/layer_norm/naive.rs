//! Layer normalization in plain loops, a row at a time; statistics and sums are taken in `f64`.

use crate::element::Element;
use rayon::prelude::*;

/// Rows whose gradients of gamma and beta one task adds up; the tasks' sums are added in order.
const ROWS_PER_SUM: usize = 64;

/// Mean and 1 / standard deviation of a row.
fn statistics<T: Element>(x: &[T], eps: f64) -> (f64, f64) {
    let count = x.len() as f64;
    let mean = x.iter().map(|x| x.to_f64()).sum::<f64>() / count;
    let variance = x.iter().map(|x| (x.to_f64() - mean).powi(2)).sum::<f64>() / count;
    (mean, (variance + eps).sqrt().recip())
}

pub(super) fn forward<T: Element>(x: &[T], gamma: &[T], beta: &[T], eps: f64) -> Vec<T> {
    let k = gamma.len();
    let mut y = vec![T::ZERO; x.len()];
    y.par_chunks_mut(k).zip(x.par_chunks(k)).with_min_len(8).for_each(|(y, x)| {
        let (mean, inverse) = statistics(x, eps);
        for (((y, x), gamma), beta) in y.iter_mut().zip(x).zip(gamma).zip(beta) {
            let normalized = (x.to_f64() - mean) * inverse;
            *y = T::from_f64(normalized * gamma.to_f64() + beta.to_f64());
        }
    });
    y
}

/// The gradients of x, gamma and beta.
pub(super) fn backward<T: Element>([x, gamma, grad]: [&[T]; 3], eps: f64) -> [Vec<T>; 3] {
    let k = gamma.len();
    let mut dx = vec![T::ZERO; x.len()];
    let inputs = x.par_chunks(ROWS_PER_SUM * k).zip(grad.par_chunks(ROWS_PER_SUM * k));
    let partials: Vec<Vec<f64>> = dx
        .par_chunks_mut(ROWS_PER_SUM * k)
        .zip(inputs)
        .map(|(dx, (x, grad))| {
            let mut sums = vec![0.; 2 * k];
            for ((dx, x), grad) in dx.chunks_mut(k).zip(x.chunks(k)).zip(grad.chunks(k)) {
                backward_row(dx, [x, gamma, grad], eps, &mut sums);
            }
            sums
        })
        .collect();
    let mut sums = vec![0.; 2 * k];
    for partial in partials {
        for (sum, partial) in sums.iter_mut().zip(partial) {
            *sum += partial;
        }
    }
    let cast = |sums: &[f64]| sums.iter().map(|&s| T::from_f64(s)).collect();
    [dx, cast(&sums[..k]), cast(&sums[k..])]
}

fn backward_row<T: Element>(dx: &mut [T], [x, gamma, grad]: [&[T]; 3], eps: f64, sums: &mut [f64]) {
    let k = gamma.len();
    let (mean, inverse) = statistics(x, eps);
    let normalized = |i: usize| (x[i].to_f64() - mean) * inverse;
    let scaled = |i: usize| grad[i].to_f64() * gamma[i].to_f64();
    let (mut sum, mut product) = (0., 0.);
    for i in 0..k {
        sum += scaled(i);
        product += scaled(i) * normalized(i);
        sums[i] += grad[i].to_f64() * normalized(i);
        sums[k + i] += grad[i].to_f64();
    }
    let (sum, product) = (sum / k as f64, product / k as f64);
    for (i, dx) in dx.iter_mut().enumerate() {
        *dx = T::from_f64(inverse * (scaled(i) - sum - normalized(i) * product));
    }
}

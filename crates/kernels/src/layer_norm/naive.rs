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

/// Adds to the sums what a row of x and one of the gradient give.
type Terms<'a, T> = dyn Fn(&[T], &[T], &mut [f64]) + Sync + 'a;

/// The gradients of x, gamma and beta that are wanted.
pub(super) fn backward<T: Element>(
    [x, gamma, grad]: [&[T]; 3],
    eps: f64,
    [want_x, want_gamma, want_beta]: [bool; 3],
) -> [Option<Vec<T>>; 3] {
    let k = gamma.len();
    // The sum of the terms of all rows, element by element: some rows a task, whose sums are added in order.
    let sum_rows = |terms: &Terms<T>| {
        let size = ROWS_PER_SUM * k;
        let partials: Vec<Vec<f64>> = x
            .par_chunks(size)
            .zip(grad.par_chunks(size))
            .map(|(x, grad)| {
                let mut sums = vec![0.; k];
                x.chunks(k).zip(grad.chunks(k)).for_each(|(x, grad)| terms(x, grad, &mut sums));
                sums
            })
            .collect();
        let sum = |i: usize| partials.iter().fold(0., |sum, partial| sum + partial[i]);
        (0..k).map(|i| T::from_f64(sum(i))).collect()
    };
    let dx = || {
        let mut dx = vec![T::ZERO; x.len()];
        let rows = dx.par_chunks_mut(k).zip(x.par_chunks(k).zip(grad.par_chunks(k)));
        rows.with_min_len(8).for_each(|(dx, (x, grad))| input_gradient(dx, [x, gamma, grad], eps));
        dx
    };
    [
        want_x.then(dx),
        want_gamma.then(|| {
            sum_rows(&|x, grad, sums| {
                let (mean, inverse) = statistics(x, eps);
                for ((sum, x), grad) in sums.iter_mut().zip(x).zip(grad) {
                    *sum += grad.to_f64() * ((x.to_f64() - mean) * inverse);
                }
            })
        }),
        want_beta.then(|| {
            sum_rows(&|_, grad, sums| {
                sums.iter_mut().zip(grad).for_each(|(sum, grad)| *sum += grad.to_f64());
            })
        }),
    ]
}

fn input_gradient<T: Element>(dx: &mut [T], [x, gamma, grad]: [&[T]; 3], eps: f64) {
    let k = gamma.len() as f64;
    let (mean, inverse) = statistics(x, eps);
    let normalized = |i: usize| (x[i].to_f64() - mean) * inverse;
    let scaled = |i: usize| grad[i].to_f64() * gamma[i].to_f64();
    let (mut sum, mut product) = (0., 0.);
    for i in 0..gamma.len() {
        sum += scaled(i);
        product += scaled(i) * normalized(i);
    }
    let (sum, product) = (sum / k, product / k);
    for (i, dx) in dx.iter_mut().enumerate() {
        *dx = T::from_f64(inverse * (scaled(i) - sum - normalized(i) * product));
    }
}

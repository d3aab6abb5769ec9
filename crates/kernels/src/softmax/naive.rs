//! Softmax row by row; sums are taken in `f64`. `k` is the length of a row.

use crate::element::Element;
use rayon::prelude::*;

/// Applies `f` to each row of the output with the same row of both inputs.
fn rows<T: Element>(k: usize, a: &[T], b: &[T], f: impl Fn(&mut [T], &[T], &[T]) + Sync) -> Vec<T> {
    let mut out = vec![T::ZERO; a.len()];
    let inputs = a.par_chunks(k).zip(b.par_chunks(k));
    out.par_chunks_mut(k).zip(inputs).with_min_len(16).for_each(|(out, (a, b))| f(out, a, b));
    out
}

/// The largest element and the logarithm of the sum of exponentials, less that element.
fn log_sum_exp<T: Element>(x: &[T]) -> (T, f64) {
    let mut max = x[0];
    for &v in x {
        if v > max {
            max = v;
        }
    }
    let sum: f64 = x.iter().map(|&v| (v - max).exp().to_f64()).sum();
    (max, sum.ln())
}

fn softmax_row<T: Element>(p: &mut [T], x: &[T]) {
    let (max, log_sum) = log_sum_exp(x);
    let scale = T::from_f64((-log_sum).exp());
    for (p, &x) in p.iter_mut().zip(x) {
        *p = (x - max).exp() * scale;
    }
}

fn log_softmax_row<T: Element>(y: &mut [T], x: &[T]) {
    let (max, log_sum) = log_sum_exp(x);
    for (y, &x) in y.iter_mut().zip(x) {
        *y = (x - max) - T::from_f64(log_sum);
    }
}

/// Probabilities.
pub(super) fn softmax<T: Element>(k: usize, x: &[T]) -> Vec<T> {
    rows(k, x, x, |p, x, _| softmax_row(p, x))
}

/// From the probabilities.
pub(super) fn softmax_gradient<T: Element>(k: usize, p: &[T], grad: &[T]) -> Vec<T> {
    rows(k, p, grad, |dx, p, g| {
        let mean: f64 = p.iter().zip(g).map(|(&p, &g)| (p * g).to_f64()).sum();
        for ((dx, &p), &g) in dx.iter_mut().zip(p).zip(g) {
            *dx = p * (g - T::from_f64(mean));
        }
    })
}

/// Logarithms of the probabilities.
pub(super) fn log_softmax<T: Element>(k: usize, x: &[T]) -> Vec<T> {
    rows(k, x, x, |y, x, _| log_softmax_row(y, x))
}

/// From the logarithms.
pub(super) fn log_softmax_gradient<T: Element>(k: usize, y: &[T], grad: &[T]) -> Vec<T> {
    rows(k, y, grad, |dx, y, g| {
        let sum: f64 = g.iter().map(|g| g.to_f64()).sum();
        for ((dx, &y), &g) in dx.iter_mut().zip(y).zip(g) {
            *dx = g - y.exp() * T::from_f64(sum);
        }
    })
}

/// The loss of each row.
pub(super) fn cross_entropy<T: Element>(k: usize, logits: &[T], targets: &[T]) -> Vec<T> {
    let rows = logits.par_chunks(k).zip(targets.par_chunks(k)).with_min_len(16);
    let losses = rows.map(|(x, t)| {
        let (max, log_sum) = log_sum_exp(x);
        let terms = x.iter().zip(t);
        let sum: f64 = terms.map(|(&x, &t)| t.to_f64() * (log_sum - (x - max).to_f64())).sum();
        T::from_f64(sum)
    });
    losses.collect()
}

/// The gradient of the logits.
pub(super) fn cross_entropy_gradient<T: Element>(
    k: usize,
    logits: &[T],
    targets: &[T],
    grad: &[T],
) -> Vec<T> {
    let mut d_logits = rows(k, logits, targets, |d, x, t| {
        softmax_row(d, x);
        let sum: f64 = t.iter().map(|t| t.to_f64()).sum();
        for (d, &t) in d.iter_mut().zip(t) {
            *d = *d * T::from_f64(sum) - t;
        }
    });
    scale_rows(&mut d_logits, k, grad, T::ONE);
    d_logits
}

/// The gradient of the targets.
pub(super) fn cross_entropy_targets_gradient<T: Element>(
    k: usize,
    logits: &[T],
    grad: &[T],
) -> Vec<T> {
    let mut d_targets = log_softmax(k, logits);
    scale_rows(&mut d_targets, k, grad, -T::ONE);
    d_targets
}

fn scale_rows<T: Element>(rows: &mut [T], k: usize, factors: &[T], sign: T) {
    rows.par_chunks_mut(k).zip(factors).with_min_len(16).for_each(|(row, &factor)| {
        for v in row {
            *v *= sign * factor;
        }
    });
}

//! The bias and its gradient, in plain loops.

use crate::element::Element;
use rayon::prelude::*;

/// Rows whose gradients of the bias one task adds up.
pub(super) const ROWS_PER_SUM: usize = 64;

/// Adds the bias to each row of `out` numbers, and applies the ReLU.
pub(super) fn add_bias<T: Element>(y: &mut [T], out: usize, bias: Option<&[T]>, relu: bool) {
    if !relu && bias.is_none() {
        return;
    }
    y.par_chunks_mut(out.max(1)).with_min_len(16).for_each(|row| {
        for (o, y) in row.iter_mut().enumerate() {
            *y += bias.map_or(T::ZERO, |bias| bias[o]);
            if relu && *y <= T::ZERO {
                *y = T::ZERO;
            }
        }
    });
}

/// Sums of the columns: some rows a task, whose sums are added in order.
pub(super) fn column_sums<T: Element>(x: &[T], columns: usize) -> Vec<T> {
    let mut total = vec![T::ZERO; columns];
    if columns == 0 {
        return total;
    }
    let partials: Vec<Vec<T>> = x
        .par_chunks(ROWS_PER_SUM * columns)
        .map(|rows| {
            let mut sums = vec![T::ZERO; columns];
            for row in rows.chunks(columns) {
                for (sum, &x) in sums.iter_mut().zip(row) {
                    *sum += x;
                }
            }
            sums
        })
        .collect();
    for partial in partials {
        for (total, sum) in total.iter_mut().zip(partial) {
            *total += sum;
        }
    }
    total
}

//! What follows a product, while it is still in the caches.

use crate::activation::{Activation, value};
use crate::simd::{Simd, load_some, store_some};
use std::ops::Range;

/// What is added to the product, and what follows.
#[derive(Clone, Copy, Default)]
pub(crate) struct Epilogue<'a> {
    /// One number a column.
    pub column_bias: Option<&'a [f32]>,
    /// One number a row.
    pub row_bias: Option<&'a [f32]>,
    pub activation: Option<Activation>,
}

impl Epilogue<'_> {
    /// Bias and activation for a part of the product; `out` starts at its first element, and its rows lie `row_len`
    /// apart.
    ///
    /// # Safety
    ///
    /// The CPU has the features of `S`, the biases have the rows and columns, and nobody else uses the part of the output.
    #[inline(always)]
    pub(super) unsafe fn apply<S: Simd>(
        &self,
        rows: Range<usize>,
        columns: Range<usize>,
        out: *mut f32,
        row_len: usize,
    ) {
        let Self { column_bias, row_bias, activation } = *self;
        if column_bias.is_none() && row_bias.is_none() && activation.is_none() {
            return;
        }
        for (index, row) in rows.enumerate() {
            let row_bias = row_bias.map_or(0., |bias| bias[row]);
            // A loop for each of the usual activations. SAFETY: the caller's promise, for one of the rows.
            unsafe {
                let out = out.add(index * row_len);
                let bias = column_bias.map(|bias| &bias[columns.clone()]);
                let (bias, count) = ((bias, row_bias), columns.len());
                match activation {
                    None => finish::<S>(out, count, bias, None),
                    Some(Activation::Relu) => {
                        finish::<S>(out, count, bias, Some(Activation::Relu));
                    }
                    Some(Activation::Relu6) => {
                        finish::<S>(out, count, bias, Some(Activation::Relu6));
                    }
                    other => finish::<S>(out, count, bias, other),
                }
            }
        }
    }
}

/// Bias and activation for `count` columns of a row.
#[inline(always)]
unsafe fn finish<S: Simd>(
    out: *mut f32,
    count: usize,
    (columns, row): (Option<&[f32]>, f32),
    activation: Option<Activation>,
) {
    for i in (0..count).step_by(S::LANES) {
        let rest = count - i;
        // SAFETY: elements of the row, and as many of the columns' bias.
        unsafe {
            let mut v = S::add(load_some::<S>(out.add(i), rest), S::splat(row));
            if let Some(columns) = columns {
                v = S::add(v, load_some::<S>(columns.as_ptr().add(i), rest));
            }
            if let Some(function) = activation {
                v = value::<S>(function, v);
            }
            store_some::<S>(out.add(i), v, rest);
        }
    }
}

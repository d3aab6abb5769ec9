//! Matrix products, by the `gemm` crate that candle uses, on slices.

use crate::element::Element;
use crate::scratch::Output;
use gemm::Parallelism;

/// A matrix within a slice.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a, T> {
    pub data: &'a [T],
    pub rows: usize,
    pub columns: usize,
    /// Distance between two rows, and between two columns.
    pub strides: (usize, usize),
}

impl<'a, T> Matrix<'a, T> {
    /// `rows` rows one after the other.
    pub(crate) fn new(data: &'a [T], rows: usize, columns: usize) -> Self {
        assert_eq!(data.len(), rows * columns);
        Self { data, rows, columns, strides: (columns, 1) }
    }

    pub(crate) fn transposed(self) -> Self {
        let (row, column) = self.strides;
        Self { rows: self.columns, columns: self.rows, strides: (column, row), ..self }
    }
}

/// The product of two matrices, row by row. The crate shares out rows and columns of the result
/// between threads, never parts of a sum.
pub(crate) fn product<T: Element>(a: Matrix<T>, b: Matrix<T>) -> Vec<T> {
    assert_eq!(a.columns, b.rows);
    if a.columns == 0 {
        return vec![T::ZERO; a.rows * b.columns];
    }
    let mut out = Output::<T>::new(a.rows * b.columns);
    // SAFETY: a matrix is made by `new` alone, so that its strides stay within its data; the
    // output has room for the product, whose every element is written, since the sum is not empty.
    unsafe {
        gemm::gemm(
            a.rows,
            b.columns,
            a.columns,
            out.shared().pointer(),
            1,
            b.columns as isize,
            false,
            a.data.as_ptr(),
            a.strides.1 as isize,
            a.strides.0 as isize,
            b.data.as_ptr(),
            b.strides.1 as isize,
            b.strides.0 as isize,
            T::ZERO,
            T::ONE,
            false,
            false,
            false,
            Parallelism::Rayon(0),
        );
        out.finish()
    }
}

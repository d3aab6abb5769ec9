use super::*;
use crate::activation::Activation;
use crate::counter::Counter;

fn random(key: u64, len: usize) -> Vec<f32> {
    let counter = Counter::new(key);
    (0..len as u64).map(|i| counter.normal(i) as f32).collect()
}

#[test]
fn products_of_any_shape_and_order_agree_with_plain_sums() {
    let sizes = [(1, 1, 1), (6, 16, 8), (7, 17, 9), (5, 3, 300), (100, 40, 257), (13, 300, 1)];
    for (m, n, k) in sizes.into_iter().chain([(97, 33, 700), (3, 5, 0)]) {
        let (a, b) = (random(1, m * k), random(2, k * n));
        let (columns, row) = (random(3, n), random(4, m));
        for case in 0..8 {
            let relu = case >= 4;
            let a = match case % 2 {
                0 => Matrix::new(&a, m, k),
                _ => Matrix::new(&a, k, m).transposed(),
            };
            let b = match case / 2 % 2 {
                0 => Matrix::new(&b, k, n),
                _ => Matrix::new(&b, n, k).transposed(),
            };
            let epilogue = Epilogue {
                column_bias: relu.then_some(&columns),
                row_bias: relu.then_some(&row),
                activation: relu.then_some(Activation::Relu),
            };
            for isa in Isa::all() {
                let found = multiply(isa, a, b, epilogue);
                for i in 0..m {
                    for j in 0..n {
                        let at = |m: Matrix<f32>, i, j| {
                            f64::from(m.data[i * m.strides.0 + j * m.strides.1])
                        };
                        let sum: f64 = (0..k).map(|l| at(a, i, l) * at(b, l, j)).sum();
                        let bias = f64::from(columns[j]) + f64::from(row[i]);
                        let expected = if relu { (sum + bias).max(0.) } else { sum };
                        let error = (f64::from(found[i * n + j]) - expected).abs();
                        // Sums of up to 700 terms of size 1.
                        assert!(error < 1e-4, "{m} {n} {k} case {case}: {error}");
                    }
                }
            }
        }
    }
}

#[test]
fn an_element_has_the_same_bits_whatever_else_is_in_the_product() {
    // More steps than are summed at once, and columns that fill no whole panel.
    let (m, n, k) = (13, 75, 700);
    let (a, b) = (random(1, m * k), random(2, n * k));
    for isa in Isa::all() {
        let product = |rows: usize, columns: usize| {
            let a = Matrix::new(&a[..rows * k], rows, k);
            let b = Matrix::new(&b[..columns * k], columns, k).transposed();
            multiply(isa, a, b, Epilogue::default())
        };
        let whole = product(m, n);
        for (rows, columns) in [(1, 1), (5, 3), (13, 20), (6, 33), (13, 74)] {
            let part = product(rows, columns);
            for (row, part) in part.chunks_exact(columns).enumerate() {
                assert_eq!(part, &whole[row * n..][..columns], "{rows}x{columns}, row {row}");
            }
        }
    }
}

use super::bias::ROWS_PER_SUM;
use super::{linear, linear_relu};
use crate::check::{assert_error, check_gradients, check_implementations, normal};
use crate::gemm::{PANELS_PER_TASK, ROWS_PER_TASK, STEPS_AT_ONCE};
use candle_core::Tensor;

#[test]
fn all_implementations_agree() {
    for leading in [&[][..], &[1], &[5], &[2, 3], &[2, 3, 4]] {
        for (inner, out) in [(1, 1), (7, 3), (33, 20)] {
            let x = normal(1, &[leading, &[inner]].concat());
            let inputs = [x, normal(2, &[out, inner]), normal(3, &[out])];
            let with_bias = |t: &[Tensor]| linear(&t[0], &t[1], Some(&t[2]));
            check_implementations(&format!("{leading:?} {inner} {out}"), 1e-6, &inputs, with_bias);
            check_gradients(&format!("{leading:?} {inner} {out}"), &inputs, with_bias);
            let relu = |t: &[Tensor]| linear_relu(&t[0], &t[1], Some(&t[2]));
            check_implementations(&format!("{leading:?} {inner} {out} relu"), 1e-6, &inputs, relu);
            check_gradients(&format!("{leading:?} {inner} {out} relu"), &inputs, relu);
            let without = |t: &[Tensor]| linear(&t[0], &t[1], None);
            check_implementations(
                &format!("{leading:?} {inner} {out}"),
                1e-6,
                &inputs[..2],
                without,
            );
        }
    }
}

/// Several tasks of rows, of panels of any width, of sums of rows and of parts of a sum, in all three products.
#[test]
fn products_in_several_parts_agree() {
    const ROWS: usize = STEPS_AT_ONCE + 45;
    const OUT: usize = PANELS_PER_TASK * 32 + 13;
    const { assert!(ROWS > 2 * ROWS_PER_TASK) };
    const { assert!(ROWS > 2 * ROWS_PER_SUM && OUT > 2 * STEPS_AT_ONCE) };
    let inputs = [normal(1, &[ROWS, OUT - 4]), normal(2, &[OUT, OUT - 4]), normal(3, &[OUT])];
    check_implementations("parts", 1e-6, &inputs, |t| linear(&t[0], &t[1], Some(&t[2])));
}

#[test]
fn a_shape_that_cannot_be_is_an_error_that_says_why() {
    let (x, w, b) = (normal(1, &[2, 3]), normal(2, &[4, 5]), normal(3, &[3]));
    assert_error(|| linear(&x, &w, None), &["linear", "expects 5 features", "has 3"]);
    assert_error(|| linear(&x, &b, None), &["weight of rank 2", "[3]"]);
    let w = normal(2, &[4, 3]);
    assert_error(|| linear(&x, &w, Some(&b)), &["bias of shape [4]", "[3]"]);
    let scalar = normal(1, &[]);
    assert_error(|| linear(&scalar, &w, None), &["rank 1 or more"]);
}

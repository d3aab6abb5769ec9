use super::{attention, attention_packed};
use crate::check::{assert_error, check_gradients, check_implementations, normal};
use candle_core::Tensor;

#[test]
fn attention_agrees_for_any_number_of_tokens_heads_and_features() {
    // One token, a block's borders (132 queries), other keys than queries, odd widths.
    let sizes = [(1, 1, 1, 1, 1), (2, 3, 5, 7, 4), (1, 2, 17, 17, 8), (2, 1, 197, 33, 16)];
    for (batch, heads, tokens, others, width) in sizes.into_iter().chain([(1, 1, 300, 290, 5)]) {
        let what = format!("{batch} {heads} {tokens} {others} {width}");
        let inputs = [
            normal(1, &[batch, heads, tokens, width]),
            normal(2, &[batch, heads, others, width]),
            normal(3, &[batch, heads, others, width]),
        ];
        let f = |t: &[Tensor]| attention(&t[0], &t[1], &t[2]);
        check_implementations(&what, 1e-5, &inputs, f);
        if tokens < 100 {
            check_gradients(&what, &inputs, f);
        }
    }
}

#[test]
fn packed_attention_is_attention_of_its_parts() {
    for (batch, heads, tokens, width) in [(1, 1, 1, 1), (2, 3, 9, 4), (2, 2, 140, 16)] {
        let inputs = [normal(1, &[batch, tokens, 3 * heads * width])];
        let f = |t: &[Tensor]| attention_packed(&t[0], heads);
        check_implementations(&format!("{batch} {heads} {tokens} {width}"), 1e-5, &inputs, f);
    }
    check_gradients("packed", &[normal(1, &[2, 5, 24])], |t| attention_packed(&t[0], 2));
}

#[test]
fn large_scores_do_not_overflow() {
    // Values alone: with scores of ten thousand, gradients are differences of nearly equal numbers.
    let x = (normal(1, &[1, 1, 9, 8]) * 100.).unwrap();
    let f = |t: &[Tensor]| attention(&t[0].detach(), &t[1].detach(), &t[2].detach());
    check_implementations("large", 1e-5, &[x.clone(), x.clone(), x], f);
}

#[test]
fn a_shape_that_cannot_be_is_an_error_that_says_why() {
    let (q, k, flat) = (normal(1, &[1, 2, 3, 4]), normal(1, &[1, 2, 5, 6]), normal(1, &[2, 6]));
    assert_error(|| attention(&flat, &q, &q), &["attention", "rank 4", "[2, 6]"]);
    assert_error(|| attention(&q, &k, &k), &["keys of shape [1, 2, 5, 4]", "[1, 2, 5, 6]"]);
    assert_error(|| attention(&q, &q, &k), &["values of shape [1, 2, 3, 4]"]);
    assert_error(|| attention_packed(&flat, 2), &["rank 3", "[2, 6]"]);
    let x = normal(1, &[1, 2, 12]);
    assert_error(|| attention_packed(&x, 5), &["12 features", "5 heads"]);
    let empty = Tensor::zeros((1, 0, 12), candle_core::DType::F64, x.device()).unwrap();
    assert_error(|| attention_packed(&empty, 2), &["above zero", "tokens 0"]);
}

use super::vector::QUERIES;
use super::{attention, attention_packed};
use crate::check::{assert_error, check_gradients, check_scaled, normal};
use crate::gemm::STEPS_AT_ONCE;
use crate::softmax::softmax;
use candle_core::{D, Result, Tensor};

/// Probabilities are rounded by the size of their scores.
fn scale([q, k, v]: [&Tensor; 3]) -> Result<Tensor> {
    let scale = 1. / (q.dim(3)? as f64).sqrt();
    let scores = |q: &Tensor, k: &Tensor| q.matmul(&k.transpose(2, 3)?.contiguous()?)? * scale;
    let p = softmax(&scores(&q.detach(), &k.detach())?)?;
    let (q, k, v) = (q.abs()?, k.abs()?, v.abs()?);
    let p = (p * (scores(&q.detach(), &k.detach())? + 1.)?)?;
    let y = p.matmul(&v)?;
    let moved = (p * (scores(&q, &k.detach())? + scores(&q.detach(), &k)?)?)?;
    let mean = moved.sum_keepdim(D::Minus1)?.broadcast_mul(&y.detach())?;
    let linear = (moved.matmul(&v.detach())? + mean)?;
    y + (&linear - linear.detach())?
}

fn packed_scale(t: &[Tensor], heads: usize, width: usize) -> Result<Tensor> {
    let (batch, tokens, _) = t[0].dims3()?;
    let parts = t[0].reshape((batch, tokens, 3, heads, width))?;
    let part = |i| parts.narrow(2, i, 1)?.squeeze(2)?.transpose(1, 2)?.contiguous();
    scale([&part(0)?, &part(1)?, &part(2)?])?.transpose(1, 2)?.reshape((
        batch,
        tokens,
        heads * width,
    ))
}

#[test]
fn attention_agrees_for_any_number_of_tokens_heads_and_features() {
    // One token, several blocks of queries, other keys than queries, odd widths, sums in parts.
    let sizes = [(1, 1, 1, 1, 1), (2, 3, 5, 7, 4), (1, 2, 17, 17, 8)];
    let split = [
        (2, 1, QUERIES + 69, 33, 16),
        (1, 2, 2 * QUERIES + 44, 290, 5),
        (1, 1, 7, 9, STEPS_AT_ONCE + 3),
    ];
    for (batch, heads, tokens, others, width) in sizes.into_iter().chain(split) {
        let what = format!("{batch} {heads} {tokens} {others} {width}");
        let inputs = [
            normal(1, &[batch, heads, tokens, width]),
            normal(2, &[batch, heads, others, width]),
            normal(3, &[batch, heads, others, width]),
        ];
        let f = |t: &[Tensor]| attention(&t[0], &t[1], &t[2]);
        check_scaled(&what, 1e-6, &inputs, f, |t| scale([&t[0], &t[1], &t[2]]));
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
        let what = format!("{batch} {heads} {tokens} {width}");
        check_scaled(&what, 1e-6, &inputs, f, |t| packed_scale(t, heads, width));
    }
    check_gradients("packed", &[normal(1, &[2, 5, 24])], |t| attention_packed(&t[0], 2));
}

#[test]
fn large_scores_do_not_overflow() {
    // Values alone: with scores of ten thousand, gradients are differences of nearly equal numbers.
    let x = (normal(1, &[1, 1, 9, 8]) * 100.).unwrap();
    let f = |t: &[Tensor]| attention(&t[0].detach(), &t[1].detach(), &t[2].detach());
    let scale = |t: &[Tensor]| scale([&t[0].detach(), &t[1].detach(), &t[2].detach()]);
    check_scaled("large", 1e-6, &[x.clone(), x.clone(), x], f, scale);
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

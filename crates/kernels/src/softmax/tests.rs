use super::vector::NUMBERS_PER_TASK;
use super::{log_softmax, softmax, softmax_cross_entropy};
use crate::check::{
    assert_close, assert_error, check_gradients, check_scaled, normal, value_and_gradient,
};
use crate::implementation::{Implementation, with_implementation};
use candle_core::{D, DType, Device, Result, Tensor};

const IMPLEMENTATIONS: [Implementation; 3] =
    [Implementation::Naive, Implementation::Auto, Implementation::Composed];

/// What each score of a row is rounded to: itself, the largest, and the logarithm of the sum.
fn rounded(x: &Tensor) -> Result<Tensor> {
    let size = x.detach().abs()?;
    size.broadcast_add(&(size.max_keepdim(D::Minus1)? + (x.dim(D::Minus1)? as f64).ln())?)
}

/// Probabilities, each times what its exponent is rounded to.
fn rounded_probabilities(x: &Tensor) -> Result<Tensor> {
    softmax(&x.detach())? * (rounded(x)? + 1.)?
}

fn softmax_scale(t: &[Tensor]) -> Result<Tensor> {
    let p = rounded_probabilities(&t[0])?;
    let mean = (&p * &t[0])?.sum_keepdim(D::Minus1)?;
    value_and_gradient(&p, &(&p * t[0].broadcast_add(&mean)?)?)
}

fn log_softmax_scale(t: &[Tensor]) -> Result<Tensor> {
    let mean = (rounded_probabilities(&t[0])? * &t[0])?.sum_keepdim(D::Minus1)?;
    value_and_gradient(&rounded(&t[0])?, &t[0].broadcast_add(&mean)?)
}

fn cross_entropy_scale(t: &[Tensor]) -> Result<Tensor> {
    let (p, targets) = (rounded_probabilities(&t[0])?, t[1].detach());
    let slope = (p.broadcast_mul(&targets.sum_keepdim(1)?)? + targets)?;
    let linear = (slope * &t[0])?.sum(1)?;
    (&t[1] * rounded(&t[0])?)?.sum(1)? + (&linear - linear.detach())?
}

/// Rows of more than one task, and one row of more than a task has.
const SPLIT: [[usize; 2]; 2] = [[2 * (NUMBERS_PER_TASK / 37) + 3, 37], [3, NUMBERS_PER_TASK + 5]];

#[test]
fn softmax_and_its_logarithm_agree() {
    let small = [&[7][..], &[4, 10], &[65, 3], &[2, 3, 5], &[1, 2, 3, 4], &[3, 1]];
    for shape in small.into_iter().chain(SPLIT.iter().map(|shape| &shape[..])) {
        let inputs = [(normal(1, shape) * 3.).unwrap()];
        let what = format!("{shape:?}");
        check_scaled(&what, 1e-6, &inputs, |t| softmax(&t[0]), softmax_scale);
        check_scaled(&what, 1e-6, &inputs, |t| log_softmax(&t[0]), log_softmax_scale);
        for f in [softmax, log_softmax] {
            check_gradients(&what, &inputs, |t| f(&t[0]));
        }
    }
}

#[test]
fn cross_entropy_agrees_for_targets_of_any_weight() {
    for shape in [[1, 2], [5, 10], [33, 3], [4, 1]].into_iter().chain(SPLIT) {
        // Neither one-hot nor of sum 1; the gradient of the targets is checked as well.
        let inputs = [(normal(1, &shape) * 3.).unwrap(), normal(2, &shape).abs().unwrap()];
        let f = |t: &[Tensor]| softmax_cross_entropy(&t[0], &t[1]);
        check_scaled(&format!("{shape:?}"), 1e-6, &inputs, f, cross_entropy_scale);
        check_gradients(&format!("{shape:?}"), &inputs, f);
    }
}

#[test]
fn large_scores_neither_overflow_nor_lose_the_result() {
    let x = Tensor::new(&[[1000f32, 1001., -1000.]], &Device::Cpu).unwrap();
    let target = Tensor::new(&[[0f32, 0., 1.]], &Device::Cpu).unwrap();
    for implementation in IMPLEMENTATIONS {
        with_implementation(implementation, || {
            let p = softmax(&x).unwrap();
            let expected = Tensor::new(&[[0.268_941_42f32, 0.731_058_6, 0.]], &Device::Cpu);
            assert_close("softmax", &p, &expected.unwrap(), 1e-6);
            let loss = softmax_cross_entropy(&x, &target).unwrap().to_vec1::<f32>().unwrap();
            // ln(1 + e^-1) + 2001
            assert!((loss[0] - 2001.3132).abs() < 1e-3, "{loss:?}");
        });
    }
}

#[test]
fn one_class_has_probability_one_and_no_loss() {
    let x = Tensor::new(&[[3f32], [-2.]], &Device::Cpu).unwrap();
    let t = Tensor::ones((2, 1), DType::F32, &Device::Cpu).unwrap();
    for implementation in IMPLEMENTATIONS {
        let loss = with_implementation(implementation, || softmax_cross_entropy(&x, &t)).unwrap();
        assert_eq!(loss.to_vec1::<f32>().unwrap(), [0., 0.]);
    }
}

#[test]
fn a_shape_that_cannot_be_is_an_error_that_says_why() {
    let zeros = |shape: &[usize]| Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap();
    let (empty, logits, other) = (zeros(&[2, 0]), zeros(&[2, 3]), zeros(&[3, 2]));
    assert_error(|| softmax(&empty), &["softmax", "at least one element"]);
    assert_error(|| log_softmax(&empty), &["log_softmax", "[2, 0]"]);
    assert_error(|| softmax_cross_entropy(&empty, &empty), &["at least one element"]);
    let parts = ["softmax_cross_entropy", "[2, 3]", "[3, 2]"];
    assert_error(|| softmax_cross_entropy(&logits, &other), &parts);
    let flat = zeros(&[3]);
    assert_error(|| softmax_cross_entropy(&flat, &flat), &["one shape (n, k)"]);
}

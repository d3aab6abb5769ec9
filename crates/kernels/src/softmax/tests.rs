use super::{log_softmax, softmax, softmax_cross_entropy};
use crate::check::{assert_close, assert_error, check_gradients, check_implementations, normal};
use crate::implementation::{Implementation, with_implementation};
use candle_core::{DType, Device, Tensor};

const IMPLEMENTATIONS: [Implementation; 3] =
    [Implementation::Naive, Implementation::Auto, Implementation::Composed];

#[test]
fn softmax_and_its_logarithm_agree() {
    for shape in [&[7][..], &[4, 10], &[65, 3], &[2, 3, 5], &[1, 2, 3, 4], &[3, 1]] {
        let inputs = [(normal(1, shape) * 3.).unwrap()];
        for f in [softmax, log_softmax] {
            check_implementations(&format!("{shape:?}"), 1e-5, &inputs, |t| f(&t[0]));
            check_gradients(&format!("{shape:?}"), &inputs, |t| f(&t[0]));
        }
    }
}

#[test]
fn cross_entropy_agrees_for_targets_of_any_weight() {
    for shape in [[1, 2], [5, 10], [33, 3], [4, 1]] {
        // Neither one-hot nor of sum 1; the gradient of the targets is checked as well.
        let inputs = [(normal(1, &shape) * 3.).unwrap(), normal(2, &shape).abs().unwrap()];
        let f = |t: &[Tensor]| softmax_cross_entropy(&t[0], &t[1]);
        check_implementations(&format!("{shape:?}"), 1e-5, &inputs, f);
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

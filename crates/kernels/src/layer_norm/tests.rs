use super::layer_norm;
use crate::check::{assert_error, check_gradients, check_implementations, normal};
use candle_core::{DType, Device, Tensor};

const EPS: f64 = 1e-5;

fn inputs(x: &[usize], len: usize) -> [Tensor; 3] {
    let shifted = ((normal(1, x) * 2.).unwrap() + 0.5).unwrap();
    [shifted, normal(2, &[len]), normal(3, &[len])]
}

#[test]
fn layer_norm_agrees() {
    for shape in [&[5][..], &[4, 3], &[130, 8], &[2, 3, 16], &[2, 3, 4, 5], &[3, 1]] {
        let inputs = inputs(shape, shape[shape.len() - 1]);
        let f = |t: &[Tensor]| layer_norm(&t[0], &t[1], &t[2], EPS);
        check_implementations(&format!("{shape:?}"), 2e-5, &inputs, f);
        check_gradients(&format!("{shape:?}"), &inputs, f);
    }
}

#[test]
fn a_shape_that_cannot_be_is_an_error_that_says_why() {
    let zeros = |shape: &[usize]| Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap();
    let (x, three, four) = (zeros(&[2, 3]), zeros(&[3]), zeros(&[4]));
    assert_error(|| layer_norm(&x, &three, &four, EPS), &["layer_norm", "beta of shape [3]"]);
    let scalar = Tensor::new(1f32, &Device::Cpu).unwrap();
    assert_error(|| layer_norm(&scalar, &three, &three, EPS), &["at least one element"]);
}

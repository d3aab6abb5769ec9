use super::{layer_norm, vector::rows};
use crate::check::{assert_error, check_gradients, check_scaled, normal, normalized_scale};
use candle_core::{D, DType, Device, Result, Tensor};

const EPS: f64 = 1e-5;

fn inputs(x: &[usize], len: usize) -> [Tensor; 3] {
    let shifted = ((normal(1, x) * 2.).unwrap() + 0.5).unwrap();
    [shifted, normal(2, &[len]), normal(3, &[len])]
}

fn scale(t: &[Tensor]) -> Result<Tensor> {
    let x = t[0].detach();
    let mean = x.mean_keepdim(D::Minus1)?;
    let variance = (x.broadcast_sub(&mean)?.sqr()?.mean_keepdim(D::Minus1)? + EPS)?;
    normalized_scale(&t[0], [&t[1], &t[2]], [&mean, &variance], true)
}

#[test]
fn layer_norm_agrees() {
    // The last two in three tasks: rows that end within a vector, as many as a task takes at most, and long ones.
    let split = [[2 * rows(19) + 3, 19], [2 * rows(1027) + 3, 1027]];
    let small = [&[5][..], &[4, 3], &[130, 8], &[2, 3, 16], &[2, 3, 4, 5], &[3, 1]];
    for shape in small.into_iter().chain(split.iter().map(|shape| &shape[..])) {
        let inputs = inputs(shape, shape[shape.len() - 1]);
        let f = |t: &[Tensor]| layer_norm(&t[0], &t[1], &t[2], EPS);
        check_scaled(&format!("{shape:?}"), 2e-6, &inputs, f, scale);
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

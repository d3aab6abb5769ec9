use candle_core::backprop::GradStore;
use candle_core::{DType, Device, Tensor, Var};

use super::{clamped_there, clip_by_norm, clip_by_value, global_norm, sum_of_squares_there};

const CPU: Device = Device::Cpu;

fn store(gradients: &[&[f32]]) -> (Vec<Var>, GradStore) {
    let vars: Vec<_> =
        gradients.iter().map(|g| Var::zeros(g.len(), DType::F32, &CPU).unwrap()).collect();
    let mut grads = Var::new(1f32, &CPU).unwrap().sqr().unwrap().backward().unwrap();
    for (var, gradient) in vars.iter().zip(gradients) {
        grads.insert(var, Tensor::new(*gradient, &CPU).unwrap());
    }
    (vars, grads)
}

fn get(grads: &GradStore, var: &Var) -> Vec<f32> {
    grads.get(var).unwrap().to_vec1().unwrap()
}

#[test]
fn the_norm_is_that_of_all_gradients_given() {
    let (vars, grads) = store(&[&[3.0, 0.0], &[0.0, 4.0], &[12.0]]);
    assert_eq!(global_norm(&grads, &vars).unwrap(), 13.0);
    assert_eq!(global_norm(&grads, &vars[..2]).unwrap(), 5.0);
    assert_eq!(global_norm(&grads, &[]).unwrap(), 0.0);
    let without = Var::new(1f32, &CPU).unwrap();
    assert_eq!(global_norm(&grads, [&without, &vars[2]]).unwrap(), 12.0);
}

#[test]
fn squares_too_large_for_f32_are_summed() {
    let (vars, grads) = store(&[&[3e30, 4e30]]);
    assert!((global_norm(&grads, &vars).unwrap() / 5e30 - 1.0).abs() < 1e-6);
}

#[test]
fn the_norm_has_the_same_bits_for_any_number_of_threads() {
    let values: Vec<f32> = (0..200_001).map(|i| (i as f32 * 0.7).sin()).collect();
    let (vars, grads) = store(&[&values, &values[..1001]]);
    let norm = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| global_norm(&grads, &vars).unwrap())
    };
    assert_eq!(norm(1).to_bits(), norm(2).to_bits());
    assert_eq!(norm(1).to_bits(), norm(4).to_bits());
    let exact = values.iter().chain(&values[..1001]).map(|&v| f64::from(v).powi(2)).sum::<f64>();
    assert!((norm(2) / exact.sqrt() - 1.0).abs() < 1e-12);
}

#[test]
fn tensors_are_summed_and_limited_as_numbers_are() {
    let values: Vec<f32> = (0..40_001).map(|i| (i as f32 * 0.7).sin()).collect();
    let (vars, mut grads) = store(&[&values, &[f32::NAN, 2.0, -f32::INFINITY, 0.25]]);
    let tensor = |var: &Var| grads.get(var).unwrap().clone();
    let (first, second) = (tensor(&vars[0]), tensor(&vars[1]));
    // Sums of 16,384 squares in f32.
    let sum = sum_of_squares_there(&[&first, &first]).unwrap();
    let norm = global_norm(&grads, &vars[..1]).unwrap();
    assert!((sum / (2.0 * norm * norm) - 1.0).abs() < 1e-6, "{sum}");
    assert!(sum_of_squares_there(&[&first, &second]).unwrap().is_nan());

    let limited: Vec<f32> = clamped_there(&second, 0.5).unwrap().to_vec1().unwrap();
    clip_by_value(&mut grads, &vars, 0.5).unwrap();
    assert!(limited[0].is_nan());
    assert_eq!(limited[1..], get(&grads, &vars[1])[1..]);
}

#[test]
fn gradients_that_share_memory_are_each_scaled_once() {
    let (a, b) = (Var::new(1f32, &CPU).unwrap(), Var::new(1f32, &CPU).unwrap());
    let mut grads = (a.as_tensor() + b.as_tensor()).unwrap().backward().unwrap();
    let shared = grads.get(&a).unwrap().clone();
    grads.insert(&b, shared.clone());
    let norm = clip_by_norm(&mut grads, [&a, &b], 2f64.sqrt() / 2.0).unwrap();
    assert!((norm - 2f64.sqrt()).abs() < 1e-12);
    for var in [&a, &b] {
        let clipped = grads.get(var).unwrap().to_scalar::<f32>().unwrap();
        assert!((clipped - 0.5).abs() < 1e-6, "{clipped}");
    }
    assert_eq!(shared.to_scalar::<f32>().unwrap(), 1.0);
}

#[test]
fn a_non_finite_norm_is_returned_and_changes_no_gradient() {
    for bad in [f32::NAN, f32::INFINITY] {
        let (vars, mut grads) = store(&[&[100.0, 1.0], &[bad]]);
        assert!(!clip_by_norm(&mut grads, &vars, 1.0).unwrap().is_finite());
        assert_eq!(get(&grads, &vars[0]), [100.0, 1.0]);
    }
}

#[test]
fn clipping_by_value_keeps_a_nan_and_the_variables_not_named() {
    let (vars, mut grads) = store(&[&[f32::NAN, 2.0, -f32::INFINITY, 0.25, f32::INFINITY], &[9.0]]);
    clip_by_value(&mut grads, &vars[..1], 0.5).unwrap();
    let clipped = get(&grads, &vars[0]);
    assert!(clipped[0].is_nan());
    assert_eq!(clipped[1..], [0.5, -0.5, 0.25, 0.5]);
    assert_eq!(get(&grads, &vars[1]), [9.0]);
}

#[test]
fn a_limit_that_is_not_above_zero_is_an_error() {
    let (vars, mut grads) = store(&[&[1.0]]);
    assert_eq!(
        clip_by_norm(&mut grads, &vars, 0.0).unwrap_err().to_string(),
        "clip_by_norm: max_norm is 0, expected a finite number above 0"
    );
    assert_eq!(
        clip_by_value(&mut grads, &vars, f64::NAN).unwrap_err().to_string(),
        "clip_by_value: max_value is NaN, expected a finite number above 0"
    );
}

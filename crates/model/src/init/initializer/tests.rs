use super::*;

const N: usize = 1 << 16;

fn values(initializer: Initializer, shape: impl Into<Shape>) -> Vec<f64> {
    let tensor =
        initializer.tensor(11, "layer.weight", &shape.into(), DType::F64, &Device::Cpu).unwrap();
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

fn moments(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n;
    (mean, variance)
}

/// Checks mean and variance. Their own errors over n draws are about `std / sqrt n` and `variance *
/// sqrt(2 / n)`; five of them are allowed (the seed is fixed, so this never fails by chance).
fn check_moments(
    initializer: Initializer,
    shape: impl Into<Shape>,
    mean: f64,
    variance: f64,
) -> Vec<f64> {
    let values = values(initializer, shape);
    let n = values.len() as f64;
    let (found_mean, found_variance) = moments(&values);
    assert!(
        (found_mean - mean).abs() <= 5.0 * (variance / n).sqrt(),
        "{initializer:?}: mean {found_mean}"
    );
    assert!(
        (found_variance / variance - 1.0).abs() <= 5.0 * (2.0 / n).sqrt(),
        "{initializer:?}: {found_variance}"
    );
    values
}

#[test]
fn constants_are_constant() {
    assert!(values(Initializer::Zeros, 9).iter().all(|&value| value == 0.0));
    assert!(values(Initializer::Ones, 9).iter().all(|&value| value == 1.0));
    assert!(values(Initializer::Constant(-2.5), 9).iter().all(|&value| value == -2.5));
}

#[test]
fn uniform_fills_its_interval() {
    let values = check_moments(Initializer::Uniform { low: -1.0, high: 3.0 }, N, 1.0, 16.0 / 12.0);
    assert!(values.iter().all(|value| (-1.0..3.0).contains(value)));
    assert!(
        values.iter().any(|&value| value < -0.999) && values.iter().any(|&value| value > 2.999)
    );
}

#[test]
fn normal_has_normal_moments_and_tails() {
    let values = check_moments(Initializer::Normal { mean: 0.5, std: 2.0 }, N, 0.5, 4.0);
    let beyond_two =
        values.iter().filter(|value| (*value - 0.5).abs() > 4.0).count() as f64 / N as f64;
    // P(|z| > 2) = 0.0455; five standard errors are 0.004.
    assert!((beyond_two - 0.0455).abs() < 0.004, "{beyond_two}");
    let kurtosis = values.iter().map(|value| ((value - 0.5) / 2.0).powi(4)).sum::<f64>() / N as f64;
    assert!((kurtosis - 3.0).abs() < 5.0 * (96.0 / N as f64).sqrt(), "{kurtosis}");
}

#[test]
fn the_truncated_normal_stays_within_two_sigma() {
    // Var[z | |z| <= 2] = 1 - 4 φ(2) / (2 Φ(2) - 1) = 0.773741...
    let initializer = Initializer::TruncatedNormal { mean: 0.0, std: 0.02, low: -0.04, high: 0.04 };
    let values = check_moments(initializer, N, 0.0, 0.773_741 * 0.02 * 0.02);
    assert!(values.iter().all(|value| value.abs() <= 0.04));
    assert!(values.iter().any(|value| value.abs() > 0.0399));
}

#[test]
fn a_truncated_normal_of_no_width_is_its_mean_within_the_bounds() {
    let initializer = Initializer::TruncatedNormal { mean: 0.5, std: 0.0, low: -1.0, high: 1.0 };
    assert!(values(initializer, 5).iter().all(|&value| value == 0.5));
}

#[test]
fn scaled_initializers_have_the_variance_of_their_paper() {
    let shape = (64, 32, 5, 5); // fan-in 800, fan-out 1600
    let glorot = 2.0 / 2400.0;
    let uniform = check_moments(Initializer::GlorotUniform, shape, 0.0, glorot);
    assert!(uniform.iter().all(|value| value.abs() <= (3.0 * glorot).sqrt()));
    check_moments(Initializer::GlorotNormal, shape, 0.0, glorot);
    check_moments(
        Initializer::KaimingUniform { a: 0.0, mode: FanMode::In },
        shape,
        0.0,
        2.0 / 800.0,
    );
    check_moments(Initializer::KAIMING_NORMAL_FAN_OUT, shape, 0.0, 2.0 / 1600.0);
    check_moments(
        Initializer::KaimingNormal { a: 2.0, mode: FanMode::In },
        shape,
        0.0,
        2.0 / 5.0 / 800.0,
    );
    check_moments(Initializer::LecunNormal, shape, 0.0, 1.0 / 800.0);
}

#[test]
fn pytorch_starts_from_one_over_the_square_root_of_the_fan_in() {
    let bound = 1.0 / 800f64.sqrt();
    let weight =
        check_moments(Initializer::pytorch_weight(), (64, 32, 5, 5), 0.0, bound * bound / 3.0);
    assert!(weight.iter().all(|value| value.abs() <= bound * (1.0 + 1e-12)));
    let bias = check_moments(Initializer::pytorch_bias(800), N, 0.0, bound * bound / 3.0);
    assert!(bias.iter().all(|value| value.abs() <= bound));
}

#[test]
fn an_element_depends_on_seed_name_and_index_alone() {
    let initializer = Initializer::Normal { mean: 0.0, std: 1.0 };
    let draw = |seed, name: &str, n: usize| -> Vec<f32> {
        let tensor = initializer.tensor(seed, name, &n.into(), DType::F32, &Device::Cpu).unwrap();
        tensor.to_vec1().unwrap()
    };
    let base = draw(1, "a.weight", 64);
    assert_eq!(base, draw(1, "a.weight", 64));
    assert_eq!(base[..32], draw(1, "a.weight", 32)[..]);
    assert_ne!(base, draw(2, "a.weight", 64));
    assert_ne!(base, draw(1, "b.weight", 64));
}

#[test]
fn half_precision_is_the_rounded_single_precision() {
    let initializer = Initializer::GlorotUniform;
    let shape = Shape::from((8, 8));
    let single = initializer.tensor(1, "w", &shape, DType::F32, &Device::Cpu).unwrap();
    let half = initializer.tensor(1, "w", &shape, DType::F16, &Device::Cpu).unwrap();
    let rounded = single.to_dtype(DType::F16).unwrap();
    assert_eq!(half.to_vec2::<half::f16>().unwrap(), rounded.to_vec2::<half::f16>().unwrap());
}

#[test]
fn candles_hints_draw_from_the_same_distribution() {
    let shape = Shape::from((64, 32, 5, 5));
    let kaiming = Initializer::from_candle(candle_nn::init::DEFAULT_KAIMING_NORMAL, &shape);
    check_moments(kaiming, &shape, 0.0, 2.0 / 800.0);
    let kaiming = Initializer::from_candle(candle_nn::init::DEFAULT_KAIMING_UNIFORM, &shape);
    check_moments(kaiming, &shape, 0.0, 2.0 / 800.0);
    for init in [
        Initializer::Zeros,
        Initializer::Ones,
        Initializer::Constant(3.0),
        Initializer::Uniform { low: 0.0, high: 2.0 },
        Initializer::Normal { mean: 1.0, std: 2.0 },
    ] {
        assert_eq!(Initializer::from_candle(init.hint(&shape), &shape), init);
    }
}

#[test]
fn fans_are_those_of_pytorch() {
    assert_eq!(fans(&(64, 32, 3, 3).into()), (288, 576));
    assert_eq!(fans(&(10, 128).into()), (128, 10));
    assert_eq!(fans(&7.into()), (7, 7));
    assert_eq!(fans(&().into()), (1, 1));
}

#[test]
fn the_numbers_are_fixed_for_good() {
    // A change here changes every seeded run: let it be one that somebody meant.
    let shape = Shape::from(2);
    let draw = |initializer: Initializer| -> Vec<f64> {
        initializer.tensor(7, "x", &shape, DType::F64, &Device::Cpu).unwrap().to_vec1().unwrap()
    };
    assert_eq!(
        draw(Initializer::Uniform { low: 0.0, high: 1.0 }),
        [0.7766228258241025, 0.2153070699226245]
    );
}

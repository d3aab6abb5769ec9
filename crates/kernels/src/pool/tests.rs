use super::vector::PIXELS_PER_TASK;
use super::{Pool2dConfig, avg_pool2d, global_avg_pool2d, max_pool2d};
use crate::check::{
    assert_close, assert_error, check_gradients, check_implementations, check_scaled, normal, pick,
};
use crate::implementation::{Implementation, with_implementation};
use candle_core::{DType, Device, Result, Tensor, Var};

const IMPLEMENTATIONS: [Implementation; 3] =
    [Implementation::Naive, Implementation::Auto, Implementation::Composed];

fn check(x: &[usize], config: Pool2dConfig) {
    let inputs = [normal(1, x)];
    let what = format!("{x:?}, {config:?}");
    // Each pixel of a window may be its maximum.
    let taps = (config.kernel.0 * config.kernel.1) as f64;
    let sums = |t: &[Tensor]| avg_pool2d(&t[0].abs()?, &config)? * taps;
    check_scaled(&what, 1e-6, &inputs, |t| max_pool2d(&t[0], &config), sums);
    check_implementations(&what, 1e-6, &inputs, |t| avg_pool2d(&t[0], &config));
    for f in [max_pool2d, avg_pool2d] {
        check_gradients(&what, &inputs, |t| f(&t[0], &config));
    }
}

#[test]
fn all_implementations_agree_over_random_shapes() {
    for seed in 0..30 {
        let draw = |index, low, high| pick(seed, index, low, high);
        let kernel = (draw(0, 1, 4), draw(1, 1, 4));
        let config = Pool2dConfig {
            kernel,
            stride: (draw(2, 1, 4), draw(3, 1, 4)),
            padding: (draw(4, 0, kernel.0 / 2), draw(5, 0, kernel.1 / 2)),
        };
        let (h, w) = (kernel.0 + draw(6, 0, 7), kernel.1 + draw(7, 0, 7));
        check(&[draw(8, 1, 3), draw(9, 1, 4), h, w], config);
    }
}

#[test]
fn the_usual_layers_agree() {
    check(&[2, 3, 24, 24], Pool2dConfig::square(2));
    check(&[2, 3, 13, 15], Pool2dConfig { kernel: (3, 3), stride: (2, 2), padding: (1, 1) });
    check(&[1, 1, 1, 1], Pool2dConfig::square(1));
}

#[test]
fn planes_of_several_tasks_agree() {
    let resnet = Pool2dConfig { kernel: (3, 3), stride: (2, 2), padding: (1, 1) };
    let planes = 2 * PIXELS_PER_TASK.div_ceil(20 * 45) / 3 + 3;
    check(&[3, planes, 20, 45], resnet);
    let inputs = [normal(1, &[2, PIXELS_PER_TASK.div_ceil(49) + 5, 7, 7])];
    check_implementations("global", 1e-6, &inputs, |t| global_avg_pool2d(&t[0]));
}

#[test]
fn rows_of_several_vectors_agree() {
    let resnet = Pool2dConfig { kernel: (3, 3), stride: (2, 2), padding: (1, 1) };
    check(&[1, 2, 11, 45], resnet);
    check(&[1, 2, 12, 64], resnet);
    check(&[1, 3, 5, 40], Pool2dConfig { kernel: (2, 5), stride: (1, 1), padding: (1, 2) });
    check(&[1, 2, 9, 70], Pool2dConfig { kernel: (3, 4), stride: (2, 3), padding: (0, 2) });
    // More taps than a byte can tell apart.
    check(&[1, 2, 20, 19], Pool2dConfig { kernel: (17, 17), stride: (1, 1), padding: (8, 8) });
}

#[test]
fn global_averages_agree() {
    for shape in [[2, 3, 5, 7], [1, 1, 1, 1], [2, 9, 7, 7], [1, 2, 16, 24]] {
        let inputs = [normal(1, &shape)];
        check_implementations("global", 1e-6, &inputs, |t| global_avg_pool2d(&t[0]));
        check_gradients("global", &inputs, |t| global_avg_pool2d(&t[0]));
    }
}

fn max_pool_with_gradient(x: &Tensor, config: &Pool2dConfig) -> Result<(Vec<f32>, Vec<f32>)> {
    let x = Var::from_tensor(x)?;
    let y = max_pool2d(&x, config)?;
    let store = y.sum_all()?.backward()?;
    let flat = |t: &Tensor| t.flatten_all()?.to_vec1::<f32>();
    Ok((flat(&y)?, flat(store.get(&x).unwrap())?))
}

#[test]
fn the_first_of_equal_maxima_takes_all_the_gradient() {
    let x = Tensor::new(&[[[[5f32, 5., 1.], [5., 5., 1.], [0., 0., 0.]]]], &Device::Cpu).unwrap();
    let overlapping = Pool2dConfig { kernel: (2, 2), stride: (1, 1), padding: (0, 0) };
    for implementation in IMPLEMENTATIONS {
        let (y, dx) =
            with_implementation(implementation, || max_pool_with_gradient(&x, &overlapping))
                .unwrap();
        assert_eq!(y, [5., 5., 5., 5.]);
        // Windows start at (0,0), (0,1), (1,0), (1,1); their first maxima are those very pixels.
        assert_eq!(dx, [1., 1., 0., 1., 1., 0., 0., 0., 0.]);
    }
}

#[test]
fn a_pixel_that_wins_several_windows_gets_the_sum() {
    let x = Tensor::new(&[[[[0f32, 0., 0.], [0., 9., 0.], [0., 0., 0.]]]], &Device::Cpu).unwrap();
    let overlapping = Pool2dConfig { kernel: (2, 2), stride: (1, 1), padding: (0, 0) };
    for implementation in IMPLEMENTATIONS {
        let (_, dx) =
            with_implementation(implementation, || max_pool_with_gradient(&x, &overlapping))
                .unwrap();
        assert_eq!(dx, [0., 0., 0., 0., 4., 0., 0., 0., 0.]);
    }
}

#[test]
fn padding_never_wins_a_maximum_and_counts_in_an_average() {
    let x = Tensor::full(-3f32, (1, 1, 2, 2), &Device::Cpu).unwrap();
    let padded = Pool2dConfig { kernel: (2, 2), stride: (2, 2), padding: (1, 1) };
    for implementation in IMPLEMENTATIONS {
        let (y, _) =
            with_implementation(implementation, || max_pool_with_gradient(&x, &padded)).unwrap();
        assert_eq!(y, [-3.; 4]);
        let mean = with_implementation(implementation, || avg_pool2d(&x, &padded)).unwrap();
        let expected = Tensor::full(-0.75f32, (1, 1, 2, 2), &Device::Cpu).unwrap();
        assert_close("mean", &mean, &expected, 0.);
    }
}

#[test]
fn pixels_that_are_minus_infinity_or_not_a_number_are_pooled_like_pytorch() {
    let low = f32::NEG_INFINITY;
    let x = Tensor::new(&[[[[low, low], [low, low]], [[1., f32::NAN], [9., 2.]]]], &Device::Cpu);
    let x = x.unwrap();
    for implementation in IMPLEMENTATIONS {
        let config = Pool2dConfig::square(2);
        let (y, dx) =
            with_implementation(implementation, || max_pool_with_gradient(&x, &config)).unwrap();
        assert!(y[0] == low && y[1].is_nan(), "{implementation:?} {y:?}");
        assert_eq!(dx, [1., 0., 0., 0., 0., 1., 0., 0.], "{implementation:?}");
    }
}

#[test]
fn a_shape_that_cannot_be_is_an_error_that_says_why() {
    let zeros = |shape: &[usize]| Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap();
    let error = |x: &[usize], config: Pool2dConfig, parts: &[&str]| {
        let x = zeros(x);
        assert_error(|| max_pool2d(&x, &config), &[&["max_pool2d"], parts].concat());
        assert_error(|| avg_pool2d(&x, &config), &[&["avg_pool2d"], parts].concat());
    };
    let two = Pool2dConfig::square(2);
    error(&[3, 6, 6], two, &["rank 4", "[3, 6, 6]"]);
    error(&[1, 3, 1, 6], two, &["more than the height of 1"]);
    error(&[1, 3, 6, 0], two, &["width of 0"]);
    error(&[1, 3, 6, 6], Pool2dConfig { stride: (0, 1), ..two }, &["at least 1"]);
    error(&[1, 3, 6, 6], Pool2dConfig { kernel: (0, 1), ..two }, &["at least 1"]);
    error(&[1, 3, 6, 6], Pool2dConfig { padding: (0, 2), ..two }, &["at most half", "(0, 2)"]);
    let (flat, empty) = (zeros(&[3, 6]), zeros(&[1, 3, 0, 6]));
    assert_error(|| global_avg_pool2d(&flat), &["global_avg_pool2d", "rank 4"]);
    assert_error(|| global_avg_pool2d(&empty), &["with pixels"]);
}

use crate::activation::Activation;
use crate::check::{check_gradients, check_implementations, normal, pick};
use crate::conv2d::{Conv2dBlock, Conv2dConfig, conv2d, conv2d_block};
use candle_core::Tensor;

fn case(x: &[usize], m: usize, kernel: (usize, usize)) -> [Tensor; 3] {
    let c = x[1] * m;
    [normal(1, x), normal(2, &[c, 1, kernel.0, kernel.1]), normal(3, &[c])]
}

fn check(x: &[usize], m: usize, kernel: (usize, usize), config: &Conv2dConfig) {
    let inputs = case(x, m, kernel);
    let what = format!("{x:?}, {m} times, {kernel:?}, {config:?}");
    // Gradients of the filters are sums of up to some thousand terms.
    check_implementations(&what, 2e-5, &inputs, |t| conv2d(&t[0], &t[1], Some(&t[2]), config));
}

#[test]
fn all_implementations_agree_over_random_shapes() {
    for seed in 0..60 {
        let draw = |index, low, high| pick(seed, index, low, high);
        let kernel = (draw(0, 1, 8), draw(1, 1, 8));
        let dilation = ([1, 1, 1, 2][draw(2, 0, 3)], [1, 1, 1, 3][draw(3, 0, 3)]);
        let channels = draw(4, 2, 20);
        let config = Conv2dConfig {
            stride: (draw(5, 1, 3), draw(6, 1, 3)),
            // Also more than the filter reaches.
            padding: (draw(7, 0, 5), draw(8, 0, 9)),
            padding_end: (seed % 3 == 1).then(|| (draw(13, 0, 4), draw(14, 0, 9))),
            dilation,
            groups: channels,
        };
        let size = |k: usize, d: usize, i| (k - 1) * d + 1 + draw(i, 0, 12);
        let (h, w) = (size(kernel.0, dilation.0, 9), size(kernel.1, dilation.1, 10));
        check(&[draw(11, 1, 3), channels, h, w], [1, 1, 1, 2, 3][draw(12, 0, 4)], kernel, &config);
    }
}

#[test]
fn the_usual_layers_agree() {
    for (size, kernel, stride) in
        [(9, 3, 1), (14, 3, 2), (7, 5, 1), (15, 5, 2), (7, 7, 1), (28, 7, 1), (2, 3, 1), (1, 5, 1)]
    {
        let config = Conv2dConfig {
            stride: (stride, stride),
            padding: (kernel / 2, kernel / 2),
            groups: 16,
            ..Conv2dConfig::default()
        };
        check(&[2, 16, size, size], 1, (kernel, kernel), &config);
    }
}

#[test]
fn images_cut_into_several_bands_and_tasks_agree() {
    let config =
        Conv2dConfig { padding: (1, 1), stride: (2, 2), groups: 9, ..Conv2dConfig::default() };
    check(&[3, 9, 70, 50], 1, (3, 3), &config);
    check(&[3, 9, 41, 33], 2, (5, 5), &Conv2dConfig { stride: (1, 1), ..config });
    // Several images a task.
    check(&[40, 9, 8, 8], 1, (3, 3), &Conv2dConfig { stride: (1, 1), ..config });
}

#[test]
fn gradients_are_those_of_the_function() {
    for (stride, m) in [((1, 1), 1), ((2, 2), 1), ((3, 1), 2)] {
        let config = Conv2dConfig { stride, padding: (2, 1), groups: 3, ..Conv2dConfig::default() };
        let inputs = case(&[2, 3, 8, 7], m, (5, 3));
        check_gradients(&format!("{config:?}"), &inputs, |t| {
            conv2d(&t[0], &t[1], Some(&t[2]), &config)
        });
    }
}

#[test]
fn relu_is_applied_last() {
    let conv = Conv2dConfig { padding: (1, 1), groups: 10, ..Conv2dConfig::default() };
    let inputs = case(&[2, 10, 9, 8], 1, (3, 3));
    let relu = Conv2dBlock { conv, activation: Some(Activation::Relu), max_pool: None };
    check_implementations("relu", 1e-5, &inputs, |t| {
        conv2d_block(&t[0], &t[1], Some(&t[2]), &relu)
    });
}

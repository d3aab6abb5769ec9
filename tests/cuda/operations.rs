//! Every operation of `taper-kernels`: values and gradients.
//!
//! Expected are the plain loops in f64 on the CPU; the device computes in f32. Sums of some thousand terms lose two
//! of its seven digits: the tolerance is 2e-5 of the largest number.

use candle_core::{DType, Device, Result, Tensor, Var};
use taper_kernels::{
    Activation, Conv2dBlock, Conv2dConfig, Implementation, Pool2dConfig, add, attention,
    attention_packed, avg_pool2d, batch_norm_eval, batch_norm_train, conv2d, conv2d_block, dropout,
    flatten, gelu, gelu_tanh, global_avg_pool2d, layer_norm, linear, linear_relu, log_softmax,
    max_pool2d, relay, relu, softmax, softmax_cross_entropy, with_implementation,
};

use crate::{assert_close, gpu, normal};

const TOLERANCE: f64 = 2e-5;

/// The value of an operation and the gradients of a weighted sum of it.
fn outcome(
    inputs: &[Tensor],
    dtype: DType,
    device: &Device,
    f: &dyn Fn(&[Tensor]) -> Result<Tensor>,
) -> Result<Vec<Tensor>> {
    let vars = inputs
        .iter()
        .map(|x| Var::from_tensor(&x.to_dtype(dtype)?.to_device(device)?))
        .collect::<Result<Vec<_>>>()?;
    let tensors: Vec<Tensor> = vars.iter().map(|var| var.as_tensor().clone()).collect();
    let value = f(&tensors)?;
    let weights = normal(99, value.dims()).to_dtype(dtype)?.to_device(device)?;
    let store = relay::backward(&(&value * weights)?.sum_all()?)?;
    let mut all = vec![value.detach()];
    for var in &vars {
        all.push(store.get(var).cloned().map_or_else(|| var.zeros_like(), Ok)?);
    }
    Ok(all)
}

fn check(what: &str, inputs: &[Tensor], f: impl Fn(&[Tensor]) -> Result<Tensor>) {
    let expected = with_implementation(Implementation::Naive, || {
        outcome(inputs, DType::F64, &Device::Cpu, &f)
    })
    .unwrap();
    let found = outcome(inputs, DType::F32, &gpu(), &f).unwrap_or_else(|e| panic!("{what}: {e}"));
    for (i, (found, expected)) in found.iter().zip(&expected).enumerate() {
        let part = if i == 0 { "value".to_string() } else { format!("gradient {}", i - 1) };
        assert_close(&format!("{what}, {part}"), found, expected, TOLERANCE);
    }
}

#[test]
fn convolutions_agree() {
    let config = |stride, padding, dilation, groups| Conv2dConfig {
        stride,
        padding,
        padding_end: None,
        dilation,
        groups,
    };
    let cases = [
        ("3x3", [2, 3, 9, 7], [4, 3, 3, 3], config((1, 1), (0, 0), (1, 1), 1)),
        ("3x3 padded", [2, 8, 14, 14], [16, 8, 3, 3], config((1, 1), (1, 1), (1, 1), 1)),
        ("3x3 stride 2", [3, 4, 9, 10], [6, 4, 3, 3], config((2, 2), (1, 1), (1, 1), 1)),
        ("7x7 stride 2", [2, 3, 22, 23], [8, 3, 7, 7], config((2, 2), (3, 3), (1, 1), 1)),
        ("1x1", [2, 6, 5, 4], [7, 6, 1, 1], config((1, 1), (0, 0), (1, 1), 1)),
        ("1x1 stride 2", [2, 6, 7, 8], [5, 6, 1, 1], config((2, 2), (0, 0), (1, 1), 1)),
        ("1x1 padded", [1, 2, 3, 4], [2, 2, 1, 1], config((1, 1), (1, 1), (1, 1), 1)),
        ("patches", [2, 3, 17, 16], [5, 3, 8, 8], config((8, 8), (0, 0), (1, 1), 1)),
        ("dilated", [2, 3, 11, 12], [4, 3, 3, 3], config((1, 1), (2, 2), (2, 2), 1)),
        ("uneven", [2, 3, 11, 12], [4, 3, 3, 2], config((2, 1), (1, 0), (1, 2), 1)),
        ("uneven padding", [2, 3, 11, 12], [4, 3, 3, 3], config((2, 2), (1, 0), (1, 1), 1)),
        ("groups", [2, 6, 9, 8], [4, 3, 3, 3], config((1, 1), (1, 1), (1, 1), 2)),
        ("depthwise", [2, 6, 9, 8], [6, 1, 5, 5], config((2, 2), (2, 2), (1, 1), 6)),
    ];
    for (what, x, weight, config) in cases {
        let inputs = [normal(1, &x), normal(2, &weight), normal(3, &weight[..1])];
        check(what, &inputs, |t| conv2d(&t[0], &t[1], Some(&t[2]), &config));
        let images = inputs[0].clone();
        check(&format!("{what}, first layer"), &inputs[1..], |t| {
            let images = images.to_dtype(t[0].dtype())?.to_device(t[0].device())?;
            conv2d(&images, &t[0], None, &config)
        });
    }
    let block = Conv2dBlock {
        activation: Some(Activation::Relu),
        max_pool: Some(Pool2dConfig::square(2)),
        ..Conv2dBlock::default()
    };
    let inputs = [normal(1, &[2, 4, 10, 11]), normal(2, &[5, 4, 3, 3]), normal(3, &[5])];
    check("block", &inputs, |t| conv2d_block(&t[0], &t[1], Some(&t[2]), &block));
}

#[test]
fn poolings_agree() {
    let overlapping = Pool2dConfig { kernel: (3, 3), stride: (2, 2), padding: (1, 1) };
    let uneven = Pool2dConfig { kernel: (2, 3), stride: (1, 2), padding: (1, 0) };
    let pixels = Pool2dConfig { kernel: (1, 1), stride: (2, 2), padding: (0, 0) };
    for config in [Pool2dConfig::square(2), Pool2dConfig::square(3), overlapping, uneven, pixels] {
        let x = [normal(1, &[2, 3, 11, 10])];
        check(&format!("max {config:?}"), &x, |t| max_pool2d(&t[0], &config));
        check(&format!("mean {config:?}"), &x, |t| avg_pool2d(&t[0], &config));
        // Whole numbers, so that many windows have several maxima: the first takes all.
        let ties = [x[0].round().unwrap()];
        check(&format!("ties {config:?}"), &ties, |t| max_pool2d(&t[0], &config));
    }
    check("global mean", &[normal(1, &[3, 4, 5, 6])], |t| global_avg_pool2d(&t[0]));
}

#[test]
fn normalizations_agree() {
    let (x, c) = (normal(1, &[6, 5, 4, 3]), [5]);
    let inputs = [x, normal(2, &c), normal(3, &c)];
    check("batch norm", &inputs, |t| {
        Ok(batch_norm_train(&t[0], &t[1], &t[2], &Default::default())?.output)
    });
    for part in ["mean", "variance"] {
        check(part, &inputs, |t| {
            let norm = batch_norm_train(&t[0], &t[1], &t[2], &Default::default())?;
            Ok(if part == "mean" { norm.mean } else { norm.variance })
        });
    }
    let (mean, variance) = (normal(4, &c), normal(5, &c).sqr().unwrap());
    check("batch norm by statistics", &inputs, |t| {
        let like = |v: &Tensor| v.to_dtype(t[0].dtype())?.to_device(t[0].device());
        batch_norm_eval(&t[0], &t[1], &t[2], &like(&mean)?, &like(&variance)?, &Default::default())
    });
    let inputs = [normal(1, &[7, 3, 33]), normal(2, &[33]), normal(3, &[33])];
    check("layer norm", &inputs, |t| layer_norm(&t[0], &t[1], &t[2], 1e-6));
}

#[test]
fn products_agree() {
    let inputs = [normal(1, &[4, 5, 40]), normal(2, &[30, 40]), normal(3, &[30])];
    check("linear", &inputs, |t| linear(&t[0], &t[1], Some(&t[2])));
    check("linear, relu", &inputs, |t| linear_relu(&t[0], &t[1], Some(&t[2])));
    check("linear without bias", &inputs[..2], |t| linear(&t[0], &t[1], None));
    let qkv = [1, 2, 3].map(|seed| normal(seed, &[2, 3, 17, 8]));
    check("attention", &qkv, |t| attention(&t[0], &t[1], &t[2]));
    check("packed attention", &[normal(1, &[2, 9, 36])], |t| attention_packed(&t[0], 3));
}

#[test]
fn functions_of_elements_and_rows_agree() {
    let x = normal(1, &[5, 37]);
    let one = std::slice::from_ref(&x);
    check("relu", one, |t| relu(&t[0]));
    check("gelu", one, |t| gelu(&t[0]));
    check("gelu by tanh", one, |t| gelu_tanh(&t[0]));
    check("softmax", one, |t| softmax(&t[0]));
    check("log softmax", one, |t| log_softmax(&t[0]));
    check("flatten", &[normal(1, &[2, 3, 4])], |t| flatten(&t[0]));
    check("add", &[x.clone(), normal(2, &[5, 37])], |t| add(&t[0], &t[1]));
    let targets = softmax(&normal(3, &[5, 37])).unwrap();
    check("cross-entropy", one, |t| {
        let targets = targets.to_dtype(t[0].dtype())?.to_device(t[0].device())?;
        softmax_cross_entropy(&t[0], &targets)
    });
}

#[test]
fn the_masks_of_dropout_are_those_of_the_cpu() {
    for n in [1, 7, 40_003] {
        let x = [normal(1, &[n])];
        for rate in [0.25, 0.5, 1.0] {
            check(&format!("{n} elements, rate {rate}"), &x, |t| dropout(&t[0], rate, 1 << 40));
        }
    }
}

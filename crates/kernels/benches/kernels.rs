//! Single kernels, forward and backward, on the implementations that every machine has:
//! `cargo bench -p taper-kernels`, `cargo bench -p taper-kernels -- conv2d`.
//!
//! `cargo xtask bench` measures many more shapes, against the machine's peak and other frameworks.

use candle_core::{Device, Result, Tensor, Var};
use divan::Bencher;
use taper_kernels::{Conv2dConfig, Implementation, Pool2dConfig, with_implementation};

fn main() {
    divan::main();
}

const IMPLEMENTATIONS: [Implementation; 4] = [
    Implementation::Auto,
    Implementation::Portable,
    Implementation::Naive,
    Implementation::Composed,
];

/// The second convolution of the reference CNN, for 32 images.
#[divan::bench(args = IMPLEMENTATIONS)]
fn conv2d(bencher: Bencher, implementation: Implementation) {
    let (x, w, b) = (random(&[32, 32, 26, 26]), random(&[64, 32, 3, 3]), random(&[64]));
    measure(bencher, implementation, || {
        taper_kernels::conv2d(&x, &w, Some(b.as_tensor()), &Conv2dConfig::default())
    });
}

/// A depthwise convolution of MobileNetV3.
#[divan::bench(args = IMPLEMENTATIONS)]
fn conv2d_depthwise(bencher: Bencher, implementation: Implementation) {
    let (x, w) = (random(&[8, 88, 28, 28]), random(&[88, 1, 3, 3]));
    let config = Conv2dConfig { padding: (1, 1), groups: 88, ..Default::default() };
    measure(bencher, implementation, || taper_kernels::conv2d(&x, &w, None, &config));
}

#[divan::bench(args = IMPLEMENTATIONS)]
fn max_pool2d(bencher: Bencher, implementation: Implementation) {
    let x = random(&[32, 64, 24, 24]);
    measure(bencher, implementation, || taper_kernels::max_pool2d(&x, &Pool2dConfig::square(2)));
}

#[divan::bench(args = IMPLEMENTATIONS)]
fn batch_norm(bencher: Bencher, implementation: Implementation) {
    let (x, gamma, beta) = (random(&[32, 64, 16, 16]), random(&[64]), random(&[64]));
    measure(bencher, implementation, || {
        Ok(taper_kernels::batch_norm_train(&x, &gamma, &beta, &Default::default())?.output)
    });
}

/// A layer norm of ViT-tiny.
#[divan::bench(args = IMPLEMENTATIONS)]
fn layer_norm(bencher: Bencher, implementation: Implementation) {
    let (x, gamma, beta) = (random(&[1576, 192]), random(&[192]), random(&[192]));
    measure(bencher, implementation, || taper_kernels::layer_norm(&x, &gamma, &beta, 1e-6));
}

/// The first dense layer of the reference CNN.
#[divan::bench(args = IMPLEMENTATIONS)]
fn linear(bencher: Bencher, implementation: Implementation) {
    let (x, w, b) = (random(&[128, 9216]), random(&[128, 9216]), random(&[128]));
    measure(bencher, implementation, || taper_kernels::linear(&x, &w, Some(b.as_tensor())));
}

#[divan::bench(args = IMPLEMENTATIONS)]
fn gelu(bencher: Bencher, implementation: Implementation) {
    let x = random(&[1576, 768]);
    measure(bencher, implementation, || taper_kernels::gelu(&x));
}

#[divan::bench(args = IMPLEMENTATIONS)]
fn softmax(bencher: Bencher, implementation: Implementation) {
    let x = random(&[24, 197, 197]);
    measure(bencher, implementation, || taper_kernels::softmax(&x));
}

fn random(shape: &[usize]) -> Var {
    // Nothing but a lack of memory can keep a CPU tensor from being made.
    Var::rand(-1f32, 1f32, shape, &Device::Cpu).expect("a CPU tensor")
}

/// Forward and backward from a gradient of ones.
fn measure(bencher: Bencher, implementation: Implementation, forward: impl Fn() -> Result<Tensor>) {
    bencher.bench_local(|| {
        with_implementation(implementation, || forward().and_then(|output| output.backward()))
    });
}

//! A convolution of candle's replaced in an existing model: the weights stay, the call changes, and value and gradient are
//! the same. `cargo run --release -p taper-kernels --example fast_convolution`.

use std::time::Instant;

use candle_core::{Device, Result, Tensor, Var};
use taper_kernels::{Conv2dConfig, conv2d};

/// Keeps large tensors for the next step.
#[global_allocator]
static ALLOCATOR: taper_kernels::PoolingAllocator = taper_kernels::PoolingAllocator::new();

fn main() -> Result<()> {
    let device = Device::Cpu;
    let images = Tensor::randn(0f32, 1.0, (8, 64, 28, 28), &device)?;
    let kernel = Var::randn(0f32, 0.05, (64, 64, 3, 3), &device)?;
    let config = Conv2dConfig { padding: (1, 1), ..Conv2dConfig::default() };

    let candle = || images.conv2d(&kernel, 1, 1, 1, 1);
    let ours = || conv2d(&images, &kernel, None, &config);
    let mut gradients = Vec::new();
    for (name, forward) in [("candle", &candle as &dyn Fn() -> Result<Tensor>), ("taper", &ours)] {
        let mut best = f64::INFINITY;
        for _ in 0..5 {
            let started = Instant::now();
            let store = forward()?.sqr()?.mean_all()?.backward()?;
            best = best.min(started.elapsed().as_secs_f64());
            gradients.push(store.get(&kernel).expect("the kernel has a gradient").clone());
        }
        println!("{name:6} forward and backward {:7.2} ms", 1e3 * best);
    }
    let difference = (&gradients[0] - &gradients[gradients.len() - 1])?.abs()?.max_all()?;
    println!("largest difference of the gradients {:.1e}", difference.to_scalar::<f32>()?);
    Ok(())
}

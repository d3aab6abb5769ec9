//! Times one training step of the reference CNN (without the optimizer) and its convolutions.
//!
//! `cargo run --release -p taper-kernels --example reference_cnn [batch] [rounds]`

use candle_core::{DType, Device, Result, Tensor, Var};
use std::time::Instant;
use taper_kernels::{
    Activation, Conv2dBlock, Conv2dConfig, Pool2dConfig, conv2d, conv2d_block, dropout, linear,
    linear_relu, softmax_cross_entropy,
};

#[global_allocator]
static ALLOCATOR: taper_kernels::PoolingAllocator = taper_kernels::PoolingAllocator::new();

struct Net {
    vars: Vec<Var>,
}

impl Net {
    fn new() -> Result<Self> {
        let shapes: [&[usize]; 8] = [
            &[32, 1, 3, 3],
            &[32],
            &[64, 32, 3, 3],
            &[64],
            &[128, 9216],
            &[128],
            &[10, 128],
            &[10],
        ];
        let vars = shapes.iter().map(|&s| Var::randn(0f32, 0.05, s, &Device::Cpu));
        Ok(Self { vars: vars.collect::<Result<_>>()? })
    }

    fn forward(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let v = &self.vars;
        let config = Conv2dConfig::default();
        let first =
            Conv2dBlock { conv: config, activation: Some(Activation::Relu), max_pool: None };
        let x = conv2d_block(x, &v[0], Some(&v[1]), &first)?;
        let second = Conv2dBlock { max_pool: Some(Pool2dConfig::square(2)), ..first };
        let x = conv2d_block(&x, &v[2], Some(&v[3]), &second)?;
        let x = if train { dropout(&x, 0.25, 1)? } else { x };
        let x = linear_relu(&x.flatten_from(1)?, &v[4], Some(&v[5]))?;
        let x = if train { dropout(&x, 0.5, 2)? } else { x };
        linear(&x, &v[6], Some(&v[7]))
    }
}

/// Median wall time and mean processor time of all threads, in milliseconds.
struct Timing {
    wall: f64,
    cpu: f64,
}

impl std::fmt::Display for Timing {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "{:8.2} ms wall {:8.2} ms cpu", self.wall, self.cpu)
    }
}

/// Processor time of this process's threads in milliseconds, as Linux tells it; 0 elsewhere.
fn cpu_time() -> f64 {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let nanoseconds = tasks.filter_map(|task| {
        let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<f64>().ok()
    });
    nanoseconds.sum::<f64>() / 1e6
}

fn time(rounds: usize, mut f: impl FnMut() -> Result<()>) -> Result<Timing> {
    f()?;
    f()?;
    let before = cpu_time();
    let mut times = vec![];
    for _ in 0..rounds {
        let start = Instant::now();
        f()?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    let cpu = (cpu_time() - before) / rounds as f64;
    times.sort_by(f64::total_cmp);
    Ok(Timing { wall: times[times.len() / 2], cpu })
}

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1).filter_map(|a| a.parse::<usize>().ok());
    let batch = args.next().unwrap_or(128);
    let rounds = args.next().unwrap_or(15);
    let net = Net::new()?;
    let images = Tensor::rand(0f32, 1., (batch, 1, 28, 28), &Device::Cpu)?;
    let targets = Tensor::ones((batch, 10), DType::F32, &Device::Cpu)?.affine(0.1, 0.)?;

    let forward = time(rounds, || net.forward(&images, false).map(|_| ()))?;
    println!("evaluate      {forward} {:8.0} images/s", batch as f64 / forward.wall * 1e3);
    let step = time(rounds, || {
        let loss = softmax_cross_entropy(&net.forward(&images, true)?, &targets)?.mean_all()?;
        loss.backward().map(|_| ())
    })?;
    println!("train step    {step} {:8.0} images/s", batch as f64 / step.wall * 1e3);

    let config = Conv2dConfig::default();
    for (name, c_in, c_out, size) in [("conv1", 1, 32, 28), ("conv2", 32, 64, 26)] {
        let x = Var::randn(0f32, 1., (batch, c_in, size, size), &Device::Cpu)?;
        let w = Var::randn(0f32, 1., (c_out, c_in, 3, 3), &Device::Cpu)?;
        let flop = (2 * batch * c_out * c_in * 9 * (size - 2) * (size - 2)) as f64;
        let forward = time(rounds, || conv2d(&x, &w, None, &config).map(|_| ()))?;
        println!("{name} forward {forward} {:8.1} GFLOP/s a core", flop / forward.cpu / 1e6);
        for (what, dx, dw) in [("dx", true, false), ("dw", false, true)] {
            let x = if dx { x.as_tensor().clone() } else { x.as_tensor().detach() };
            let w = if dw { w.as_tensor().clone() } else { w.as_tensor().detach() };
            let y = conv2d(&x, &w, None, &config)?.sum_all()?;
            let back = time(rounds, || y.backward().map(|_| ()))?;
            println!(
                "{name} {what}      {back} {:8.1} GFLOP/s a core, with the tape",
                flop / back.cpu / 1e6
            );
        }
    }
    Ok(())
}

//! Single kernels on our side, forward and backward.

use std::time::Instant;

use anyhow::{Result, bail};
use candle_core::{Device, Tensor, Var};
use taper_kernels::{Conv2dConfig, Pool2dConfig};

use super::serve::{Measure, repeat};
use super::work::Task;

/// Gets a kernel ready: random tensors, gradients wanted for all of them except a first layer's
/// images. The upstream gradient is all ones, as candle makes it.
pub fn prepare(task: &Task, device: &Device) -> Result<Measure> {
    let random = |shape: &[usize]| random(shape, device);
    let measure = |forward: Forward| measure(device.clone(), forward);
    Ok(match *task {
        Task::Conv2d {
            input,
            output_channels,
            kernel,
            stride,
            padding,
            groups,
            bias,
            input_gradient,
        } => {
            let x = random(&input)?;
            let x = if input_gradient { x.as_tensor().clone() } else { x.as_detached_tensor() };
            let weight = random(&[output_channels, input[1] / groups, kernel, kernel])?;
            let bias = if bias { Some(random(&[output_channels])?) } else { None };
            let config = Conv2dConfig {
                stride: (stride, stride),
                padding: (padding, padding),
                groups,
                ..Default::default()
            };
            measure(Box::new(move || {
                taper_kernels::conv2d(&x, &weight, bias.as_ref().map(|b| b.as_tensor()), &config)
            }))
        }
        Task::MaxPool2d { input, kernel, stride, padding } => {
            let x = random(&input)?;
            let config = Pool2dConfig {
                kernel: (kernel, kernel),
                stride: (stride, stride),
                padding: (padding, padding),
            };
            measure(Box::new(move || taper_kernels::max_pool2d(&x, &config)))
        }
        Task::BatchNorm { input } => {
            let (x, gamma, beta) = (random(&input)?, random(&[input[1]])?, random(&[input[1]])?);
            measure(Box::new(move || {
                Ok(taper_kernels::batch_norm_train(&x, &gamma, &beta, &Default::default())?.output)
            }))
        }
        Task::LayerNorm { rows, width } => {
            let (x, gamma, beta) = (random(&[rows, width])?, random(&[width])?, random(&[width])?);
            measure(Box::new(move || taper_kernels::layer_norm(&x, &gamma, &beta, 1e-6)))
        }
        Task::Linear { rows, input, output } => {
            let x = random(&[rows, input])?;
            let (weight, bias) = (random(&[output, input])?, random(&[output])?);
            measure(Box::new(move || taper_kernels::linear(&x, &weight, Some(&bias))))
        }
        Task::Gelu { rows, width } => {
            let x = random(&[rows, width])?;
            measure(Box::new(move || taper_kernels::gelu(&x)))
        }
        Task::Attention { batch, heads, tokens, width } => {
            let shape = [batch, heads, tokens, width];
            let (q, k, v) = (random(&shape)?, random(&shape)?, random(&shape)?);
            measure(Box::new(move || taper_kernels::attention(&q, &k, &v)))
        }
        Task::Train { .. }
        | Task::Evaluate { .. }
        | Task::FirstStep { .. }
        | Task::Memory { .. } => {
            bail!("a whole net is no kernel")
        }
    })
}

fn random(shape: &[usize], device: &Device) -> candle_core::Result<Var> {
    Var::from_tensor(&Tensor::rand(-1f32, 1f32, shape, &Device::Cpu)?.to_device(device)?)
}

type Forward = Box<dyn Fn() -> candle_core::Result<Tensor>>;

fn measure(device: Device, forward: Forward) -> Measure {
    Box::new(move |seconds| {
        repeat(["forward", "backward"], seconds, || {
            let started = Instant::now();
            let output = forward()?;
            device.synchronize()?;
            let done = started.elapsed().as_secs_f64();
            taper_kernels::relay::backward(&output)?;
            device.synchronize()?;
            Ok([done, started.elapsed().as_secs_f64() - done])
        })
    })
}

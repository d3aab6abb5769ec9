//! Plain candle: its own layers and operations, whatever their gradients are worth.

#[path = "../../../../xtask/src/bench/serve.rs"]
mod serve;
#[path = "../../../../xtask/src/bench/work.rs"]
mod work;

use std::cell::Cell;
use std::time::Instant;

use anyhow::Result;
use candle_core::{D, DType, Device, Tensor, Var};
use candle_nn::{Conv2d, Conv2dConfig, Linear, Module, VarBuilder, VarMap, loss, ops};
use serve::{Hello, Measure, repeat, serve};
use work::{Task, Work};

fn main() -> Result<()> {
    let hello = Hello {
        version: "candle 0.11.1".to_string(),
        threads: rayon::current_num_threads(),
        settings: "release, gemm with x86-v4".to_string(),
    };
    serve(&hello, prepare)
}

fn prepare(work: &Work) -> Result<Option<Measure>> {
    match &work.task {
        Task::Train { net, .. } | Task::Evaluate { net, .. } if net != "keras-cnn" => Ok(None),
        Task::Train { images, batch, .. } => train(*images, *batch, None).map(Some),
        Task::FirstStep { images, batch, .. } => train(*images, *batch, Some(1)).map(Some),
        Task::Memory { images, batch, steps, .. } => train(*images, *batch, Some(*steps)).map(Some),
        Task::Evaluate { batch, .. } => evaluate(*batch).map(Some),
        kernel => single(kernel),
    }
}

struct KerasCnn {
    conv1: Conv2d,
    conv2: Conv2d,
    fc1: Linear,
    fc2: Linear,
}

impl KerasCnn {
    fn new(vb: VarBuilder) -> candle_core::Result<Self> {
        Ok(Self {
            conv1: candle_nn::conv2d(1, 32, 3, Conv2dConfig::default(), vb.pp("conv1"))?,
            conv2: candle_nn::conv2d(32, 64, 3, Conv2dConfig::default(), vb.pp("conv2"))?,
            fc1: candle_nn::linear(9216, 128, vb.pp("fc1"))?,
            fc2: candle_nn::linear(128, 10, vb.pp("fc2"))?,
        })
    }

    fn forward(&self, images: &Tensor, train: bool) -> candle_core::Result<Tensor> {
        let dropout = |x: Tensor, rate| if train { ops::dropout(&x, rate) } else { Ok(x) };
        let x = self.conv1.forward(images)?.relu()?;
        let x = self.conv2.forward(&x)?.relu()?.max_pool2d(2)?;
        let x = self.fc1.forward(&dropout(x, 0.25)?.flatten_from(1)?)?.relu()?;
        self.fc2.forward(&dropout(x, 0.5)?)
    }
}

fn new_net() -> candle_core::Result<(KerasCnn, VarMap)> {
    let vars = VarMap::new();
    let net = KerasCnn::new(VarBuilder::from_varmap(&vars, DType::F32, &Device::Cpu))?;
    Ok((net, vars))
}

fn train(count: usize, batch: usize, steps: Option<usize>) -> Result<Measure> {
    let (net, vars) = new_net()?;
    let pixels: Vec<u8> = (0..count * 784).map(|i| (i * 7919 % 251) as u8).collect();
    let images = Tensor::from_vec(pixels, (count, 1, 28, 28), &Device::Cpu)?;
    let labels = Tensor::from_iter((0..count).map(|i| (i % 10) as u32), &Device::Cpu)?;
    let batches = count / batch;
    // Candle cannot be seeded on a CPU; an order by a fixed stride costs the same.
    let order: Vec<u32> = (0..count).map(|i| (i * 7919 % count) as u32).collect();
    let place = Cell::new(0);
    Ok(Box::new(move |seconds| {
        let vars = vars.all_vars();
        let state = |var: &Var| Ok([var.zeros_like()?, var.zeros_like()?]);
        let mut states: Vec<[Tensor; 2]> = vars.iter().map(state).collect::<Result<_>>()?;
        let mut step = || -> Result<[f64; 1]> {
            let started = Instant::now();
            let first = place.replace((place.get() + 1) % batches) * batch;
            let chosen = Tensor::new(&order[first..first + batch], &Device::Cpu)?;
            let x = (images.index_select(&chosen, 0)?.to_dtype(DType::F32)? / 255.)?;
            let logits = net.forward(&x, true)?;
            let loss = loss::cross_entropy(&logits, &labels.index_select(&chosen, 0)?)?;
            let gradients = loss.backward()?;
            for (var, state) in vars.iter().zip(&mut states) {
                if let Some(gradient) = gradients.get(var) {
                    adadelta(var, gradient, state)?;
                }
            }
            loss.to_scalar::<f32>()?;
            Ok([started.elapsed().as_secs_f64()])
        };
        match steps {
            None => repeat(["step"], seconds, step),
            Some(steps) => {
                for _ in 0..steps {
                    step()?;
                }
                Ok((Vec::new(), steps))
            }
        }
    }))
}

/// Adadelta with rate 1, rho 0.95 and epsilon 1e-7, which candle does not have.
fn adadelta(var: &Var, gradient: &Tensor, [square, update]: &mut [Tensor; 2]) -> Result<()> {
    let (rho, epsilon) = (0.95, 1e-7);
    *square = ((&*square * rho)? + (gradient.sqr()? * (1. - rho))?)?;
    let rate = ((&*update + epsilon)?.sqrt()? / (&*square + epsilon)?.sqrt()?)?;
    let delta = (rate * gradient)?;
    *update = ((&*update * rho)? + (delta.sqr()? * (1. - rho))?)?;
    Ok(var.set(&var.sub(&delta)?)?)
}

fn evaluate(batch: usize) -> Result<Measure> {
    let (net, _vars) = new_net()?;
    let images = Tensor::rand(0f32, 1., (batch, 1, 28, 28), &Device::Cpu)?;
    Ok(Box::new(move |seconds| {
        repeat(["step"], seconds, || {
            let started = Instant::now();
            net.forward(&images, false)?;
            Ok([started.elapsed().as_secs_f64()])
        })
    }))
}

fn single(task: &Task) -> Result<Option<Measure>> {
    Ok(Some(match *task {
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
            let bias = if bias { Some(random(&[1, output_channels, 1, 1])?) } else { None };
            measure(move || {
                let y = x.conv2d(&weight, padding, stride, 1, groups)?;
                bias.as_ref().map_or(Ok(y.clone()), |bias| y.broadcast_add(bias))
            })
        }
        Task::Linear { rows, input, output } => {
            let x = random(&[rows, input])?;
            let (weight, bias) = (random(&[output, input])?, random(&[output])?);
            measure(move || x.matmul(&weight.t()?)?.broadcast_add(&bias))
        }
        Task::MaxPool2d { input, kernel, stride, padding: 0 } if kernel == stride => {
            let x = random(&input)?;
            measure(move || x.max_pool2d(kernel))
        }
        Task::LayerNorm { rows, width } => {
            let (x, gamma, beta) = (random(&[rows, width])?, random(&[width])?, random(&[width])?);
            measure(move || ops::layer_norm_slow(&x, &gamma, &beta, 1e-6))
        }
        Task::Gelu { rows, width } => {
            let x = random(&[rows, width])?;
            measure(move || x.gelu_erf())
        }
        Task::Attention { batch, heads, tokens, width } => {
            let shape = [batch, heads, tokens, width];
            let (q, k, v) = (random(&shape)?, random(&shape)?, random(&shape)?);
            let scale = 1. / (width as f64).sqrt();
            measure(move || {
                let scores = (q.matmul(&k.t()?)? * scale)?;
                ops::softmax(&scores, D::Minus1)?.matmul(&v)
            })
        }
        _ => return Ok(None),
    }))
}

fn random(shape: &[usize]) -> candle_core::Result<Var> {
    Var::rand(-1f32, 1f32, shape, &Device::Cpu)
}

fn measure(forward: impl Fn() -> candle_core::Result<Tensor> + 'static) -> Measure {
    Box::new(move |seconds| {
        repeat(["forward", "backward"], seconds, || {
            let started = Instant::now();
            let output = forward()?;
            let done = started.elapsed().as_secs_f64();
            output.backward()?;
            Ok([done, started.elapsed().as_secs_f64() - done])
        })
    })
}

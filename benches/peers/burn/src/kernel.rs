//! Single kernels.

use std::time::Instant;

use burn::tensor::activation::gelu;
use burn::tensor::module;
use burn::tensor::ops::{AttentionModuleOptions, ConvOptions, MaxPoolOptions};
use burn::tensor::{Device, Distribution, Tensor};

use crate::serve::{Measure, repeat};
use crate::work::Task;

pub fn prepare(task: &Task) -> Option<Measure> {
    Some(match *task {
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
            let x = random(input).set_require_grad(input_gradient);
            let weight = random([output_channels, input[1] / groups, kernel, kernel]);
            let bias = bias.then(|| random([output_channels]));
            let options = ConvOptions::new([stride; 2], [padding; 2], [1; 2], groups);
            measure(move || {
                module::conv2d(x.clone(), weight.clone(), bias.clone(), options.clone())
            })
        }
        Task::MaxPool2d { input, kernel, stride, padding } => {
            let x = random(input);
            let padding = [(padding, padding); 2];
            let options = MaxPoolOptions {
                kernel_size: [kernel; 2],
                stride: [stride; 2],
                padding,
                dilation: [1; 2],
                ceil_mode: false,
            };
            measure(move || module::max_pool2d(x.clone(), options.clone()))
        }
        Task::BatchNorm { input } => {
            let (x, gamma, beta) = (random(input), random([input[1]]), random([input[1]]));
            measure(move || {
                module::batch_norm_train(x.clone(), gamma.clone(), beta.clone(), 1e-5).output
            })
        }
        Task::LayerNorm { rows, width } => {
            let (x, gamma, beta) = (random([rows, width]), random([width]), random([width]));
            measure(move || module::layer_norm(x.clone(), gamma.clone(), Some(beta.clone()), 1e-6))
        }
        Task::Linear { rows, input, output } => {
            let x = random([rows, input]);
            let (weight, bias) = (random([input, output]), random([output]));
            measure(move || module::linear(x.clone(), weight.clone(), Some(bias.clone())))
        }
        Task::Gelu { rows, width } => {
            let x = random([rows, width]);
            measure(move || gelu(x.clone()))
        }
        Task::Attention { batch, heads, tokens, width } => {
            let shape = [batch, heads, tokens, width];
            let (q, k, v) = (random(shape), random(shape), random(shape));
            measure(move || {
                let options = AttentionModuleOptions::default();
                module::attention(q.clone(), k.clone(), v.clone(), None, None, options)
            })
        }
        _ => return None,
    })
}

fn random<const D: usize>(shape: [usize; D]) -> Tensor<D> {
    let device = Device::flex().autodiff();
    Tensor::random(shape, Distribution::Uniform(-1., 1.), &device).require_grad()
}

fn measure<const D: usize>(forward: impl Fn() -> Tensor<D> + 'static) -> Measure {
    Box::new(move |seconds| {
        repeat(["forward", "backward"], seconds, || {
            let started = Instant::now();
            let output = forward();
            let done = started.elapsed().as_secs_f64();
            output.backward();
            Ok([done, started.elapsed().as_secs_f64() - done])
        })
    })
}

//! The reference CNN.

use std::time::Instant;

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::loss::{CrossEntropyLoss, CrossEntropyLossConfig};
use burn::nn::pool::{MaxPool2d, MaxPool2dConfig};
use burn::nn::{Dropout, DropoutConfig, Linear, LinearConfig};
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::activation::relu;
use burn::tensor::{DType, Device, Distribution, Int, Tensor, TensorData};

use crate::adadelta::Adadelta;
use crate::serve::{Measure, repeat};

#[derive(Module, Debug)]
struct KerasCnn {
    conv1: Conv2d,
    conv2: Conv2d,
    pool: MaxPool2d,
    dropout1: Dropout,
    fc1: Linear,
    dropout2: Dropout,
    fc2: Linear,
}

impl KerasCnn {
    fn new(device: &Device) -> Self {
        Self {
            conv1: Conv2dConfig::new([1, 32], [3, 3]).init(device),
            conv2: Conv2dConfig::new([32, 64], [3, 3]).init(device),
            pool: MaxPool2dConfig::new([2, 2]).with_strides([2, 2]).init(),
            dropout1: DropoutConfig::new(0.25).init(),
            fc1: LinearConfig::new(9216, 128).init(device),
            dropout2: DropoutConfig::new(0.5).init(),
            fc2: LinearConfig::new(128, 10).init(device),
        }
    }

    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let x = relu(self.conv1.forward(images));
        let x = self.pool.forward(relu(self.conv2.forward(x)));
        let x = self.dropout1.forward(x).flatten::<2>(1, 3);
        let x = self.dropout2.forward(relu(self.fc1.forward(x)));
        self.fc2.forward(x)
    }
}

pub fn train(count: usize, batch: usize, steps: Option<usize>) -> Measure {
    let device = Device::flex().autodiff();
    let mut net = Some(KerasCnn::new(&device));
    let loss: CrossEntropyLoss = CrossEntropyLossConfig::new().init(&device);
    let pixels: Vec<u8> = (0..count * 784).map(|i| (i * 7919 % 251) as u8).collect();
    let labels: Vec<u8> = (0..count).map(|i| (i % 10) as u8).collect();
    let order: Vec<usize> = (0..count).map(|i| i * 7919 % count).collect();
    let batches = count / batch;
    let mut place = 0;
    Box::new(move |seconds| {
        let mut optimizer = ModuleOptimizer::from(Adadelta { rho: 0.95, epsilon: 1e-7 });
        let mut step = || {
            let started = Instant::now();
            let chosen = &order[place * batch..][..batch];
            place = (place + 1) % batches;
            // Gathered from bytes by hand: quicker than a selection of Burn's.
            let floats: Vec<f32> = chosen
                .iter()
                .flat_map(|&i| pixels[i * 784..][..784].iter().map(|&byte| f32::from(byte) / 255.))
                .collect();
            let ids: Vec<i64> = chosen.iter().map(|&i| i64::from(labels[i])).collect();
            let x = Tensor::<4>::from_data(TensorData::new(floats, [batch, 1, 28, 28]), &device);
            let y = Tensor::<1, Int>::from_data(TensorData::new(ids, [batch]), &device);
            if let Some(current) = net.take() {
                let loss = loss.forward(current.forward(x), y);
                let gradients = GradientsParams::from_grads(loss.backward(), &current);
                net = Some(optimizer.step(1.0, current, gradients));
                loss.into_data();
            }
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
    })
}

pub fn evaluate(batch: usize) -> Measure {
    let net = KerasCnn::new(&Device::flex().autodiff()).valid();
    let device = Device::flex();
    let shape = [batch, 1, 28, 28];
    let images = Tensor::<4>::random(shape, Distribution::Uniform(0., 1.), (&device, DType::F32));
    Box::new(move |seconds| {
        repeat(["step"], seconds, || {
            let started = Instant::now();
            net.forward(images.clone()).into_data();
            Ok([started.elapsed().as_secs_f64()])
        })
    })
}

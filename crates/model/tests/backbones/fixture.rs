//! What the script wrote, and the numbers that it did not write.

use std::collections::BTreeMap;
use std::path::PathBuf;

use candle_core::{DType, Device, Tensor};
use serde::Deserialize;
use taper_model::nets::NetConfig;

/// Answers in evaluation or in training mode.
#[derive(Deserialize)]
pub struct Answer {
    pub logits: Vec<f64>,
    pub loss: f64,
    /// Norm and dot product with fixed random numbers of each gradient; none for a source whose
    /// weights are another's under other names.
    #[serde(default)]
    pub gradients: BTreeMap<String, [f64; 2]>,
}

/// A backbone's answers.
#[derive(Deserialize)]
pub struct Fixture {
    input: [usize; 4],
    pub eval: Answer,
    /// None where training differs, as by a batch-norm's epsilon.
    pub train: Option<Answer>,
}

impl Fixture {
    pub fn read(name: &str, source: &str) -> Self {
        serde_json::from_str(&read(&format!("{name}.{source}.json"))).unwrap()
    }

    pub fn config(&self) -> NetConfig {
        let [_, channels, height, width] = self.input;
        NetConfig { num_classes: 10, channels, height, width }
    }

    pub fn images(&self) -> Tensor {
        values("images", &self.input)
    }
}

/// The names and shapes of all tensors that the source saves.
pub fn names(name: &str, source: &str) -> Vec<(String, Vec<usize>)> {
    let text = read(&format!("{name}.{source}.txt"));
    let line = |line: &str| {
        let mut words = line.split(' ');
        let name = words.next().unwrap().to_string();
        (name, words.map(|size| size.parse().unwrap()).collect())
    };
    text.lines().map(line).collect()
}

pub fn read(file: &str) -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/backbones");
    let path = PathBuf::from(folder).join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The script's `uniform`, to the bit.
pub fn uniform(name: &str) -> impl Fn(usize) -> f64 + use<> {
    let fnv = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
    let seed = name.bytes().fold(0xcbf2_9ce4_8422_2325, fnv);
    move |index| {
        let step = (index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let z = seed.wrapping_add(step);
        let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let z = z ^ (z >> 31);
        (z >> 40) as f64 / f64::from(1 << 23) - 1.0
    }
}

/// The script's `values`.
pub fn values(name: &str, shape: &[usize]) -> Tensor {
    let last = name.rsplit('.').next().unwrap_or(name);
    let batch_norm =
        ["bn", "norm_head", "downsample.1.", ".normalization."].iter().any(|p| name.contains(p));
    let upwards = ["blocks.", "mobilenet_v2."].iter().any(|prefix| name.starts_with(prefix));
    let (scale, shift) = match shape {
        [_] if last == "running_var" => (0.5, 1.0),
        [_] if batch_norm && last == "weight" => (0.25, 0.5),
        // Or, in nets of inverted residuals, upwards alone.
        [_] if batch_norm && last == "bias" && upwards => (0.5, 1.5),
        // And a step of one away from zero.
        [_] if batch_norm && last == "bias" => (1.0, 0.0),
        [_] if ["weight", "gamma", "gamma_1", "gamma_2", "lambda1", "scale"].contains(&last) => {
            (0.5, 1.0)
        }
        [_] => (0.1, 0.0),
        [_, _, _] => (0.5, 0.0),
        [_, rest @ ..] => {
            let gain = if rest.len() == 3 { 2.0 } else { 3.0 };
            (f64::sqrt(gain / rest.iter().product::<usize>() as f64), 0.0)
        }
        [] => (0.0, 0.0),
    };
    let step = if batch_norm && last == "bias" && !upwards { 1.0 } else { 0.0 };
    let number = uniform(name);
    let value = |u: f64| shift + scale * u + if u < 0.0 { -step } else { step };
    let numbers: Vec<f32> =
        (0..shape.iter().product()).map(|index| value(number(index)) as f32).collect();
    Tensor::from_vec(numbers, shape, &Device::Cpu).unwrap()
}

/// Norm and dot product of a gradient, as the script gives them.
pub fn norm_and_dot(name: &str, gradient: &Tensor) -> [f64; 2] {
    let gradient = gradient.to_dtype(DType::F32).unwrap().flatten_all().unwrap();
    let gradient = gradient.to_vec1::<f32>().unwrap();
    let number = uniform(&format!("dot {name}"));
    let (mut norm, mut dot) = (0.0, 0.0);
    for (index, value) in gradient.into_iter().map(f64::from).enumerate() {
        norm += value * value;
        dot += value * number(index);
    }
    [norm.sqrt(), dot]
}

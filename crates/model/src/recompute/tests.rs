use candle_core::{DType, Device, ModuleT, Result, Tensor};
use candle_nn::{VarBuilder, VarMap};
use taper_kernels::relay::backward;

use crate::layers::{BatchNorm, BatchNormConfig, Dropout, Linear, LinearConfig, Relu, Sequential};
use crate::lora::{Adapters, LoraConfig};
use crate::nets;
use crate::params::Params;
use crate::rng::RngKey;
use crate::weights::{Weights, WeightsConfig};

/// Ten layers with batch norm and dropout.
fn deep(weights: &Weights, key: &RngKey) -> Sequential {
    let vb = weights.var_builder(DType::F32, &Device::Cpu);
    let mut net = Sequential::new();
    for i in 0..3 {
        net.push(Linear::new(6, 6, LinearConfig::default(), vb.pp(format!("fc{i}"))).unwrap());
        net.push(BatchNorm::new(6, BatchNormConfig::default(), vb.pp(format!("bn{i}"))).unwrap());
        net.push(Relu);
        net.push(Dropout::new(0.4, key, vb.pp(format!("drop{i}"))).unwrap());
    }
    net
}

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

/// All gradients and buffers after one step's forward and backward.
fn step(output: Tensor, params: &Params) -> (Vec<f32>, Vec<(String, Vec<f32>)>) {
    let weight = Tensor::arange(0f32, output.elem_count() as f32, &Device::Cpu).unwrap();
    let weight = weight.reshape(output.shape()).unwrap();
    let loss = (&output * &weight).unwrap().sum_all().unwrap();
    let gradients = backward(&loss).unwrap();
    let trainable = params.trainable();
    let mut found: Vec<_> = trainable
        .iter()
        .map(|(name, var)| (name.clone(), values(gradients.get(var).expect(name))))
        .collect();
    let buffers = params.of_kind(crate::params::ParamKind::Buffer);
    found.extend(buffers.map(|(name, var)| (name.to_string(), values(var))));
    (values(&output), found)
}

#[test]
fn gradients_masks_and_running_statistics_are_the_same_to_the_bit() {
    let x = Tensor::arange(0f32, 48.0, &Device::Cpu).unwrap().reshape((8, 6)).unwrap();
    let x = x.affine(0.1, -2.0).unwrap().sin().unwrap();
    let results = [false, true].map(|recompute| {
        let key = RngKey::new(5);
        let weights = Weights::new(WeightsConfig::default()).unwrap();
        let net = deep(&weights, &key);
        let (params, _) = weights.finish().unwrap();
        let forward =
            || if recompute { net.forward_recomputed(&x) } else { net.forward_t(&x, true) };
        let first = step(forward().unwrap(), &params);
        // The draws of the next step are not disturbed either.
        key.set_step(1);
        (first, step(forward().unwrap(), &params))
    });
    assert_eq!(results[0], results[1]);
}

#[test]
fn nets_of_all_kinds_have_the_same_gradients_also_with_adapters() {
    for (name, size, adapted) in [
        ("resnet18", 32, false),
        ("resnet18", 32, true),
        ("vit_tiny_patch16_224", 32, false),
        ("keras-cnn", 12, false),
        ("digit-cnn", 16, false),
        ("lenet5", 16, true),
    ] {
        let info = nets::find(name).unwrap_or_else(|| panic!("no net {name}"));
        let config = nets::NetConfig { num_classes: 3, channels: 3, height: size, width: size };
        let x = Tensor::arange(0f32, (2 * 3 * size * size) as f32, &Device::Cpu).unwrap();
        let x = x.affine(0.37, 0.0).unwrap().sin().unwrap().reshape((2, 3, size, size)).unwrap();
        let results = [false, true].map(|recompute| {
            let key = RngKey::new(0);
            let targets = info.lora.iter().map(|target| target.to_string()).collect();
            let lora = LoraConfig { rank: 2, dropout: 0.3, targets, ..LoraConfig::default() };
            let head = info.head.to_string();
            let adapters = Some(Adapters { lora, head, key: key.clone() });
            let adapters = adapters.filter(|_| adapted);
            let weights = Weights::new(WeightsConfig { adapters, ..Default::default() }).unwrap();
            let vb = weights.var_builder(DType::F32, &Device::Cpu);
            let net = (info.build)(&config, vb, &key).unwrap();
            let (params, _) = weights.finish().unwrap();
            let forward =
                || if recompute { net.forward_recomputed(&x) } else { net.forward_t(&x, true) };
            step(forward().unwrap(), &params)
        });
        assert!(results[0] == results[1], "{name}");
    }
}

/// Recomputes its layers by itself, also within a segment.
struct Inner(Sequential);

impl ModuleT for Inner {
    fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        if train { self.0.forward_recomputed(x) } else { self.0.forward_t(x, false) }
    }
}

#[test]
fn recompute_within_a_segment_draws_and_counts_as_the_plain_pass_does() {
    let x = Tensor::arange(0f32, 48.0, &Device::Cpu).unwrap().reshape((8, 6)).unwrap();
    let x = x.affine(0.1, -2.0).unwrap().sin().unwrap();
    let results = [false, true].map(|recompute| {
        let key = RngKey::new(5);
        let weights = Weights::new(WeightsConfig::default()).unwrap();
        let inner = deep(&weights, &key);
        let dropout = Dropout::new(0.4, &key, VarBuilder::zeros(DType::F32, &Device::Cpu).pp("d"));
        let mut net = Sequential::new().add(dropout.unwrap()).add(Relu);
        match recompute {
            true => net.push(Inner(inner)),
            false => net.push(inner),
        }
        net.push(Relu);
        let (params, _) = weights.finish().unwrap();
        let forward =
            || if recompute { net.forward_recomputed(&x) } else { net.forward_t(&x, true) };
        let first = step(forward().unwrap(), &params);
        key.set_step(1);
        (first, step(forward().unwrap(), &params))
    });
    assert_eq!(results[0], results[1]);
}

#[test]
fn parameters_of_two_segments_have_the_sum_of_both_gradients_in_any_type() {
    for dtype in [DType::F32, DType::BF16] {
        let map = VarMap::new();
        let vb = VarBuilder::from_varmap(&map, dtype, &Device::Cpu);
        let mut net = Sequential::new();
        for _ in 0..6 {
            net.push(candle_nn::linear(3, 3, vb.pp("tied")).unwrap());
        }
        let x = Tensor::ones((2, 3), dtype, &Device::Cpu).unwrap();
        let of = |output: Tensor| {
            let gradients = backward(&output.sum_all().unwrap()).unwrap();
            let var = map.data().lock().unwrap()["tied.bias"].clone();
            values(&gradients.get(&var).unwrap().to_dtype(DType::F32).unwrap())
        };
        let plain = of(net.forward_t(&x, true).unwrap());
        let recomputed = of(net.forward_recomputed(&x).unwrap());
        // Added in another order, in eight bits at the least.
        for (a, b) in plain.iter().zip(&recomputed) {
            assert!((a - b).abs() <= 0.05 * a.abs().max(1.0), "{dtype:?}: {a} {b}");
        }
    }
}

#[test]
fn a_segment_in_which_nothing_is_trained_is_not_computed_again() {
    let x = Tensor::ones((2, 6), DType::F32, &Device::Cpu).unwrap();
    let freeze = vec!["*".to_string()];
    let weights = Weights::new(WeightsConfig { freeze, ..WeightsConfig::default() }).unwrap();
    let net = deep(&weights, &RngKey::new(0));
    assert!(!net.forward_recomputed(&x).unwrap().track_op());
}

#[test]
fn gradients_that_nobody_would_collect_are_an_error() {
    let x = Tensor::ones((2, 6), DType::F32, &Device::Cpu).unwrap();
    let weights = Weights::new(WeightsConfig::default()).unwrap();
    let net = deep(&weights, &RngKey::new(0));
    let loss = net.forward_recomputed(&x).unwrap().sum_all().unwrap();
    let message = loss.backward().err().unwrap().to_string();
    assert!(message.contains("call it in place of the loss's own `backward`"), "{message}");
    let (params, _) = weights.finish().unwrap();
    let gradients = backward(&loss).unwrap();
    let again = backward(&net.forward_recomputed(&x).unwrap().sum_all().unwrap()).unwrap();
    for (name, var) in params.trainable() {
        assert!(gradients.get(&var).is_some() && again.get(&var).is_some(), "{name}");
    }
}

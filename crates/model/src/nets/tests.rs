use candle_core::{DType, Device, ModuleT, Tensor};

use super::*;
use crate::params::{ParamKind, Params};
use crate::rng::RngKey;
use crate::weights::{Weights, WeightsConfig};

fn build(info: &NetInfo, config: &NetConfig) -> candle_core::Result<(Net, Params)> {
    let weights = Weights::new(WeightsConfig { seed: 1, ..Default::default() }).unwrap();
    let net = (info.build)(config, weights.var_builder(DType::F32, &Device::Cpu), &RngKey::new(1))?;
    Ok((net, weights.finish().unwrap().0))
}

#[test]
fn every_net_gives_logits_for_its_own_input_and_for_another() {
    for info in all() {
        let usual = info.config();
        let other = NetConfig { num_classes: 3, channels: 2, height: 15, width: 18 };
        for config in [usual, other] {
            let (net, _) = build(info, &config).unwrap();
            let shape = (2, config.channels, config.height, config.width);
            let images = Tensor::ones(shape, DType::F32, &Device::Cpu).unwrap();
            for train in [false, true] {
                let logits = net.forward_t(&images, train).unwrap();
                assert_eq!(logits.dims(), [2, config.num_classes], "{}", info.name);
            }
        }
    }
}

#[test]
fn names_are_unique_and_stem_and_head_are_layers_of_the_net() {
    for (index, info) in all().iter().enumerate() {
        assert!(all()[..index].iter().all(|other| other.name != info.name));
        assert_eq!(find(info.name).unwrap().description, info.description);
        let (_, params) = build(info, &info.config()).unwrap();
        let rows = |prefix: &str| {
            params.get(&format!("{prefix}.weight")).unwrap().var.dims()[..2].to_vec()
        };
        assert_eq!(rows(info.head)[0], info.num_classes);
        let wide = NetConfig { channels: 3, ..info.config() };
        let (_, wide) = build(info, &wide).unwrap();
        let changed: Vec<&str> = params
            .iter()
            .filter(|(name, param)| wide.get(name).unwrap().var.dims() != param.var.dims())
            .map(|(name, _)| name.as_str())
            .collect();
        assert_eq!(changed, [format!("{}.weight", info.stem)]);
    }
    assert!(find("resnet0").is_none());
}

#[test]
fn the_flattened_shape_is_what_the_dense_layer_takes() {
    for info in all() {
        let config = NetConfig { height: 21, width: 30, ..info.config() };
        let (name, flatten) = (info.flatten)(&config).unwrap();
        let (_, params) = build(info, &config).unwrap();
        let weight = &params.get(name).unwrap().var;
        assert_eq!(
            weight.dims()[1],
            flatten.channels * flatten.height * flatten.width,
            "{}",
            info.name
        );
    }
}

#[test]
fn keras_cnn_has_the_parameters_of_the_keras_example() {
    let (_, params) = build(&KERAS_CNN, &KERAS_CNN.config()).unwrap();
    let shapes: Vec<(&str, &[usize])> =
        params.iter().map(|(name, param)| (name.as_str(), param.var.dims())).collect();
    let expected: [(&str, &[usize]); 8] = [
        ("conv1.bias", &[32]),
        ("conv1.weight", &[32, 1, 3, 3]),
        ("conv2.bias", &[64]),
        ("conv2.weight", &[64, 32, 3, 3]),
        ("fc1.bias", &[128]),
        ("fc1.weight", &[128, 9216]),
        ("fc2.bias", &[10]),
        ("fc2.weight", &[10, 128]),
    ];
    assert_eq!(shapes, expected);
    assert_eq!(params.num_elements(ParamKind::Trainable), 1_199_882);

    let bound = |name: &str| {
        let values = params.get(name).unwrap().var.abs().unwrap().flatten_all().unwrap();
        values.max(0).unwrap().to_scalar::<f32>().unwrap()
    };
    assert_eq!(bound("fc1.bias"), 0.0);
    // Glorot: sqrt(6 / (fan_in + fan_out)).
    let expected = (6.0f32 / (9216.0 + 128.0)).sqrt();
    assert!(bound("fc1.weight") <= expected && bound("fc1.weight") > 0.99 * expected);
}

#[test]
fn images_that_are_too_small_are_an_error() {
    let sizes = [("keras-cnn", 5, "6x6"), ("lenet5", 11, "12x12"), ("mlp", 0, "one pixel")];
    for (name, size, needs) in sizes {
        let info = find(name).unwrap();
        let fits = NetConfig { height: size + 1, width: size + 1, ..info.config() };
        assert!(build(info, &fits).is_ok(), "{name}");
        let small = NetConfig { width: size, ..fits };
        let error = build(info, &small).err().unwrap().to_string();
        assert!(error.contains(name) && error.contains(needs), "{error}");
    }
}

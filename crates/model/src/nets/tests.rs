use std::collections::BTreeMap;

use candle_core::{DType, Device, ModuleT, Tensor};
use candle_nn::VarBuilder;

use super::*;
use crate::params::{ParamKind, Params};
use crate::pattern::matches;
use crate::rng::RngKey;
use crate::summary::summarize;
use crate::weights::{Role, Weights, WeightsConfig, role};

/// The nets that are small enough to draw and run several times in a test.
fn small() -> impl Iterator<Item = &'static NetInfo> {
    all().iter().filter(|info| info.size.unwrap().parameters < 2_000_000)
}

fn build(info: &NetInfo, config: &NetConfig) -> candle_core::Result<(Net, Params)> {
    let weights = Weights::new(WeightsConfig { seed: 1, ..Default::default() }).unwrap();
    let net = (info.build)(config, weights.var_builder(DType::F32, &Device::Cpu), &RngKey::new(1))?;
    Ok((net, weights.finish().unwrap().0))
}

#[test]
fn every_net_gives_logits_for_its_own_input_and_for_another() {
    for info in small() {
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
    }
    for info in small() {
        let (_, params) = build(info, &info.config()).unwrap();
        let rows = |prefix: &str| {
            params.get(&format!("{prefix}.weight")).unwrap().var.dims()[..2].to_vec()
        };
        assert_eq!(rows(info.head)[0], info.num_classes);
        let wide = NetConfig { channels: info.default_input.0 + 1, ..info.config() };
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

/// The shapes of the tensors of a net as it is usually built.
fn shapes(info: &NetInfo) -> BTreeMap<String, Vec<usize>> {
    info.shapes(&info.config()).unwrap()
}

#[test]
fn sizes_are_those_of_the_nets_as_usually_built() {
    let mut wrong = Vec::new();
    for info in all() {
        let shapes = shapes(info);
        let weights = shapes.iter().filter(|(name, _)| role(name) == Role::Weight);
        let parameters = weights.map(|(_, shape)| shape.iter().product::<usize>()).sum();
        let (channels, height, width) = info.default_input;
        let vb = VarBuilder::zeros(DType::F32, &Device::Cpu);
        let net = (info.build)(&info.config(), vb.into(), &RngKey::new(0)).unwrap();
        let summary =
            summarize(&net, &Params::new(), &[channels, height, width], &Device::Cpu).unwrap();
        let found = NetSize { parameters, multiply_adds: summary.total.multiply_adds };
        if info.size != Some(found) {
            wrong.push((info.name, found));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_parameter_is_in_one_stage_and_every_pattern_matches_one() {
    for info in all() {
        let shapes = shapes(info);
        let names: Vec<&String> = shapes.keys().filter(|name| role(name) == Role::Weight).collect();
        let stages = &info.stages;
        for name in &names {
            let holds = |stage: &&Vec<String>| stage.iter().any(|pattern| matches(pattern, name));
            assert_eq!(stages.iter().filter(holds).count(), 1, "{}: {name}", info.name);
        }
        for pattern in stages.iter().flatten() {
            assert!(names.iter().any(|name| matches(pattern, name)), "{}: {pattern}", info.name);
        }
        let [first, .., last] = stages.as_slice() else { panic!("{}: {stages:?}", info.name) };
        let holds = |stage: &[String], layer: &str| {
            stage.iter().any(|pattern| matches(pattern, &format!("{layer}.weight")))
        };
        assert!(holds(first, info.stem) && holds(last, info.head), "{}", info.name);
    }
}

#[test]
fn every_pattern_of_adapters_matches_a_layer() {
    for info in all() {
        let names: Vec<String> = shapes(info).into_keys().collect();
        let layers: Vec<&str> =
            names.iter().filter_map(|name| name.strip_suffix(".weight")).collect();
        for pattern in info.lora {
            let is_meant =
                |layer: &&str| matches(pattern, layer) || layer.rsplit('.').next() == Some(pattern);
            assert!(layers.iter().any(is_meant), "{}: {pattern}", info.name);
        }
    }
}

#[test]
fn features_and_head_give_the_net_s_logits() {
    let info = find("cifar_resnet20").unwrap();
    let (net, _) = build(info, &info.config()).unwrap();
    let images = Tensor::ones((2, 3, 32, 32), DType::F32, &Device::Cpu).unwrap();
    let features = net.features(&images, false).unwrap().unwrap();
    assert_eq!(features.dims(), [2, 64]);
    let values = |tensor: Tensor| tensor.to_vec2::<f32>().unwrap();
    let whole = values(net.forward_t(&images, false).unwrap());
    assert_eq!(values(net.logits(&features, false).unwrap()), whole);

    let whole = Net::new(|x: &Tensor| x.flatten_from(1));
    assert!(!whole.has_body() && whole.features(&images, false).unwrap().is_none());
}

#[test]
fn the_flattened_shape_is_what_the_dense_layer_takes() {
    for name in ["keras-cnn", "digit-cnn", "digit-cnn-large", "lenet5", "mlp"] {
        let info = find(name).unwrap();
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
    let info = find("keras-cnn").unwrap();
    let (_, params) = build(info, &info.config()).unwrap();
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
    let sizes = [
        ("keras-cnn", "keras-cnn", 5, "6x6"),
        ("digit-cnn", "digit-cnn", 7, "8x8"),
        ("lenet5", "lenet5", 11, "12x12"),
        ("mlp", "mlp", 0, "one pixel"),
        ("cifar_resnet20", "a ResNet", 0, "one pixel"),
        ("vit_tiny_patch16_224", "vision transformer", 15, "16x16"),
    ];
    for (name, says, size, needs) in sizes {
        let info = find(name).unwrap();
        let fits = NetConfig { height: size + 1, width: size + 1, ..info.config() };
        assert!(build(info, &fits).is_ok(), "{name}");
        let small = NetConfig { width: size, ..fits };
        let error = build(info, &small).err().unwrap().to_string();
        assert!(error.contains(says) && error.contains(needs), "{error}");
    }
}

#[test]
fn recompute_has_an_effect_on_every_net_but_one_in_one_piece() {
    for info in small() {
        assert!(build(info, &info.config()).unwrap().0.recomputes(), "{}", info.name);
    }
    assert!(!Net::new(crate::layers::Relu).recomputes());
}

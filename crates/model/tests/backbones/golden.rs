//! Logits and every parameter's gradient, in evaluation and training mode, in f32.

use std::collections::BTreeMap;

use candle_core::{DType, Device, ModuleT, Tensor};
use taper_model::loss::CrossEntropy;
use taper_model::nets::{self, Net, NetConfig};
use taper_model::params::Params;
use taper_model::rng::RngKey;
use taper_model::weights::{Layout, TensorFile, Weights, WeightsConfig};

use crate::fixture::{Fixture, names, norm_and_dot, values};

/// The largest error of a tensor, relative to its norm, or to 1e-4 of that of all gradients.
///
/// What f32 does to a hundred layers is below it by far; a wrong term is above.
pub const TOLERANCE: f64 = 1e-3;

pub const BLOCK_NETS: [&str; 14] = [
    "tf_efficientnet_lite0",
    "efficientnet_b0",
    "tf_efficientnet_b0",
    "mobilenetv2_100",
    "mobilenetv3_small_100",
    "mobilenetv3_large_100",
    "mobilenetv4_conv_small",
    "convnext_atto",
    "convnext_femto",
    "convnext_pico",
    "convnext_tiny",
    "convnextv2_atto",
    "regnety_004",
    "hgnetv2_b0",
];

/// Nets by the names that other programs give their tensors, with the program.
pub const OTHERS: [(&str, &str); 13] = [
    ("efficientnet_b0", "torchvision"),
    ("mobilenetv2_100", "torchvision"),
    ("mobilenetv3_small_100", "torchvision"),
    ("mobilenetv3_large_100", "torchvision"),
    ("tf_mobilenetv2_100", "transformers"),
    ("vit_base_patch16_224", "torchvision"),
    ("regnety_004", "torchvision"),
    ("regnety_004", "transformers"),
    ("convnext_tiny", "torchvision"),
    ("convnext_tiny", "transformers"),
    ("convnextv2_atto", "transformers"),
    ("tf_efficientnet_b0", "efficientnet-pytorch"),
    ("tf_efficientnet_b0", "transformers"),
];

/// The script's weights by the source's names.
pub fn tensors(name: &str, source: &str, config: &NetConfig) -> TensorFile {
    let info = nets::find(name).unwrap();
    let key_map = info.key_map(source).unwrap_or_default();
    let tensors: BTreeMap<String, Tensor> = names(name, source)
        .into_iter()
        .map(|(from, mut shape)| {
            // The list is of the usual size, the fixture of a smaller one.
            let ours = key_map.apply(&from);
            if ours.starts_with(&format!("{}.", info.head)) {
                shape[0] = config.num_classes;
            }
            if let ("pos_embed", Some(patches)) = (ours.as_str(), info.patches) {
                let grid = config.height / patches.size * (config.width / patches.size);
                shape[1] = patches.prefix + grid;
            }
            let tensor = values(&from, &shape);
            (from, tensor)
        })
        .collect();
    TensorFile::from_tensors(tensors, source).unwrap()
}

/// A net with them, strictly loaded.
fn load(name: &str, source: &str, fixture: &Fixture) -> (Net, Params) {
    let info = nets::find(name).unwrap();
    let config = fixture.config();
    let weights = Weights::new(WeightsConfig {
        source: Some(tensors(name, source, &config)),
        key_map: info.key_map(source).unwrap_or_default(),
        ..info.weights_config(&config, Layout::PyTorch)
    })
    .unwrap();
    let vb = weights.var_builder(DType::F32, &Device::Cpu);
    let net = (info.build)(&config, vb, &RngKey::new(0)).unwrap();
    let (params, report) = weights.finish().unwrap();
    assert!(report.initialized.is_empty(), "{report}");
    (net, params)
}

/// The error of vectors relative to the expected one's norm.
pub fn relative(found: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
    let error = norm(&mut found.iter().zip(expected).map(|(a, b)| a - b));
    error / norm(&mut expected.iter().copied())
}

fn check_answer(what: &str, net: &Net, params: &Params, fixture: &Fixture, train: bool) {
    let expected = if train { fixture.train.as_ref() } else { Some(&fixture.eval) };
    let Some(expected) = expected else { return };
    let logits = net.forward_t(&fixture.images(), train).unwrap();
    let flat: Vec<f32> = logits.flatten_all().unwrap().to_vec1().unwrap();
    let flat: Vec<f64> = flat.into_iter().map(f64::from).collect();
    let error = relative(&flat, &expected.logits);
    assert!(error < TOLERANCE, "{what}: logits {flat:?}, expected {:?}", expected.logits);

    let labels: Vec<u32> = [3, 7].into_iter().cycle().take(logits.dim(0).unwrap()).collect();
    let labels = Tensor::new(labels, &Device::Cpu).unwrap();
    let loss = CrossEntropy::default().class_ids(&logits, &labels).unwrap();
    let loss_error = (f64::from(loss.to_scalar::<f32>().unwrap()) - expected.loss).abs();
    assert!(loss_error < TOLERANCE * expected.loss, "{what}: loss {loss}");
    if expected.gradients.is_empty() {
        println!("{what}: logits {error:.1e}");
        return;
    }

    let gradients = loss.backward().unwrap();
    let all = expected.gradients.values().map(|[norm, _]| norm * norm).sum::<f64>().sqrt();
    let mut worst = (0.0, "");
    let trainable = params.trainable();
    let found: Vec<&String> = trainable.iter().map(|(name, _)| name).collect();
    assert_eq!(found, expected.gradients.keys().collect::<Vec<_>>(), "{what}");
    for (name, var) in &trainable {
        let gradient =
            gradients.get(var).unwrap_or_else(|| panic!("{what}: no gradient of {name}"));
        let found = norm_and_dot(name, gradient);
        let [norm, dot] = expected.gradients[name];
        let error = (found[0] - norm).abs().max((found[1] - dot).abs()) / norm.max(1e-4 * all);
        assert!(error < TOLERANCE, "{what}: {name} {found:?}, expected {:?}", [norm, dot]);
        if error > worst.0 {
            worst = (error, name);
        }
    }
    println!("{what}: logits {error:.1e}, gradients {:.1e} ({})", worst.0, worst.1);
}

/// Evaluation, then training: the latter changes the running statistics.
fn check(name: &str, source: &str) {
    let fixture = Fixture::read(name, source);
    let (net, params) = load(name, source, &fixture);
    check_answer(&format!("{name} of {source}, evaluation"), &net, &params, &fixture, false);
    check_answer(&format!("{name} of {source}, training"), &net, &params, &fixture, true);
}

#[test]
fn resnets_are_those_of_timm_and_torchvision() {
    for name in ["resnet18", "resnet34", "resnet50", "resnet101"] {
        check(name, "timm");
    }
}

#[test]
fn resnets_are_those_of_transformers() {
    for name in ["resnet18", "resnet34", "resnet50", "resnet101"] {
        check(name, "transformers");
    }
}

#[test]
fn cifar_resnets_are_those_of_the_paper() {
    for name in ["cifar_resnet20", "cifar_resnet32", "cifar_resnet44", "cifar_resnet56"] {
        check(name, "reference");
    }
}

#[test]
fn the_digit_cnns_are_those_of_the_script() {
    for name in ["digit-cnn", "digit-cnn-large"] {
        check(name, "reference");
    }
}

/// Dropout and stochastic depth aside, which timm has off unless asked.
#[test]
fn nets_of_blocks_are_those_of_timm() {
    for name in BLOCK_NETS {
        check(name, "timm");
    }
}

#[test]
fn nets_of_blocks_are_those_of_other_programs() {
    for (name, source) in OTHERS {
        check(name, source);
    }
}

#[test]
fn vision_transformers_are_those_of_timm() {
    for name in ["vit_tiny_patch16_224", "vit_small_patch16_224", "vit_base_patch16_224"] {
        check(name, "timm");
    }
}

#[test]
fn vision_transformers_are_those_of_transformers() {
    for name in ["vit_tiny_patch16_224", "vit_small_patch16_224", "vit_base_patch16_224"] {
        check(name, "transformers");
    }
}

#[test]
fn dinov2_is_that_of_transformers() {
    for name in ["vit_small_patch14_dinov2", "vit_base_patch14_dinov2"] {
        check(name, "transformers");
    }
}

#[test]
fn registers_and_rotary_positions_are_those_of_timm() {
    for name in [
        "vit_small_patch14_reg4_dinov2",
        "vit_base_patch14_reg4_dinov2",
        "vit_small_patch16_dinov3",
    ] {
        check(name, "timm");
    }
}

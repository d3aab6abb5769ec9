//! Low-rank adapters against Python's `peft`: logits and gradients; merging.

use std::collections::BTreeMap;

use candle_core::{DType, Device, ModuleT, Tensor};
use serde::Deserialize;
use taper_model::lora::{self, Adapters, LoraConfig};
use taper_model::loss::CrossEntropy;
use taper_model::nets::{self, Net, NetConfig};
use taper_model::params::{ParamKind, Params};
use taper_model::rng::RngKey;
use taper_model::weights::{self, Layout, Weights, WeightsConfig};

use crate::fixture::{Answer, norm_and_dot, read, values};
use crate::golden::{TOLERANCE, relative, tensors};

#[derive(Deserialize)]
struct Fixture {
    input: [usize; 4],
    rank: usize,
    alpha: f64,
    targets: Vec<String>,
    eval: Answer,
}

fn logits(net: &Net, images: &Tensor, train: bool) -> Vec<f64> {
    let logits = net.forward_t(images, train).unwrap().flatten_all().unwrap();
    logits.to_vec1::<f32>().unwrap().into_iter().map(f64::from).collect()
}

/// A net with adapters, whose trained weights are the script's.
fn adapted(name: &str, config: &NetConfig, lora: &LoraConfig) -> (Net, Params) {
    let info = nets::find(name).unwrap();
    let key = RngKey::new(0);
    let head = info.head.to_string();
    let weights = Weights::new(WeightsConfig {
        source: Some(tensors(name, "timm", config)),
        trainable: lora::trainable(info.head),
        adapters: Some(Adapters { lora: lora.clone(), head, key: key.clone() }),
        ..info.weights_config(config, Layout::PyTorch)
    })
    .unwrap();
    let vb = weights.var_builder(DType::F32, &Device::Cpu);
    let net = (info.build)(config, vb, &key).unwrap();
    let (params, report) = weights.finish().unwrap();
    assert!(report.initialized.iter().all(|entry| entry.note == "adapter"), "{report}");
    let new = report
        .initialized
        .iter()
        .map(|entry| (entry.name.clone(), values(&entry.name, &entry.shape)));
    params.set_some(&new.collect()).unwrap();
    (net, params)
}

fn plain(name: &str, config: &NetConfig, params: &Params) -> Net {
    let weights = Weights::from_params::<String>(params, []);
    let vb = weights.var_builder(DType::F32, &Device::Cpu);
    let net = (nets::find(name).unwrap().build)(config, vb, &RngKey::new(0)).unwrap();
    weights.finish().unwrap();
    net
}

fn check(name: &str) {
    let fixture: Fixture = serde_json::from_str(&read(&format!("{name}.lora.json"))).unwrap();
    let [_, channels, height, width] = fixture.input;
    let config = NetConfig { num_classes: 10, channels, height, width };
    let Fixture { rank, alpha, targets, .. } = fixture;
    let lora = LoraConfig { rank, alpha, targets, dropout: 0.0 };
    let (net, params) = adapted(name, &config, &lora);
    let images = values("images", &fixture.input);

    let found = logits(&net, &images, false);
    let expected = &fixture.eval;
    let error = relative(&found, &expected.logits);
    assert!(error < TOLERANCE, "{name}: logits {found:?}, expected {:?}", expected.logits);

    let labels = Tensor::new(&[3u32, 7], &Device::Cpu).unwrap();
    let answer = net.forward_t(&images, true).unwrap();
    let loss = CrossEntropy::default().class_ids(&answer, &labels).unwrap();
    let gradients = loss.backward().unwrap();
    let all = expected.gradients.values().map(|[norm, _]| norm * norm).sum::<f64>().sqrt();
    let trained: Vec<String> = params.trainable().into_iter().map(|(name, _)| name).collect();
    assert_eq!(trained, expected.gradients.keys().cloned().collect::<Vec<_>>());
    for (parameter, var) in params.trainable() {
        let found = norm_and_dot(&parameter, gradients.get(&var).unwrap());
        let [norm, dot] = expected.gradients[&parameter];
        let error = (found[0] - norm).abs().max((found[1] - dot).abs()) / norm.max(1e-4 * all);
        assert!(error < TOLERANCE, "{name}: {parameter} {found:?}, expected {:?}", [norm, dot]);
    }

    // f32 keeps seven digits, and the two nets round at other places.
    let merged = plain(name, &config, &lora::merge(&params, &lora).unwrap());
    let merged = logits(&merged, &images, false);
    let largest = found.iter().fold(0f64, |largest, logit| largest.max(logit.abs()));
    let apart = found.iter().zip(&merged).map(|(a, b)| (a - b).abs()).fold(0f64, f64::max);
    println!("{name}: logits {error:.1e}, merging {apart:.1e} of {largest:.1}");
    assert!(apart < 1e-5 * largest.max(1.0) && apart > 0.0, "{name}: {apart} of {largest}");
}

#[test]
fn adapters_of_dense_layers_are_those_of_peft() {
    check("vit_tiny_patch16_224");
}

#[test]
fn adapters_of_convolutions_are_those_of_peft() {
    check("resnet18");
}

#[test]
fn adapting_the_attention_of_vit_tiny_trains_less_than_two_percent() {
    let info = nets::find("vit_tiny_patch16_224").unwrap();
    let config = NetConfig { num_classes: 10, height: 32, width: 32, ..info.config() };
    let targets = info.lora.iter().map(|target| target.to_string()).collect();
    let lora = LoraConfig { targets, ..LoraConfig::default() };
    let (_, params) = adapted(info.name, &config, &lora);
    let trained = params.num_elements(ParamKind::Trainable);
    assert_eq!(trained, 12 * 8 * (192 + 3 * 192) + 10 * 193);
    let all = trained + params.num_elements(ParamKind::Frozen);
    assert!(trained * 50 < all, "{trained} of {all}");
}

#[test]
fn dropout_of_adapters_acts_in_training_alone() {
    let info = nets::find("vit_tiny_patch16_224").unwrap();
    let config = NetConfig { num_classes: 10, height: 32, width: 32, ..info.config() };
    let lora = |dropout| LoraConfig { dropout, targets: vec!["qkv".into()], ..Default::default() };
    let images = values("images", &[2, 3, 32, 32]);
    let (with, _) = adapted(info.name, &config, &lora(0.5));
    let (without, _) = adapted(info.name, &config, &lora(0.0));
    let expected = logits(&without, &images, true);
    assert_eq!(logits(&with, &images, false), expected);
    assert_ne!(logits(&with, &images, true), expected);
    let features = with.features(&images, false).unwrap().unwrap();
    let again = with.logits(&features, true).unwrap().flatten_all().unwrap();
    let again: Vec<f64> = again.to_vec1::<f32>().unwrap().into_iter().map(f64::from).collect();
    assert_eq!(again, expected);
}

#[test]
fn a_target_that_stands_for_no_layer_is_an_error() {
    let info = nets::find("lenet5").unwrap();
    for target in ["fc3", "conv7", "*.qkv"] {
        let targets = vec!["fc1".to_string(), target.to_string()];
        let lora = LoraConfig { targets, ..LoraConfig::default() };
        let key = RngKey::new(0);
        let adapters = Some(Adapters { lora, head: "fc3".to_string(), key: key.clone() });
        let weights = Weights::new(WeightsConfig { adapters, ..Default::default() }).unwrap();
        let vb = weights.var_builder(DType::F32, &Device::Cpu);
        (info.build)(&info.config(), vb, &key).unwrap();
        assert_eq!(
            weights.finish().unwrap_err().to_string(),
            format!(
                "the target `{target}` stands for no dense layer or convolution of the net but the \
                 head; its layers are like `conv1`"
            )
        );
    }
}

#[test]
fn an_adapter_is_read_as_it_was_written() {
    let info = nets::find("vit_tiny_patch16_224").unwrap();
    let config = NetConfig { num_classes: 10, height: 32, width: 32, ..info.config() };
    let lora = LoraConfig { targets: vec!["qkv".into()], ..Default::default() };
    let (_, params) = adapted(info.name, &config, &lora);
    let about = weights::AdapterConfig::new(&params, &lora, info.head, "timm/vit");
    let folder = tempfile::tempdir().unwrap();
    weights::save_adapter(folder.path(), &params, &about, &BTreeMap::new()).unwrap();
    let (again, file) = weights::read_adapter(folder.path()).unwrap();
    assert_eq!(again, about);
    assert_eq!(again.target_modules.len(), 12);
    assert!(again.target_modules.contains(&"blocks.7.attn.qkv".to_string()));
    let names: Vec<String> = params.trainable().into_iter().map(|(name, _)| name).collect();
    assert_eq!(file.names().collect::<Vec<_>>(), names);
    for (name, var) in params.trainable() {
        let values = |t: &Tensor| t.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert_eq!(values(file.get(&name).unwrap()), values(&var));
    }

    // Of another kind.
    let path = folder.path().join(weights::ADAPTER_CONFIG);
    let text = std::fs::read_to_string(&path).unwrap();
    for (from, to, expected) in [
        ("\"LORA\"", "\"LOHA\"", "it is of the type LOHA, expected LORA"),
        ("\"use_dora\": false", "\"use_dora\": true", "use_dora is true, expected false"),
        ("\"r\": 8", "\"r\": 0", "r is 0, expected 1 or more"),
        ("\"bias\": \"none\"", "\"bias\": \"all\"", "bias is all, expected none"),
        (
            "\"fan_in_fan_out\": false",
            "\"fan_in_fan_out\": true",
            "fan_in_fan_out is true, expected false",
        ),
        (
            "\"r\": 8",
            "\"r\": 1",
            "r is 1, and lora_A of `blocks.0.attn.qkv` has the shape [8, 192]",
        ),
        (
            "blocks.7.attn.qkv",
            "blocks.7.attn.proj",
            "target_modules do not name `blocks.7.attn.qkv`, which has an adapter",
        ),
        (
            "\"blocks.7.attn.qkv\"",
            "\"blocks.7.attn.qkv\", \"proj\"",
            "target_modules name `proj`, which has no adapter",
        ),
        ("\"head\"", "\"fc\"", "modules_to_save does not name the layer of `head.bias`"),
        (
            "\"lora_alpha\": 16.0",
            "\"lora_alpha\": 4.0",
            "lora_alpha is 4, but adapter_model.safetensors was written with 16.0; one of the two was changed: \
             restore it",
        ),
    ] {
        std::fs::write(&path, text.replace(from, to)).unwrap();
        let message = weights::read_adapter(folder.path()).unwrap_err().to_string();
        let expected = format!("the adapter {} cannot be used: {expected}", path.display());
        assert_eq!(message, expected);
    }
}

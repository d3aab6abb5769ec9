//! Every tensor that a source saves has a place in the net, and every place a tensor.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor};
use taper_model::nets::{self, NetConfig};
use taper_model::rng::RngKey;
use taper_model::weights::{Layout, LoadReport, TensorFile, Weights, WeightsConfig, export};

use crate::fixture::names;
use crate::golden::{BLOCK_NETS, OTHERS, tensors};

/// Loads zeros of the source's names and shapes into the net of the usual size.
fn load(name: &str, source: &str, key_map: &str) -> LoadReport {
    let info = nets::find(name).unwrap();
    let tensor = |shape: Vec<usize>, dtype| Tensor::zeros(shape, dtype, &Device::Cpu).unwrap();
    let tensors: BTreeMap<String, Tensor> = names(name, source)
        .into_iter()
        .map(|(name, shape)| {
            let counts = name.ends_with("num_batches_tracked");
            (name, tensor(shape, if counts { DType::I64 } else { DType::F32 }))
        })
        .collect();
    let weights = Weights::new(WeightsConfig {
        source: Some(TensorFile::from_tensors(tensors, source).unwrap()),
        key_map: info.key_map(key_map).unwrap_or_default(),
        ..info.weights_config(&info.config(), Layout::PyTorch)
    })
    .unwrap();
    let vb = weights.var_builder(DType::F32, &Device::Cpu);
    (info.build)(&info.config(), vb, &RngKey::new(0)).unwrap();
    // An error here names all that is missing, mismatched or left over.
    let (_, report) = weights.finish().unwrap();
    report
}

/// Checks that all is loaded as it is, and that what is skipped is what is known by name.
fn check(name: &str, source: &str, skipped: &[&str]) {
    let report = load(name, source, source);
    let lists = [&report.initialized, &report.missing, &report.mismatched, &report.unused];
    assert!(lists.iter().all(|list| list.is_empty()), "{name} of {source}: {report}");
    for entry in &report.skipped {
        let last = entry.name.rsplit('.').next().unwrap();
        assert!(skipped.contains(&last), "{name} of {source}: {} is skipped", entry.name);
    }
}

#[test]
fn every_tensor_of_timm_s_resnets_has_its_place() {
    for name in ["resnet18", "resnet34", "resnet50", "resnet101"] {
        check(name, "timm", &["num_batches_tracked"]);
    }
}

#[test]
fn every_tensor_of_timm_s_nets_of_blocks_has_its_place() {
    for name in BLOCK_NETS {
        check(name, "timm", &["num_batches_tracked"]);
    }
}

#[test]
fn every_tensor_of_other_programs_nets_of_blocks_has_its_place() {
    // Those of which names and shapes alone are known.
    let listed = [
        ("tf_efficientnet_lite0", "efficientnet-pytorch"),
        ("convnext_tiny", "facebook"),
        ("convnextv2_atto", "facebook"),
    ];
    for (name, source) in OTHERS.into_iter().chain(listed) {
        check(name, source, &["num_batches_tracked"]);
    }
}

#[test]
fn every_tensor_of_transformers_resnets_has_its_place() {
    for name in ["resnet18", "resnet34", "resnet50", "resnet101"] {
        check(name, "transformers", &["num_batches_tracked"]);
    }
}

#[test]
fn every_tensor_of_the_cifar_resnets_has_its_place() {
    for name in ["cifar_resnet20", "cifar_resnet32", "cifar_resnet44", "cifar_resnet56"] {
        check(name, "reference", &["num_batches_tracked"]);
    }
}

#[test]
fn every_tensor_of_the_vision_transformers_has_its_place() {
    for name in ["vit_tiny_patch16_224", "vit_small_patch16_224", "vit_base_patch16_224"] {
        check(name, "timm", &[]);
        check(name, "transformers", &[]);
    }
}

#[test]
fn every_tensor_of_dinov3_s_convnext_has_its_place() {
    let report = load("convnext_tiny", "dinov3", "transformers");
    let names: Vec<&str> = report.initialized.iter().map(|entry| entry.name.as_str()).collect();
    assert_eq!(names, ["head.fc.bias", "head.fc.weight"]);
    assert!(report.skipped.is_empty() && report.adapted.is_empty(), "{report}");
}

#[test]
fn every_tensor_of_dinov3_s_transformer_has_its_place() {
    check("vit_small_patch16_dinov3", "timm", &[]);
    let report = load("vit_small_patch16_dinov3", "dinov3", "transformers");
    let names: Vec<&str> = report.initialized.iter().map(|entry| entry.name.as_str()).collect();
    assert_eq!(names, ["head.bias", "head.weight"]);
    // What stands for a hidden patch, and the biases of queries and values, which are zero.
    assert_eq!(report.skipped.len(), 1 + 2 * 12, "{report}");
    assert_eq!(report.loaded[0].name, "blocks.0.attn.proj.bias");
}

#[test]
fn every_tensor_of_dinov2_with_registers_has_its_place() {
    for name in ["vit_small_patch14_reg4_dinov2", "vit_base_patch14_reg4_dinov2"] {
        check(name, "timm", &[]);
        let report = load(name, "timm", "none");
        let adapted: Vec<&str> = report.adapted.iter().map(|entry| entry.note.as_str()).collect();
        assert_eq!(adapted, ["positions: 37x37 patches resampled to 16x16"]);
    }
}

#[test]
fn every_tensor_of_dinov2_has_its_place() {
    check("vit_small_patch14_dinov2", "transformers", &["mask_token"]);
    check("vit_base_patch14_dinov2", "transformers", &["mask_token"]);
    // The file is for 518x518 pixels, the net for 224x224.
    let report = load("vit_small_patch14_dinov2", "transformers", "transformers");
    let adapted: Vec<&str> = report.adapted.iter().map(|entry| entry.note.as_str()).collect();
    assert_eq!(adapted, ["positions: 37x37 patches resampled to 16x16"]);
}

#[test]
fn a_key_map_of_another_source_loads_nothing_in_silence() {
    let outcome = std::panic::catch_unwind(|| load("resnet18", "transformers", "none"));
    let text = *outcome.unwrap_err().downcast::<String>().unwrap();
    assert!(text.contains("resnet.embedder.embedder.convolution.weight"), "{text}");
}

#[test]
fn dinov2_leaves_under_the_names_that_it_came_by() {
    let info = nets::find("vit_small_patch14_dinov2").unwrap();
    let config = NetConfig { num_classes: 10, channels: 3, height: 28, width: 42 };
    let file = tensors(info.name, "transformers", &config);
    let weights = Weights::new(WeightsConfig {
        source: Some(file.clone()),
        key_map: info.key_map("transformers").unwrap(),
        ..info.weights_config(&config, Layout::PyTorch)
    })
    .unwrap();
    let vb = weights.var_builder(DType::F32, &Device::Cpu);
    (info.build)(&config, vb, &RngKey::new(0)).unwrap();
    let (params, _) = weights.finish().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    export(&path, &params, info.export.as_ref().unwrap(), BTreeMap::new()).unwrap();
    let exported = TensorFile::read(&path).unwrap();
    // What stands for a patch hidden in pretraining has no place here.
    let expected: Vec<&str> =
        file.names().filter(|name| *name != "dinov2.embeddings.mask_token").collect();
    assert_eq!(exported.names().collect::<Vec<_>>(), expected);
    let values = |file: &TensorFile, name: &str| {
        let tensor = file.get(name).unwrap();
        (tensor.dims().to_vec(), tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap())
    };
    assert!(expected.iter().all(|name| values(&exported, name) == values(&file, name)));
}

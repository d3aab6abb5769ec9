use std::collections::HashMap;

use candle_core::{DType, Device, Tensor};
use taper_dataset::{Crop, Filter, ResizeMode};
use taper_model::nets::UsualImages;
use tempfile::{TempDir, tempdir};

use super::*;

const TIMM: &str = r#"{
    "architecture": "resnet18", "num_classes": 3, "num_features": 512,
    "label_names": ["a", "b", "c"],
    "pretrained_cfg": {
        "input_size": [3, 224, 224], "test_input_size": [3, 288, 288],
        "interpolation": "bicubic", "crop_pct": 0.95, "crop_mode": "center",
        "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225],
        "num_classes": 1000, "first_conv": "conv1", "classifier": "fc"
    }}"#;

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let tensor = Tensor::ones(1, DType::F32, &Device::Cpu).unwrap();
    let tensors = HashMap::from([("x".to_string(), tensor)]);
    let path = folder.path().join("model.safetensors");
    candle_core::safetensors::save(&tensors, path).unwrap();
    folder
}

#[test]
fn the_checkpoint_is_a_layer_above_the_defaults_and_below_what_is_named() {
    let folder = folder(&[("config.json", TIMM)]);
    let weights = ("model.weights".to_string(), folder.path().to_str().unwrap().to_string());
    let resolve = |base: Option<&str>, more: &[(&str, &str)]| {
        let mut overrides = vec![weights.clone()];
        overrides.extend(more.iter().map(|(k, v)| (k.to_string(), v.to_string())));
        resolve_pretrained("finetune-digits", base, &overrides, &Registry::new()).unwrap()
    };
    let recipe = resolve(None, &[]);
    assert_eq!((recipe.model.net.as_str(), recipe.data.source.as_str()), ("resnet18", "digits"));
    assert_eq!((recipe.image.channels, recipe.image.width), (3, 224));
    assert_eq!(recipe.image.placement, ResizeMode::Crop(Crop::Share(0.95)));
    assert_eq!(recipe.image.std, [0.229, 0.224, 0.225]);
    assert_eq!(recipe.train.epochs, 10);

    let flags = [("image.height", "64"), ("image.placement", "fit"), ("model.net", "lenet5")];
    let recipe = resolve(None, &flags);
    assert_eq!((recipe.image.height, recipe.image.width), (64, 224));
    assert_eq!((recipe.image.placement, recipe.model.net.as_str()), (ResizeMode::Fit, "lenet5"));

    let recipe = resolve(Some("finetune-digits"), &[]);
    assert_eq!(recipe.model.net, "keras-cnn");
    assert_eq!(recipe.image.placement, ResizeMode::Digit);
    assert_eq!(recipe.image.filter, Filter::Bicubic);
    assert_eq!(recipe.image.channels, 3);
}

/// What fine-tuning comes to from a checkpoint that says nothing of itself.
fn silent(overrides: &[(&str, &str)]) -> Result<Recipe, String> {
    let folder = folder(&[]);
    let file = folder.path().join("model.safetensors");
    let mut all = vec![("model.weights".to_string(), file.to_str().unwrap().to_string())];
    all.extend(overrides.iter().map(|(k, v)| (k.to_string(), v.to_string())));
    let recipe = resolve_pretrained("finetune-digits", None, &all, &Registry::new());
    recipe.map_err(|e| e.to_string())
}

#[test]
fn where_a_checkpoint_is_silent_images_are_prepared_as_is_usual_for_its_net() {
    let image = |net: &str| silent(&[("model.net", net)]).unwrap().image;
    let resnet = image("resnet18");
    assert_eq!(resnet.placement, ResizeMode::Crop(Crop::Share(0.875)));
    assert_eq!((resnet.filter, resnet.mean), (Filter::Bilinear, vec![0.485, 0.456, 0.406]));
    let vit = image("vit_tiny_patch16_224");
    assert_eq!((vit.filter, vit.mean), (Filter::Bicubic, vec![0.5; 3]));
    let cifar = image("cifar_resnet20");
    assert_eq!((cifar.placement, cifar.std), (ResizeMode::Stretch, vec![0.229, 0.224, 0.225]));
    // A net for digits has digits.
    assert_eq!(image("lenet5").placement, ResizeMode::Digit);
    let flags = [("model.net", "resnet18"), ("image.placement", "fit")];
    assert_eq!(silent(&flags).unwrap().image.placement, ResizeMode::Fit);
}

#[test]
fn a_net_of_one_s_own_says_how_its_images_are_usually_prepared() {
    let mut registry = Registry::new();
    let mut net = registry.models.net("resnet18").unwrap().clone();
    net.name = "my-net";
    net.images = None;
    registry.models.add_net(net.clone());
    let set = [("model.net".to_string(), "my-net".to_string())];
    let resolve = |registry: &Registry, overrides: &[(String, String)]| {
        resolve_pretrained("finetune-digits", None, overrides, registry).unwrap()
    };
    assert_eq!(resolve(&registry, &set).optimizer.name, "adam");
    net.images = Some(UsualImages { mean: [0.1, 0.2, 0.3], ..UsualImages::IMAGENET });
    registry.models.add_net(net);
    assert_eq!(resolve(&registry, &set).optimizer.name, "adamw");

    let folder = folder(&[]);
    let file = folder.path().join("model.safetensors").to_str().unwrap().to_string();
    let weights = [set[0].clone(), ("model.weights".to_string(), file)];
    assert_eq!(resolve(&registry, &weights).image.mean, [0.1, 0.2, 0.3]);
}

#[test]
fn the_rates_are_those_of_the_net_s_family_and_the_method() {
    let rate = |net: &str, method: &str| {
        let recipe = silent(&[("model.net", net), ("method", method)]).unwrap();
        assert_eq!(recipe.optimizer.name, "adamw");
        assert_eq!(recipe.schedule.warmup_ratio, 0.1);
        assert_eq!((recipe.train.epochs, recipe.train.batch_size), (10, 32));
        recipe.optimizer.number("learning_rate").unwrap()
    };
    assert_eq!(rate("vit_tiny_patch16_224", "full"), 5e-5);
    assert_eq!(rate("vit_small_patch14_dinov2", "gradual"), 5e-5);
    assert_eq!(rate("vit_tiny_patch16_224", "lora"), 1e-3);
    assert_eq!(rate("resnet50", "last-2"), 3e-4);
    assert_eq!(rate("resnet50", "head"), 1e-3);
    assert_eq!(rate("cifar_resnet20", "full"), 1e-3);
    let digits = silent(&[("model.net", "lenet5")]).unwrap();
    assert_eq!(digits.optimizer.name, "adam");
    let set = [("model.net", "resnet18"), ("optimizer", "sgd"), ("schedule", "constant")];
    assert_eq!(silent(&set).unwrap().optimizer.name, "sgd");
}

#[test]
fn weights_of_a_net_that_nobody_names_are_an_error() {
    let error = silent(&[]).unwrap_err();
    assert!(
        error.starts_with("nothing says what net ") && error.ends_with("set `model.net`"),
        "{error}"
    );
    let folder = tempdir().unwrap();
    let file = folder.path().join("a.safetensors");
    let net = taper_model::nets::find("mobilenetv3_small_100").unwrap();
    let shapes = net.shapes(&net.config()).unwrap();
    for prefix in ["", "module.", "_orig_mod.module.", "model.net."] {
        let zeros = |(name, shape): (&String, &Vec<usize>)| {
            let zeros = Tensor::zeros(shape.as_slice(), DType::F32, &Device::Cpu).unwrap();
            (format!("{prefix}{name}"), zeros)
        };
        let tensors: HashMap<_, _> = shapes.iter().map(zeros).collect();
        candle_core::safetensors::save(&tensors, &file).unwrap();
        let name = ("model.weights".to_string(), file.to_str().unwrap().to_string());
        let error = resolve_pretrained("finetune-digits", None, &[name], &Registry::new());
        let error = error.unwrap_err().to_string();
        assert!(error.ends_with("its names are like those of `mobilenetv3_small_100`"), "{error}");
    }
}

#[test]
fn another_net_does_not_start_from_the_default_weights() {
    let net = ("model.net".to_string(), "resnet18".to_string());
    let recipe = resolve_pretrained("finetune-digits", None, &[net], &Registry::new()).unwrap();
    assert_eq!((recipe.model.net.as_str(), recipe.model.weights.as_str()), ("resnet18", ""));
}

#[test]
fn grey_images_have_the_mean_of_a_checkpoint_s_colours() {
    let folder = folder(&[("config.json", TIMM)]);
    let weights = ("model.weights".to_string(), folder.path().to_str().unwrap().to_string());
    let grey = ("image.channels".to_string(), "1".to_string());
    let recipe =
        resolve_pretrained("finetune-digits", None, &[weights, grey], &Registry::new()).unwrap();
    let [mean, std] = [recipe.image.mean, recipe.image.std].map(|values| values[..].to_vec());
    assert!((mean[0] - 0.449).abs() < 1e-9 && (std[0] - 0.226).abs() < 1e-9, "{mean:?} {std:?}");
    assert_eq!((mean.len(), std.len()), (1, 1));
}

use std::collections::HashMap;

use candle_core::{DType, Device, Tensor};
use taper_dataset::{Crop, Filter, Placement};
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

fn said(files: &[(&str, &str)]) -> Result<Option<Said>, String> {
    let folder = folder(files);
    let pretrained = Pretrained::open(folder.path().to_str().unwrap(), &Registry::new());
    pretrained.map(|pretrained| pretrained.said).map_err(|e| e.to_string())
}

fn transformers(config: &str, preprocessor: &str) -> Result<Said, String> {
    let files = [("config.json", config), ("preprocessor_config.json", preprocessor)];
    said(&files).map(|said| said.unwrap())
}

#[test]
fn timm_says_net_classes_and_preprocessing() {
    let said = said(&[("config.json", TIMM)]).unwrap().unwrap();
    let image = ImageSaid {
        input_size: [3, 224, 224],
        mean: vec![0.485, 0.456, 0.406],
        std: vec![0.229, 0.224, 0.225],
        placement: Placement::Crop(Crop::Share(0.95)),
        filter: Filter::Bicubic,
    };
    assert_eq!((said.net.as_str(), said.key_map.as_str()), ("resnet18", ""));
    assert_eq!((said.num_classes, said.label_names.len()), (Some(3), 3));
    assert_eq!(said.image, Some(image));
}

#[test]
fn where_timm_is_silent_its_defaults_hold() {
    let said = said(&[("config.json", r#"{"architecture": "x", "num_classes": 0}"#)]);
    let said = said.unwrap().unwrap();
    let image = said.image.unwrap();
    assert_eq!(said.num_classes, None);
    assert_eq!(
        (image.placement, image.filter),
        (Placement::Crop(Crop::Share(0.875)), Filter::Bicubic)
    );
    assert_eq!((image.input_size, image.mean), ([3, 224, 224], vec![0.485, 0.456, 0.406]));
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
    assert_eq!(recipe.image.placement, Placement::Crop(Crop::Share(0.95)));
    assert_eq!(recipe.image.std, [0.229, 0.224, 0.225]);
    assert_eq!(recipe.train.epochs, 10);

    let flags = [("image.height", "64"), ("image.placement", "fit"), ("model.net", "lenet5")];
    let recipe = resolve(None, &flags);
    assert_eq!((recipe.image.height, recipe.image.width), (64, 224));
    assert_eq!((recipe.image.placement, recipe.model.net.as_str()), (Placement::Fit, "lenet5"));

    let recipe = resolve(Some("finetune-digits"), &[]);
    assert_eq!(recipe.model.net, "keras-cnn");
    assert_eq!(recipe.image.placement, Placement::Digit);
    assert_eq!(recipe.image.filter, Filter::Bicubic);
    assert_eq!(recipe.image.channels, 3);
}

#[test]
fn what_timm_may_say_and_nobody_can_do_is_an_error_with_the_file() {
    for (from, to, message) in [
        ("\"bicubic\"", "\"lanczos\"", "interpolation is `lanczos`"),
        ("\"center\"", "\"border\"", "crop_mode is `border`"),
        ("0.95", "1.5", "crop_pct"),
        ("[3, 224, 224]", "[3, 0, 224]", "0 is no size"),
        ("[3, 224, 224]", "[224]", "input_size is [224]"),
        ("[0.485, 0.456, 0.406]", "[0.5, 0.5]", "mean has 2 values for 3 channels"),
        ("[\"a\", \"b\", \"c\"]", "{\"0\": \"a\", \"2\": \"b\"}", "have gaps"),
        ("\"num_classes\": 3", "\"num_classes\": -3", "num_classes is -3"),
        ("}}", "}", "EOF"),
    ] {
        let error = said(&[("config.json", &TIMM.replace(from, to))]).unwrap_err();
        assert!(error.contains("config.json") && error.contains(message), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

#[test]
fn transformers_nets_are_known_by_their_sizes() {
    let net = |config: &str| said(&[("config.json", config)]).map(|said| said.unwrap().net);
    let tiny = r#"{"model_type": "vit", "hidden_size": 192, "num_attention_heads": 3,
        "intermediate_size": 768, "image_size": 384, "layer_norm_eps": 1e-12}"#;
    assert_eq!(net(tiny).unwrap(), "vit_tiny_patch16_224");
    assert_eq!(net(r#"{"model_type": "vit"}"#).unwrap(), "vit_base_patch16_224");
    let resnet = r#"{"model_type": "resnet", "layer_type": "basic", "depths": [2, 2, 2, 2],
        "hidden_sizes": [64, 128, 256, 512], "architectures": ["ResNetForImageClassification"]}"#;
    assert_eq!(net(resnet).unwrap(), "resnet18");
    assert_eq!(net(r#"{"model_type": "resnet"}"#).unwrap(), "resnet50");
    let dino = r#"{"model_type": "dinov2", "hidden_size": 384, "num_attention_heads": 6}"#;
    assert_eq!(net(dino).unwrap(), "vit_small_patch14_dinov2");

    let error = net(r#"{"model_type": "vit", "hidden_size": 1024}"#).unwrap_err();
    assert!(error.contains("unknown net: a vit with hidden_act \"gelu\", hidden_size 1024"));
    assert!(error.contains("vit_tiny_patch16_224"), "{error}");
    let error = net(r#"{"model_type": "bert"}"#).unwrap_err();
    assert!(error.contains("unknown net of type `bert`, expected dinov2, resnet, vit"), "{error}");
}

#[test]
fn transformers_preprocessors_are_ours() {
    let vit = r#"{"image_processor_type": "ViTImageProcessor", "do_normalize": true,
        "do_rescale": true, "do_resize": true, "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5], "resample": 2, "rescale_factor": 0.00392156862745098,
        "size": {"height": 224, "width": 224}}"#;
    let convnext = r#"{"feature_extractor_type": "ConvNextFeatureExtractor", "crop_pct": 0.875,
        "do_normalize": true, "do_resize": true, "image_mean": [0.485, 0.456, 0.406],
        "image_std": [0.229, 0.224, 0.225], "resample": 3, "size": 224}"#;
    let bit = r#"{"image_processor_type": "BitImageProcessor", "do_center_crop": true,
        "crop_size": {"height": 224, "width": 224}, "do_resize": true, "do_normalize": false,
        "resample": 3, "size": {"shortest_edge": 256}}"#;
    let image = |text: &str| {
        let said = transformers(r#"{"model_type": "resnet"}"#, text).unwrap();
        assert_eq!(said.key_map, "transformers");
        said.image.unwrap()
    };
    let (vit, convnext, bit) = (image(vit), image(convnext), image(bit));
    assert_eq!((vit.placement, vit.filter), (Placement::Stretch, Filter::Bilinear));
    assert_eq!((vit.input_size, vit.mean), ([3, 224, 224], vec![0.5, 0.5, 0.5]));
    let crop = Placement::Crop(Crop::Edge { edge: 256, of: 224 });
    assert_eq!((convnext.placement, convnext.filter), (crop, Filter::Bicubic));
    assert_eq!(convnext.std, [0.229, 0.224, 0.225]);
    assert_eq!(bit.placement, crop);
    assert_eq!((bit.mean, bit.std), (vec![0.0], vec![1.0]));
    let large = r#"{"image_processor_type": "ConvNextImageProcessor", "resample": 3,
        "size": {"shortest_edge": 384}}"#;
    assert_eq!(image(large).placement, Placement::Stretch);
}

#[test]
fn what_transformers_may_say_and_nobody_can_do_is_an_error_with_the_file() {
    for (preprocessor, message) in [
        (r#"{"size": 224, "resample": 1}"#, "resample is Some(1)"),
        (r#"{"size": 224, "do_resize": false}"#, "do_resize is false"),
        (r#"{"size": 224, "rescale_factor": 1.0}"#, "does not scale pixels to 0..1"),
        (r#"{"size": {"shortest_edge": 224}, "do_center_crop": false}"#, "sizes would differ"),
        (r#"{"size": {"shortest_edge": 224}, "crop_size": 256}"#, "larger than shortest_edge"),
        (r#"{"resample": 2}"#, "no size"),
        ("3", "no size"),
    ] {
        let error = transformers(r#"{"model_type": "vit"}"#, preprocessor).unwrap_err();
        assert!(error.contains("preprocessor_config.json: "), "{error}");
        assert!(error.contains(message), "{error}");
    }
}

#[test]
fn class_names_come_from_a_list_or_from_ids() {
    let config = r#"{"model_type": "vit", "id2label": {"1": "dog", "0": "cat", "2": "owl"}}"#;
    let said = said(&[("config.json", config)]).unwrap().unwrap();
    assert_eq!(said.label_names, ["cat", "dog", "owl"]);
    assert_eq!((said.num_classes, said.image), (Some(3), None));
}

#[test]
fn a_file_or_folder_that_says_nothing_is_taken_all_the_same() {
    assert_eq!(said(&[]).unwrap(), None);
    assert_eq!(said(&[("config.json", "{\"a\": 1}")]).unwrap(), None);
    let folder = folder(&[]);
    let file = folder.path().join("model.safetensors");
    let pretrained = Pretrained::open(file.to_str().unwrap(), &Registry::new()).unwrap();
    assert_eq!(pretrained.said, None);
    assert_eq!(pretrained.read().unwrap().names().collect::<Vec<_>>(), ["x"]);
}

#[test]
fn a_config_beside_a_file_counts() {
    let folder = folder(&[("config.json", TIMM)]);
    let file = folder.path().join("model.safetensors");
    let pretrained = Pretrained::open(file.to_str().unwrap(), &Registry::new()).unwrap();
    assert_eq!(pretrained.said.unwrap().net, "resnet18");
}

#[test]
fn a_folder_without_weights_is_an_error_that_says_what_was_sought() {
    let folder = tempdir().unwrap();
    let name = folder.path().to_str().unwrap();
    let error = Pretrained::open(name, &Registry::new()).unwrap_err().to_string();
    assert!(error.contains("has no weights: expected model.safetensors"), "{error}");
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
    assert_eq!(resnet.placement, Placement::Crop(Crop::Share(0.875)));
    assert_eq!((resnet.filter, resnet.mean), (Filter::Bilinear, vec![0.485, 0.456, 0.406]));
    let vit = image("vit_tiny_patch16_224");
    assert_eq!((vit.filter, vit.mean), (Filter::Bicubic, vec![0.5; 3]));
    let cifar = image("cifar_resnet20");
    assert_eq!((cifar.placement, cifar.std), (Placement::Stretch, vec![0.229, 0.224, 0.225]));
    // A net for digits has digits.
    assert_eq!(image("lenet5").placement, Placement::Digit);
    let flags = [("model.net", "resnet18"), ("image.placement", "fit")];
    assert_eq!(silent(&flags).unwrap().image.placement, Placement::Fit);
}

#[test]
fn the_rates_are_those_of_the_net_s_family_and_the_method() {
    let rate = |net: &str, method: &str| {
        let recipe = silent(&[("model.net", net), ("method", method)]).unwrap();
        assert_eq!(recipe.optimizer.rule().name(), "adamw");
        assert_eq!(recipe.schedule.warmup_ratio, 0.1);
        assert_eq!((recipe.train.epochs, recipe.train.batch_size), (10, 32));
        recipe.optimizer.rule().learning_rate()
    };
    assert_eq!(rate("vit_tiny_patch16_224", "full"), 5e-5);
    assert_eq!(rate("vit_small_patch14_dinov2", "gradual"), 5e-5);
    assert_eq!(rate("vit_tiny_patch16_224", "lora"), 1e-3);
    assert_eq!(rate("resnet50", "last-2"), 3e-4);
    assert_eq!(rate("resnet50", "head"), 1e-3);
    assert_eq!(rate("cifar_resnet20", "full"), 1e-3);
    let digits = silent(&[("model.net", "lenet5")]).unwrap();
    assert_eq!(digits.optimizer.rule().name(), "adam");
    let set = [("model.net", "resnet18"), ("optimizer", "sgd"), ("schedule", "constant")];
    assert_eq!(silent(&set).unwrap().optimizer.rule().name(), "sgd");
}

#[test]
fn weights_of_a_net_that_nobody_names_are_an_error() {
    let error = silent(&[]).unwrap_err();
    assert!(
        error.starts_with("nothing says what net ") && error.ends_with("with --net"),
        "{error}"
    );
    let folder = tempdir().unwrap();
    let file = folder.path().join("a.safetensors");
    let tensor = Tensor::ones((576, 2), DType::F32, &Device::Cpu).unwrap();
    let tensors = HashMap::from([("blocks.0.attn.qkv.weight".to_string(), tensor)]);
    candle_core::safetensors::save(&tensors, &file).unwrap();
    let name = ("model.weights".to_string(), file.to_str().unwrap().to_string());
    let error = resolve_pretrained("finetune-digits", None, &[name], &Registry::new());
    let error = error.unwrap_err().to_string();
    assert!(error.ends_with("its names are like those of `vit_tiny_patch16_224`"), "{error}");
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

#[test]
fn a_name_of_the_hub_without_its_prefix_is_pointed_out() {
    let error = Pretrained::open("timm/resnet18.a1_in1k", &Registry::new()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "there is no file or folder `timm/resnet18.a1_in1k`; what the Hub has under that name is \
         `hub:timm/resnet18.a1_in1k`"
    );
}

#[test]
fn a_checkpoint_says_what_size_its_tensors_are_for() {
    let built = |text: &str| said(&[("config.json", text)]).unwrap().unwrap();
    let rest = r#""pretrained_cfg": {"input_size": [3, 32, 512]}}"#;
    let plain = built(&format!(r#"{{"architecture": "vit_tiny_patch16_224.augreg_in21k", {rest}"#));
    assert_eq!((plain.net.as_str(), plain.built_for), ("vit_tiny_patch16_224", Some((32, 512))));
    let arguments = r#""model_args": {"img_size": [64, 96]}"#;
    let told = built(&format!(r#"{{"architecture": "x", {arguments}, {rest}"#));
    assert_eq!(told.built_for, Some((64, 96)));
    let dino = r#"{"model_type": "dinov2", "hidden_size": 384, "num_attention_heads": 6,
        "image_size": 518}"#;
    assert_eq!(built(dino).built_for, Some((518, 518)));
}

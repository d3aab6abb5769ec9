use std::collections::HashMap;

use candle_core::{DType, Device, Tensor};
use taper_dataset::{Crop, Filter, Preprocessing, ResizeMode};
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

fn said(files: &[(&str, &str)]) -> Result<Option<CheckpointMetadata>, String> {
    let folder = folder(files);
    let pretrained = Pretrained::open(folder.path().to_str().unwrap(), &Models::new());
    pretrained.map(|pretrained| pretrained.metadata).map_err(|e| e.to_string())
}

fn transformers(config: &str, preprocessor: &str) -> Result<CheckpointMetadata, String> {
    let files = [("config.json", config), ("preprocessor_config.json", preprocessor)];
    said(&files).map(|said| said.unwrap())
}

#[test]
fn timm_says_net_classes_and_preprocessing() {
    let said = said(&[("config.json", TIMM)]).unwrap().unwrap();
    let image = Preprocessing {
        mean: vec![0.485, 0.456, 0.406],
        std: vec![0.229, 0.224, 0.225],
        placement: ResizeMode::Crop(Crop::Share(0.95)),
        filter: Filter::Bicubic,
        ..Preprocessing::plain(224, 224, 3)
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
        (ResizeMode::Crop(Crop::Share(0.875)), Filter::Bicubic)
    );
    assert_eq!((image.shape(), image.mean), ([3, 224, 224], vec![0.485, 0.456, 0.406]));
}

#[test]
fn what_timm_may_say_and_nobody_can_do_is_an_error_with_the_file() {
    for (from, to, message) in [
        ("\"bicubic\"", "\"lanczos\"", "interpolation is `lanczos`"),
        ("\"center\"", "\"border\"", "crop_mode is `border`"),
        ("0.95", "1.5", "crop_pct"),
        ("[3, 224, 224]", "[3, 0, 224]", "height is 0, expected 1 to 4096"),
        ("[3, 224, 224]", "[224]", "input_size is [224]"),
        (
            "[0.485, 0.456, 0.406]",
            "[0.5, 0.5]",
            "mean is a list of 2, expected one number, or one for each",
        ),
        ("[\"a\", \"b\", \"c\"]", "{\"0\": \"a\", \"2\": \"b\"}", "have gaps"),
        ("\"num_classes\": 3", "\"num_classes\": -3", "num_classes is -3"),
        ("\"num_classes\": 3", "\"num_classes\": 1000000000", "expected at most 1048576"),
        ("[3, 224, 224]", "[3, 224, 16384]", "width is 16384, expected 1 to 4096"),
        ("[3, 224, 224]", "[65536, 224, 224]", "channels is 65536, expected 1 to 256"),
        (
            "[0.229, 0.224, 0.225]",
            "[0.229, 0.0, 0.225]",
            "std is 0, expected a number from 0.000001 to",
        ),
        ("[0.485, 0.456, 0.406]", "[0.485, 1e300, 0.406]", "mean is 1"),
        ("{", "{\"calibration\": {\"temperature\": -1}, ", "calibration.temperature is -1"),
        ("{", "{\"calibration\": {\"temperature\": 0}, ", "calibration.temperature is 0"),
        (
            "{",
            "{\"calibration\": {\"temperature\": 1, \"rejection\": {\"wanted_precision\": 0.9, \
             \"threshold\": 7, \"precision\": 0.9, \"coverage\": 0.5}}, ",
            "calibration.rejection.threshold is 7, expected a number from 0 to 1",
        ),
        ("{", "{\"border\": 3, ", "border is 3, expected a number from 0 to 1"),
        (
            "{",
            "{\"model_args\": {\"img_size\": 1000000}, ",
            "img_size is 1000000, expected at most",
        ),
        ("}}", "}", "EOF"),
    ] {
        let error = said(&[("config.json", &TIMM.replacen(from, to, 1))]).unwrap_err();
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
    let expected = "unknown net of type `bert`, expected convnext, convnextv2, dinov2, \
        dinov3_convnext, dinov3_vit, efficientnet, mobilenet_v2, regnet, resnet, vit";
    assert!(error.contains(expected), "{error}");
    // An integer where transformers' own default is written with a point.
    let mobilenet = r#"{"model_type": "mobilenet_v2", "expand_ratio": 6, "num_labels": 1001}"#;
    assert_eq!(net(mobilenet).unwrap(), "tf_mobilenetv2_100");
    assert_eq!(net(r#"{"model_type": "convnext"}"#).unwrap(), "convnext_tiny");
    assert_eq!(net(r#"{"model_type": "dinov3_convnext"}"#).unwrap(), "convnext_tiny");
    let atto = r#"{"model_type": "convnextv2", "hidden_sizes": [40, 80, 160, 320],
        "depths": [2, 2, 6, 2], "num_labels": 1000}"#;
    assert_eq!(net(atto).unwrap(), "convnextv2_atto");
    assert_eq!(net(r#"{"model_type": "dinov2"}"#).unwrap(), "vit_base_patch14_dinov2");
    let dinov3 = r#"{"model_type": "dinov3_vit", "num_register_tokens": 4, "rope_theta": 100}"#;
    assert_eq!(net(dinov3).unwrap(), "vit_small_patch16_dinov3");
    let regnet = r#"{"model_type": "regnet", "hidden_sizes": [48, 104, 208, 440],
        "depths": [1, 3, 6, 6], "groups_width": 8}"#;
    assert_eq!(net(regnet).unwrap(), "regnety_004");
    let padding = r#"{"model_type": "mobilenet_v2", "tf_padding": false}"#;
    assert!(net(padding).unwrap_err().contains("tf_padding false"));
    let efficientnet = r#"{"model_type": "efficientnet", "width_coefficient": 1.0,
        "depth_coefficient": 1.0, "hidden_dim": 1280, "image_size": 224}"#;
    assert_eq!(net(efficientnet).unwrap(), "tf_efficientnet_b0");
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
    assert_eq!((vit.placement, vit.filter), (ResizeMode::Stretch, Filter::Bilinear));
    assert_eq!((vit.shape(), vit.mean), ([3, 224, 224], vec![0.5, 0.5, 0.5]));
    let crop = ResizeMode::Crop(Crop::Edge { edge: 256, of: 224 });
    assert_eq!((convnext.placement, convnext.filter), (crop, Filter::Bicubic));
    assert_eq!(convnext.std, [0.229, 0.224, 0.225]);
    assert_eq!(bit.placement, crop);
    assert_eq!((bit.mean, bit.std), (vec![0.0], vec![1.0]));
    let large = r#"{"image_processor_type": "ConvNextImageProcessor", "resample": 3,
        "size": {"shortest_edge": 384}}"#;
    assert_eq!(image(large).placement, ResizeMode::Stretch);
}

#[test]
fn one_number_for_a_size_is_a_square_or_a_short_edge_as_the_processor_takes_it() {
    let image = |text: &str| transformers(r#"{"model_type": "vit"}"#, text).unwrap().image.unwrap();
    let file = |kind: &str, rest: &str| format!(r#"{{"image_processor_type": "{kind}"{rest}}}"#);
    let stretch = ResizeMode::Crop(Crop::Stretch { stretch: 256, of: 224 });
    let edge = ResizeMode::Crop(Crop::Edge { edge: 256, of: 224 });
    let cut = r#", "size": 256, "do_center_crop": true, "crop_size": 224"#;
    for (kind, expected) in [
        ("DeiTImageProcessor", stretch),
        ("DeiTFeatureExtractor", stretch),
        ("ViTFeatureExtractor", stretch),
        ("ViTImageProcessorFast", stretch),
        ("BeitImageProcessor", stretch),
        ("SiglipImageProcessor", edge),
        ("BitImageProcessor", edge),
        ("CLIPFeatureExtractor", edge),
        ("MobileNetV2ImageProcessor", edge),
        ("ConvNextFeatureExtractor", ResizeMode::Crop(Crop::Edge { edge: 292, of: 256 })),
    ] {
        let kind = file(kind, cut);
        let kind = kind.replace("feature_extractor_type", "image_processor_type");
        assert_eq!(image(&kind).placement, expected, "{kind}");
    }
    let both =
        r#", "size": {"height": 256, "width": 256}, "crop_size": {"height": 224, "width": 224}"#;
    assert_eq!(image(&file("DeiTImageProcessor", both)).placement, stretch);
    // Without `do_center_crop` a ViT's processor does not cut, whatever else stands there.
    let vit = image(&file("ViTImageProcessor", r#", "size": 256, "crop_size": 224"#));
    assert_eq!((vit.placement, vit.height), (ResizeMode::Stretch, 256));
}

#[test]
fn what_a_preprocessor_leaves_out_is_its_processor_s_own() {
    let image = |model: &str, text: &str| {
        let config = match model {
            "dinov2" => {
                r#"{"model_type": "dinov2", "hidden_size": 384, "num_attention_heads": 6}"#.into()
            }
            model => format!(r#"{{"model_type": "{model}"}}"#),
        };
        transformers(&config, text).unwrap().image.unwrap()
    };
    let of = |kind: &str| image("vit", &format!(r#"{{"image_processor_type": "{kind}"}}"#));
    let vit = of("ViTImageProcessor");
    assert_eq!((vit.placement, vit.filter), (ResizeMode::Stretch, Filter::Bilinear));
    assert_eq!((vit.shape(), vit.mean, vit.std), ([3, 224, 224], vec![0.5; 3], vec![0.5; 3]));
    let deit = of("DeiTImageProcessor");
    assert_eq!(deit.placement, ResizeMode::Crop(Crop::Stretch { stretch: 256, of: 224 }));
    assert_eq!(deit.filter, Filter::Bicubic);
    let bit = of("BitImageProcessor");
    assert_eq!(bit.placement, ResizeMode::Crop(Crop::Edge { edge: 224, of: 224 }));
    assert_eq!((bit.filter, bit.mean[0], bit.std[2]), (Filter::Bicubic, 0.48145466, 0.27577711));
    let convnext = of("ConvNextImageProcessor");
    assert_eq!((convnext.placement, convnext.filter), (ResizeMode::Stretch, Filter::Bicubic));
    let siglip = of("SiglipImageProcessor");
    assert_eq!((siglip.placement, siglip.shape()), (ResizeMode::Stretch, [3, 224, 224]));
    let beit = of("BeitImageProcessor");
    assert_eq!((beit.placement, beit.filter), (ResizeMode::Stretch, Filter::Bicubic));
    let mobile = of("MobileNetV1ImageProcessor");
    assert_eq!(mobile.placement, ResizeMode::Crop(Crop::Edge { edge: 256, of: 224 }));
    assert_eq!(convnext.shape(), [3, 384, 384]);
    // The processor of the net, where the file does not name one.
    assert_eq!(image("dinov2", "{}"), bit);
    assert_eq!(image("resnet", "{}"), convnext);
    let grey = r#"{"model_type": "vit", "num_channels": 1}"#;
    assert_eq!(transformers(grey, "{}").unwrap().image.unwrap().mean, [0.5]);
}

#[test]
fn what_transformers_may_say_and_nobody_can_do_is_an_error_with_the_file() {
    for (preprocessor, message) in [
        (r#"{"size": 224, "resample": 1}"#, "resample is Some(1)"),
        (r#"{"size": 224, "do_resize": false}"#, "do_resize is false"),
        (r#"{"size": 224, "rescale_factor": 1.0}"#, "does not scale pixels to 0..1"),
        (r#"{"size": {"shortest_edge": 224}, "do_center_crop": false}"#, "sizes would differ"),
        (
            r#"{"image_processor_type": "BitImageProcessor", "size": 224, "crop_size": 256}"#,
            "larger than shortest_edge",
        ),
        (
            r#"{"do_center_crop": true, "crop_size": 224, "size": {"height": 256, "width": 300}}"#,
            "it cuts 224x224 out of 256x300, expected sides that are smaller by the same share",
        ),
        (
            r#"{"do_center_crop": true, "crop_size": 224, "size": 18446744073709551615}"#,
            "size is 18446744073709551615, expected at most 4096 pixels",
        ),
        (
            r#"{"image_processor_type": "FooImageProcessor", "size": {"shortest_edge": 224}}"#,
            "what `FooImageProcessor` makes of an image is not known here",
        ),
        (
            // All keys are there, but it resizes to 256/224 of the size.
            r#"{"image_processor_type": "LevitImageProcessor", "size": {"shortest_edge": 224},
            "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5], "resample": 2,
            "do_center_crop": true, "crop_size": 224}"#,
            "what `LevitImageProcessor` makes of an image is not known here",
        ),
        (r#"{"size": 224, "do_flip_channel_order": true}"#, "the key `do_flip_channel_order`"),
        (r#"{"size": 224, "rescale_offset": true}"#, "the key `rescale_offset`"),
        (r#"{"size": 224, "keep_aspect_ratio": true}"#, "the key `keep_aspect_ratio`"),
        (r#"{"size": 224, "crop_pct": 0.9}"#, "the key `crop_pct`, whose effect is not known"),
        (r#"{"do_center_crop": 3}"#, "do_center_crop is neither true nor false"),
        ("3", "no JSON object"),
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
    let pretrained = Pretrained::open(file.to_str().unwrap(), &Models::new()).unwrap();
    assert_eq!(pretrained.metadata, None);
    assert_eq!(pretrained.read("").unwrap().names().collect::<Vec<_>>(), ["x"]);
}

#[test]
fn a_config_beside_a_file_counts() {
    let folder = folder(&[("config.json", TIMM)]);
    let file = folder.path().join("model.safetensors");
    let pretrained = Pretrained::open(file.to_str().unwrap(), &Models::new()).unwrap();
    assert_eq!(pretrained.metadata.unwrap().net, "resnet18");
}

#[cfg(unix)]
#[test]
fn a_config_that_is_no_file_is_an_error_that_says_so() {
    let folder = folder(&[]);
    let path = folder.path().join("config.json");
    for (target, what) in
        [("/dev/zero", "it is a device"), (".", "it is a folder"), ("x", "No such file")]
    {
        std::os::unix::fs::symlink(target, &path).unwrap();
        for weights in [folder.path().to_path_buf(), folder.path().join("model.safetensors")] {
            let opened = Pretrained::open(weights.to_str().unwrap(), &Models::new());
            let error = opened.unwrap_err().to_string();
            assert!(error.contains("config.json: ") && error.contains(what), "{error}");
        }
        std::fs::remove_file(&path).unwrap();
    }
}

#[test]
fn a_folder_without_weights_is_an_error_that_says_what_was_sought() {
    let folder = tempdir().unwrap();
    let name = folder.path().to_str().unwrap();
    let error = Pretrained::open(name, &Models::new()).unwrap_err().to_string();
    assert!(error.contains("has no weights: expected model.safetensors"), "{error}");
}

#[test]
fn a_name_of_the_hub_without_its_prefix_is_pointed_out() {
    let error = Pretrained::open("timm/resnet18.a1_in1k", &Models::new()).unwrap_err();
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

#[test]
fn the_most_and_the_longest_class_names_that_can_be_trained_on_can_be_opened_again() {
    let info = taper_model::nets::find("vit_tiny_patch16_224").unwrap();
    // With its quotation marks each of a million has eight bytes; one that has to be escaped has twice as many.
    let many: Vec<String> = (0..1 << 20).map(|n| format!("{n:06x}")).collect();
    let long: Vec<String> =
        (0..8).map(|n| "\"".repeat((1 << 19) - 2) + &format!("{n:02}")).collect();
    for names in [many, long] {
        crate::check_classes(&names).unwrap();
        let mut longer = names.clone();
        longer[0].push('x');
        let error = crate::check_classes(&longer).unwrap_err().to_string();
        let expected =
            "the bytes of the names of its classes are 8388609, expected at most 8388608";
        assert_eq!(error, expected);

        let model = crate::ModelConfig {
            architecture: info.name.to_string(),
            num_classes: names.len(),
            label_names: names,
            preprocessing: Preprocessing::plain(224, 224, 3),
            first_conv: info.stem.to_string(),
            classifier: info.head.to_string(),
            license: String::new(),
            calibration: None,
            border_brightness: None,
        };
        let folder = tempdir().unwrap();
        let write = |name: &str, value: &serde_json::Value| {
            let text = serde_json::to_string_pretty(value).unwrap();
            std::fs::write(folder.path().join(name), text).unwrap();
        };
        write("config.json", &model.to_value());
        let metadata = std::collections::BTreeMap::from([("config".to_string(), model.to_value())]);
        let params = taper_model::params::Params::new();
        let path = folder.path().join("model.safetensors");
        taper_model::weights::save(path, &params, &metadata).unwrap();
        let pretrained = Pretrained::open(folder.path().to_str().unwrap(), &Models::new()).unwrap();
        pretrained.read("").unwrap();
        assert!(pretrained.metadata.unwrap().label_names == model.label_names);

        let entry = crate::transformers::entry(info.name).unwrap().unwrap();
        write("config.json", &crate::transformers_export::config(&model, entry));
        let read = read_config(folder.path()).unwrap().unwrap();
        assert!(read.label_names == model.label_names);
    }
    let more: Vec<String> = vec![String::new(); (1 << 20) + 1];
    let error = crate::check_classes(&more).unwrap_err().to_string();
    assert_eq!(error, "the number of its classes is 1048577, expected at most 1048576");
}

#[test]
fn an_error_shows_the_beginning_of_a_value_that_is_long() {
    let long = TIMM.replacen("[3, 224, 224]", &format!("[{}0]", "0, ".repeat(100_000)), 1);
    let error = said(&[("config.json", &long)]).unwrap_err();
    assert!(error.contains("input_size is [0,0,0") && error.ends_with('…'), "{error}");
    assert!(error.chars().count() < 1200, "{}", error.len());
}

//! Bad input ends in one clear line, a non-zero exit code and no half-written file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use taper_model::nets;
use taper_model::rng::RngKey;
use taper_model::weights::{Weights, WeightsConfig};
use tempfile::{TempDir, tempdir};

use crate::program::{arg, error, idx_folder, image_folder, json, taper, write_idx};

/// The error of training on `data`; it leaves no run behind.
fn train_error(folder: &TempDir, data: &Path) -> String {
    let out = folder.path().join("run");
    let line = error(&["train", "--data", arg(data), "--net", "mlp", "--out", arg(&out)]);
    assert!(!out.exists(), "{line}");
    line
}

/// The error of fine-tuning the digits from `weights`; it leaves no run behind.
fn weights_error(folder: &TempDir, weights: &Path) -> String {
    let out = folder.path().join("run");
    let line = error(&["finetune", "--weights", arg(weights), "--out", arg(&out)]);
    assert!(!out.exists(), "{line}");
    line
}

/// The parameters of an untrained `keras-cnn`.
fn tensors() -> BTreeMap<String, Tensor> {
    let info = nets::find("keras-cnn").unwrap();
    let weights = Weights::new(WeightsConfig::default()).unwrap();
    let vb = weights.var_builder(DType::F32, &Device::Cpu);
    (info.build)(&info.config(), vb, &RngKey::new(0)).unwrap();
    weights.finish().unwrap().0.to_tensors().unwrap()
}

/// Writes tensors as a safetensors file.
fn weights_file(folder: &TempDir, tensors: &BTreeMap<String, Tensor>) -> PathBuf {
    let path = folder.path().join("weights.safetensors");
    let tensors: std::collections::HashMap<_, _> = tensors.clone().into_iter().collect();
    candle_core::safetensors::save(&tensors, &path).unwrap();
    path
}

#[test]
fn a_missing_folder() {
    let folder = tempdir().unwrap();
    let line = train_error(&folder, &folder.path().join("nowhere"));
    assert!(line.starts_with("error: no data at ") && line.contains("nowhere"), "{line}");
}

#[test]
fn a_truncated_idx_file() {
    let folder = tempdir().unwrap();
    let data = idx_folder(folder.path(), 10);
    let file = data.join("train-images-idx3-ubyte");
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() - 5]).unwrap();
    let line = train_error(&folder, &data);
    assert!(line.contains(arg(&file)), "{line}");
    assert!(line.contains("expected 7856 bytes, found 7851"), "{line}");
}

#[test]
fn an_oversized_idx_file() {
    let folder = tempdir().unwrap();
    let data = idx_folder(folder.path(), 10);
    let file = data.join("train-labels-idx1-ubyte");
    let mut bytes = std::fs::read(&file).unwrap();
    bytes.push(0);
    std::fs::write(&file, bytes).unwrap();
    let line = train_error(&folder, &data);
    assert!(line.contains(arg(&file)), "{line}");
    assert!(line.contains("expected 18 bytes, found more"), "{line}");
}

#[test]
fn a_truncated_gzip_file() {
    let folder = tempdir().unwrap();
    let data = idx_folder(folder.path(), 10);
    let file = data.join("train-images-idx3-ubyte");
    let idx = taper_dataset::idx::Idx::parse(&std::fs::read(&file).unwrap()).unwrap();
    let bytes = idx.to_gzip().unwrap();
    std::fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    let line = train_error(&folder, &data);
    assert!(line.contains(arg(&file)) && line.contains("gzip"), "{line}");
}

#[test]
fn counts_that_differ() {
    let folder = tempdir().unwrap();
    let data = idx_folder(folder.path(), 10);
    write_idx(&data.join("train-labels-idx1-ubyte"), vec![9], vec![0; 9]);
    let line = train_error(&folder, &data);
    assert!(line.contains("counts differ"), "{line}");
    assert!(line.contains("10 images") && line.contains("9 labels"), "{line}");
}

#[test]
fn a_label_out_of_range() {
    let folder = tempdir().unwrap();
    let data = idx_folder(folder.path(), 10);
    write_idx(&data.join("t10k-images-idx3-ubyte"), vec![1, 28, 28], vec![0; 784]);
    write_idx(&data.join("t10k-labels-idx1-ubyte"), vec![1], vec![12]);
    let line = train_error(&folder, &data);
    assert!(line.contains("label 12 of item 0"), "{line}");
    assert!(line.contains("t10k-labels-idx1-ubyte"), "{line}");
}

#[test]
fn an_image_file_that_is_none() {
    let folder = tempdir().unwrap();
    let data = image_folder(folder.path(), 5);
    let file = data.join("dog").join("2.png");
    std::fs::write(&file, "this is text").unwrap();
    let line = train_error(&folder, &data);
    assert!(line.contains(arg(&file)) && line.contains("is not a readable image"), "{line}");
}

#[test]
fn data_of_one_class() {
    let folder = tempdir().unwrap();
    let data = image_folder(folder.path(), 5);
    std::fs::remove_dir_all(data.join("dog")).unwrap();
    let line = train_error(&folder, &data);
    assert!(line.contains("has 1 class, expected 2 or more"), "{line}");
}

#[test]
fn images_of_sizes_that_no_net_takes_or_too_few_to_hold_one_out() {
    let folder = tempdir().unwrap();
    let line = error(&["train", "--set", "image.height=4", "--set", "image.width=4"]);
    let expected = "error: keras-cnn needs images of at least 6x6 pixels, found 4x4";
    assert!(line.starts_with(expected), "{line}");
    let line = error(&["train", "--set", "image.height=9999"]);
    assert!(line.ends_with("`image.height` is 9999, expected 1 to 4096"), "{line}");
    let line = error(&["train", "--set", "image.height=4000", "--set", "image.width=4000"]);
    assert!(line.contains("`fc1.weight`") && line.contains("smaller"), "{line}");
    let line = train_error(&folder, &idx_folder(folder.path(), 2));
    assert!(line.contains("the held-out part of"), "{line}");
    assert!(line.contains("data.test_fraction"), "{line}");
}

#[test]
fn a_folder_without_images_to_predict() {
    let folder = tempdir().unwrap();
    let line = error(&["predict", "--weights", "keras-cnn-mnist", arg(folder.path())]);
    assert!(line.ends_with("holds no image file"), "{line}");
}

#[test]
fn patterns_that_leave_nothing_to_train() {
    let folder = tempdir().unwrap();
    let out = folder.path().join("run");
    let line = error(&["finetune", "--freeze", "*", "--out", arg(&out)]);
    assert!(line.contains("leaves nothing to train: all 8 parameters are frozen"), "{line}");
    assert!(!out.exists());
}

#[test]
fn weights_with_a_missing_tensor() {
    let folder = tempdir().unwrap();
    let mut tensors = tensors();
    tensors.remove("conv2.bias");
    let line = weights_error(&folder, &weights_file(&folder, &tensors));
    assert!(line.contains("missing `conv2.bias` [64]"), "{line}");
}

#[test]
fn weights_with_an_extra_tensor() {
    let folder = tempdir().unwrap();
    let mut tensors = tensors();
    tensors.insert("conv3.bias".into(), Tensor::zeros(3, DType::F32, &Device::Cpu).unwrap());
    let file = weights_file(&folder, &tensors);
    let line = weights_error(&folder, &file);
    assert!(line.contains("unused `conv3.bias` [3]"), "{line}");
}

#[test]
fn weights_with_a_mis_shaped_tensor() {
    let folder = tempdir().unwrap();
    let mut tensors = tensors();
    let other = Tensor::zeros((64, 32, 5, 5), DType::F32, &Device::Cpu).unwrap();
    tensors.insert("conv2.weight".into(), other);
    let line = weights_error(&folder, &weights_file(&folder, &tensors));
    assert!(line.contains("mismatched `conv2.weight` [64, 32, 3, 3]"), "{line}");
    assert!(line.contains("[64, 32, 5, 5]"), "{line}");
}

#[test]
fn weights_with_a_tensor_that_is_not_finite() {
    let folder = tempdir().unwrap();
    let mut tensors = tensors();
    let bias = Tensor::new(vec![f32::NAN; 128], &Device::Cpu).unwrap();
    tensors.insert("fc1.bias".into(), bias);
    let line = weights_error(&folder, &weights_file(&folder, &tensors));
    assert!(line.contains("`fc1.bias`") && line.contains("NaN"), "{line}");
}

#[test]
fn weights_that_are_cut_short() {
    let folder = tempdir().unwrap();
    let file = weights_file(&folder, &tensors());
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    let line = weights_error(&folder, &file);
    assert!(
        line.contains(arg(&file)) && line.contains("not a complete safetensors file"),
        "{line}"
    );
}

#[test]
fn weights_that_are_missing() {
    let folder = tempdir().unwrap();
    let line = weights_error(&folder, &folder.path().join("none.safetensors"));
    assert!(line.contains("none.safetensors") && line.contains("cannot read"), "{line}");
    let picture = folder.path().join("a.png");
    image::GrayImage::new(9, 9).save(&picture).unwrap();
    for command in ["read", "predict"] {
        let line = error(&[command, "--weights", "nosuch", arg(&picture)]);
        assert_eq!(
            line,
            "error: cannot read weights nosuch: no such file or folder, nor a name: \
             `digit-cnn-characters`, `digit-cnn-reading`, `keras-cnn-mnist`, `tf_efficientnet_lite0`; those of the \
             Hub are hub:OWNER/NAME"
        );
    }
}

#[test]
fn an_unknown_flag_value() {
    let output = taper(&["finetune", "--layout", "tensorflow"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let text = crate::program::stderr(&output);
    assert!(text.contains("'tensorflow'") && text.contains("`pytorch` or `keras`"), "{text}");

    let line = error(&["train", "--net", "resnet9000"]);
    assert!(line.starts_with("error: unknown net `resnet9000`, expected one of: "), "{line}");
    assert!(line.contains("keras-cnn, lenet5, mlp, mobilenetv2_100"), "{line}");
    let line = error(&["train", "--net", "rasnet18"]);
    assert!(line.ends_with("; did you mean `resnet18`?"), "{line}");
    let line = error(&["train", "--optimizer", "adamax"]);
    assert!(line.contains("adamax") && line.contains("adadelta-keras"), "{line}");
    let line = error(&["train", "--data", "mnist-sampel"]);
    assert!(line.ends_with("; did you mean `mnist-sample`?"), "{line}");
    let line = error(&["train", "--recipe", "keras"]);
    assert!(line.contains("unknown recipe `keras`"), "{line}");
    assert!(line.ends_with("; did you mean `keras-mnist`?"), "{line}");
    let line = error(&["train", "--set", "train.epoch=3"]);
    assert!(line.contains("unknown key `train.epoch`"), "{line}");
    assert!(line.ends_with("; did you mean `train.epochs`?"), "{line}");
    let line = error(&["train", "--set", "epochs=3"]);
    assert!(line.ends_with("; did you mean `train.epochs`?"), "{line}");
    let line = error(&["train", "--epochs", "0"]);
    assert_eq!(line, "error: `train.epochs` is 0, expected 1 or more (--epochs)");
    for rate in ["-1", "nan", "inf"] {
        let line = error(&["train", "--learning-rate", rate]);
        assert!(line.ends_with("expected a finite number of 0 or more"), "{line}");
    }
    for args in [
        ["train", "--seed", "9223372036854775808"],
        ["predict", "--top-k", "0"],
        ["summary", "--classes", "0"],
        ["summary", "--classes", "99999999999"],
    ] {
        let output = taper(&args).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        let text = crate::program::stderr(&output);
        assert!(text.contains(args[2]) && text.contains(args[1]), "{text}");
    }
}

#[test]
fn an_output_folder_that_already_holds_a_run() {
    let folder = tempdir().unwrap();
    let data = idx_folder(folder.path(), 10);
    let out = folder.path().join("run");
    let args = ["train", "--data", arg(&data), "--net", "mlp", "--epochs", "1", "--out", arg(&out)];
    let args: Vec<&str> = args.into_iter().chain(["--quiet"]).collect();
    json(&args);
    let before = std::fs::read(out.join("model.safetensors")).unwrap();
    let line = error(&args);
    assert!(line.contains("holds a run already") && line.contains("--overwrite"), "{line}");
    assert!(before == std::fs::read(out.join("model.safetensors")).unwrap());

    let again: Vec<&str> = args.into_iter().chain(["--overwrite"]).collect();
    json(&again);
}

#[test]
fn an_output_folder_that_holds_other_things() {
    // A recipe alone does not make a run of a folder.
    for name in ["letter.txt", "recipe.toml"] {
        let folder = tempdir().unwrap();
        std::fs::write(folder.path().join(name), "").unwrap();
        std::fs::write(folder.path().join("README.md"), "dear").unwrap();
        let line = error(&["finetune", "--overwrite", "--out", arg(folder.path())]);
        assert!(line.contains("is not empty and holds no run"), "{line}");
        assert_eq!(std::fs::read(folder.path().join("README.md")).unwrap(), b"dear");
    }
}

#[test]
fn an_output_path_whose_parent_is_a_file() {
    let folder = tempdir().unwrap();
    let parent = folder.path().join("file");
    std::fs::write(&parent, "").unwrap();
    let line = error(&["finetune", "--out", arg(&parent.join("run"))]);
    assert!(line.contains("is a file, expected a folder"), "{line}");
}

#[test]
fn a_folder_without_a_run() {
    let folder = tempdir().unwrap();
    let line = error(&["evaluate", "--run", arg(folder.path())]);
    assert!(line.contains("holds no run: config.json is missing"), "{line}");
}

#[test]
fn data_that_the_weights_have_seen() {
    for args in [
        vec!["finetune", "--data", "mnist-sample"],
        vec!["evaluate", "--weights", "keras-cnn-mnist", "--data", "mnist-sample"],
    ] {
        let line = error(&args);
        assert!(line.contains("trained on the images of `mnist-sample`"), "{line}");
    }
}

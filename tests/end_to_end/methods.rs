//! What each method trains, and what it leaves as it was.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::Ordering;

use taper_model::weights::TensorFile;
use tempfile::tempdir;

use crate::program::{arg, error, json};
use crate::small::{COUNTED_IMAGES, begin, history, model, plan};

/// The tensors of a run's model.
fn tensors(run: &Path) -> BTreeMap<String, Vec<f32>> {
    let file = TensorFile::read(run.join("model.safetensors")).unwrap();
    // The counters of batch-norms are integers.
    let floats = file.names().filter_map(|name| Some((name, file.get(name)?)));
    floats
        .map(|(name, tensor)| (name.to_string(), tensor.flatten_all().unwrap().to_vec1().unwrap()))
        .collect()
}

/// The names of the tensors that a run of the small net has changed.
fn changed(settings: &[(&str, &str)]) -> Vec<String> {
    let folder = tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    // The first weights: of a run at a rate of zero, whose running statistics are put aside.
    let still = [("optimizer", "sgd"), ("optimizer.learning_rate", "0.0")];
    let still = [&still[..], &[("model.freeze_statistics", "true")]].concat();
    begin(&still, &path("before"), Vec::new()).unwrap();
    begin(settings, &path("after"), Vec::new()).unwrap();
    let (before, after) = (tensors(&path("before")), tensors(&path("after")));
    let changed = after.iter().filter(|(name, values)| before[*name] != **values);
    changed.map(|(name, _)| name.clone()).collect()
}

#[test]
fn each_method_changes_what_it_says_and_nothing_else() {
    let head = ["fc2.bias", "fc2.weight"];
    let norm = ["norm.bias", "norm.running_mean", "norm.running_var", "norm.weight"];
    let all = [&["fc1.bias", "fc1.weight"], &head[..], &norm[..]].concat();
    assert_eq!(changed(&[]), all);
    for cache in ["auto", "off", "disk"] {
        assert_eq!(changed(&[("method", "head"), ("method.cache", cache)]), head, "{cache}");
    }
    assert_eq!(changed(&[("method", "last-0")]), head);
    assert_eq!(changed(&[("method", "last-n")]), [&head[..], &norm[..]].concat());
    let gradual = [("method", "gradual"), ("method.frozen_epochs", "3")];
    assert_eq!(changed(&gradual), head);
    assert_eq!(changed(&gradual[..1]), all);
    let step_by_step = [gradual[0], ("train.epochs", "2"), ("method.blocks_per_epoch", "1")];
    assert_eq!(changed(&step_by_step), [&head[..], &norm[..]].concat());
    let statistics = changed(&[("model.freeze_statistics", "true")]);
    assert_eq!(statistics, [&all[..4], &["norm.bias", "norm.weight"]].concat());
}

#[test]
fn keeping_the_features_changes_no_bit() {
    for more in [&[][..], &[("train.accumulate", "2"), ("average.name", "ema")]] {
        let folder = tempdir().unwrap();
        let run = |cache: &str| {
            let out = folder.path().join(cache);
            let settings = [&[("method", "head"), ("method.cache", cache)], more].concat();
            begin(&settings, &out, Vec::new()).unwrap();
            (model(&out), history(&out))
        };
        let (without, told) = run("off");
        for cache in ["memory", "disk"] {
            let (with, same) = run(cache);
            assert!(with == without, "{cache} {more:?}");
            assert_eq!(same, told, "{cache} {more:?}");
        }
    }
}

#[test]
fn the_body_sees_each_image_once_where_features_are_kept() {
    // 30 to train on, 10 to validate on, each three times; 10 held out, before and after; the 10 to
    // validate on once more, for the temperature.
    for (cache, images) in [("off", 3 * 40 + 30), ("memory", 40 + 30), ("disk", 40 + 30)] {
        let folder = tempdir().unwrap();
        let before = COUNTED_IMAGES.load(Ordering::Relaxed);
        // The report looks at held-out images once more.
        let settings = [("model.net", "counted"), ("method", "head"), ("log.report", "false")];
        let settings = [&settings[..], &[("method.cache", cache)]].concat();
        begin(&settings, &folder.path().join("run"), Vec::new()).unwrap();
        assert_eq!(COUNTED_IMAGES.load(Ordering::Relaxed) - before, images, "{cache}");
    }
}

#[test]
fn the_head_of_the_shipped_net_learns_the_digits_with_and_without_kept_features() {
    let folder = tempdir().unwrap();
    let run = |cache: &str| {
        let out = folder.path().join(cache);
        let set = format!("method.cache={cache}");
        let command = ["finetune", "--method", "head", "--set", &set, "--epochs", "2"];
        let limit = ["--set", "data.limit=300", "--out", arg(&out), "--quiet"];
        let result = json(&[&command[..], &limit].concat());
        assert_eq!(result["trained"]["trainable"], 1290);
        (model(&out), result["after"].clone())
    };
    let with = run("memory");
    assert!(with.1["accuracy"].as_f64().unwrap() > 0.9, "{}", with.1);
    assert!(with == run("off"));
}

#[test]
fn a_method_that_does_not_exist_or_does_not_fit_is_told_in_a_line() {
    let message = error(&["finetune", "--method", "heads"]);
    assert!(message.contains("`heads`") && message.contains("(last-2: the last two"), "{message}");
    let message = error(&["finetune", "--method", "head", "--merge"]);
    assert!(message.contains("--merge is for --method lora"), "{message}");
    let message = plan(&[("method", "last-99")]).err().unwrap().to_string();
    let expected = "`method.blocks` is 99, expected up to 2: `small` has no more before its head";
    assert_eq!(message, expected);
    let message = error(&["finetune", "--method", "head", "--set", "method.blocks=2"]);
    assert!(
        message.ends_with("unknown key `method.blocks`, expected one of `method.cache`"),
        "{message}"
    );
    let settings = [("model.net", "logistic"), ("method", "last-n")];
    let message = plan(&settings).err().unwrap().to_string();
    assert!(message.ends_with("`logistic` does not say what its blocks are"), "{message}");
}

#[test]
fn the_history_says_when_the_frozen_part_changes() {
    let folder = tempdir().unwrap();
    let out = folder.path().join("run");
    begin(&[("method", "gradual")], &out, Vec::new()).unwrap();
    let told = history(&out).into_iter().filter(|event| event["event"] == "unfrozen");
    let told: Vec<_> = told.collect();
    assert_eq!(told.len(), 1);
    assert_eq!((&told[0]["epoch"], &told[0]["trainable"]), (&1.into(), &170.into()));
}

#[test]
fn what_has_no_effect_is_told() {
    let notes = |settings: &[(&str, &str)]| plan(settings).unwrap().notes;
    assert!(notes(&[]).is_empty());
    let gradual = notes(&[("method", "gradual"), ("method.frozen_epochs", "3")]);
    assert!(gradual[0].starts_with("the head alone is trained: `method.frozen_epochs`"));
    let head = notes(&[("method", "head"), ("augment", "light")]);
    assert!(head[0].starts_with("features are not kept: with augmentation"), "{head:?}");
    let wide =
        [("model.net", "vit_tiny_patch16_224"), ("image.height", "40"), ("image.width", "32")];
    let rest = "images of 40x32 are not a multiple of the patch size 16x16: the last 8 rows and 0 columns \
                are left out";
    assert_eq!(notes(&wide), [rest]);
}

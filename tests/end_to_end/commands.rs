//! The commands on good input.

use tempfile::tempdir;

use crate::program::{arg, idx_folder, image_folder, json, stderr, taper};

#[test]
fn finetune_without_a_flag_makes_the_shipped_weights_better_on_the_digits() {
    let folder = tempdir().unwrap();
    let out = folder.path().join("run");
    // One epoch in place of the recipe's, for the sake of the test's time.
    let result = json(&["finetune", "--epochs", "1", "--out", arg(&out)]);
    let accuracy = |when: &str| result[when]["accuracy"].as_f64().unwrap();
    assert!(accuracy("before") > 0.6, "{}", accuracy("before"));
    assert!(accuracy("after") > 0.95, "{}", accuracy("after"));
    assert!(result["after"]["macro_f1"].as_f64().unwrap() > 0.95);
    assert!(result["seconds"].as_f64().unwrap() > 0.0);
    assert!(result["images_per_second"].as_f64().unwrap() > 0.0);
    assert_eq!(result["load_report"]["loaded"].as_array().unwrap().len(), 8);
    assert_eq!(result["run"].as_str().unwrap(), arg(&out));
    for file in ["recipe.toml", "history.jsonl", "model.safetensors", "config.json", "metrics.json"]
    {
        assert!(out.join(file).is_file(), "{file}");
    }
}

#[test]
fn a_run_can_be_evaluated_repeated_from_its_recipe_and_asked() {
    let folder = tempdir().unwrap();
    let data = idx_folder(folder.path(), 60);
    let run = folder.path().join("run");
    let shared = ["--net", "lenet5", "--epochs", "6", "--batch-size", "8", "--quiet"];
    let mut args = vec!["train", "--data", arg(&data), "--out", arg(&run)];
    args.extend(shared);
    let trained = json(&args);
    assert_eq!(trained["after"]["accuracy"], 1.0);

    let evaluated = json(&["evaluate", "--run", arg(&run)]);
    for key in ["accuracy", "macro_f1", "loss", "n"] {
        assert_eq!(evaluated[key], trained["after"][key], "{key}");
    }
    assert_eq!(evaluated["n"], 12);
    let results = std::fs::read(run.join("metrics.json")).unwrap();
    let results: serde_json::Value = serde_json::from_slice(&results).unwrap();
    for key in ["cohen_kappa", "matthews", "brier_score", "macro_roc_auc"] {
        assert_eq!(evaluated[key], results["extended"][key], "{key}");
    }
    assert_eq!(evaluated["matthews"], 1.0);
    let printed = taper(&["evaluate", "--run", arg(&run), "--quiet"]).output().unwrap().stdout;
    let printed = String::from_utf8(printed).unwrap();
    assert!(printed.contains("Agreement Cohen's kappa 1.0000, Matthews 1.0000"), "{printed}");
    let all = json(&["evaluate", "--run", arg(&run), "--part", "all"]);
    assert_eq!(all["n"], 60);

    // recipe.toml alone repeats the run, to the byte.
    let again = folder.path().join("again");
    let recipe = run.join("recipe.toml");
    json(&["train", "--recipe", arg(&recipe), "--out", arg(&again), "--quiet"]);
    let model = |run: &std::path::Path| std::fs::read(run.join("model.safetensors")).unwrap();
    assert_eq!(model(&run), model(&again));

    let picture = folder.path().join("picture.png");
    let pixels =
        image::GrayImage::from_fn(28, 28, |_, y| image::Luma([if y < 14 { 220 } else { 10 }]));
    pixels.save(&picture).unwrap();
    let predicted = json(&["predict", "--run", arg(&run), "--top-k", "2", arg(&picture)]);
    let classes = predicted["predictions"][0]["classes"].as_array().unwrap();
    assert_eq!(classes[0]["class_name"], "0");
    let sum: f64 = classes.iter().map(|c| c["probability"].as_f64().unwrap()).sum();
    assert!((sum - 1.0).abs() < 1e-5, "{sum}");
}

#[test]
fn progress_goes_to_stderr_as_plain_lines_when_it_is_no_terminal() {
    let folder = tempdir().unwrap();
    let data = idx_folder(folder.path(), 40);
    let run = folder.path().join("run");
    let args = ["train", "--data", arg(&data), "--net", "mlp", "--epochs", "2", "--out", arg(&run)];
    let output = taper(&args).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let progress = stderr(&output);
    assert_eq!(progress.lines().count(), 3, "{progress}");
    // Of ten digits two are there.
    assert!(progress.starts_with("warning: 8 of 10 classes have no image"), "{progress}");
    assert!(progress.contains("\ntrain epoch 1/2: loss "), "{progress}");
    let table = String::from_utf8(output.stdout).unwrap();
    for expected in ["On 8 held-out images", "precision", "images/s", arg(&run)] {
        assert!(table.contains(expected), "{expected}: {table}");
    }
}

#[test]
fn a_reader_of_the_progress_that_goes_away_does_not_end_the_run() {
    let folder = tempdir().unwrap();
    let data = idx_folder(folder.path(), 40);
    let run = folder.path().join("run");
    let args = ["train", "--data", arg(&data), "--net", "mlp", "--epochs", "2", "--out", arg(&run)];
    let mut command = taper(&args);
    command.stderr(std::process::Stdio::piped()).stdout(std::process::Stdio::null());
    let mut child = command.spawn().unwrap();
    drop(child.stderr.take());
    assert!(child.wait().unwrap().success());
    assert!(run.join("model.safetensors").is_file());
}

#[test]
fn fine_tuning_on_other_classes_replaces_the_head_and_says_so() {
    let folder = tempdir().unwrap();
    let data = image_folder(folder.path(), 10);
    let run = folder.path().join("run");
    let result = json(&[
        "finetune",
        "--data",
        arg(&data),
        "--epochs",
        "1",
        "--freeze",
        "conv*",
        "--out",
        arg(&run),
    ]);
    let load = &result["load_report"];
    assert_eq!(load["loaded"].as_array().unwrap().len(), 6);
    let initialized = load["initialized"].as_array().unwrap();
    assert_eq!(initialized[0]["name"], "fc2.bias");
    assert_eq!(initialized[0]["note"], "head replaced: the file has [10]");
}

#[test]
fn summary_counts_parameters_and_multiply_adds() {
    let summary = json(&["summary", "keras-cnn", "--freeze", "conv*"]);
    assert_eq!(summary["total"]["trainable"], 1_181_066);
    assert_eq!(summary["total"]["frozen"], 18_816);
    assert_eq!(summary["total"]["multiply_adds"], 11_992_448);
}

#[test]
fn every_command_and_flag_is_described() {
    for command in ["finetune", "train", "resume", "evaluate", "predict", "summary"] {
        let output = taper(&[command, "--help"]).output().unwrap();
        assert!(output.status.success());
        let help = String::from_utf8(output.stdout).unwrap();
        // A description stands behind its flag, or below it and further in.
        let lines: Vec<&str> = help.lines().collect();
        let bare = lines.windows(2).filter(|pair| {
            let flag = pair[0].trim();
            let below = pair[1].starts_with("          ");
            flag.starts_with('-') && !flag.contains("  ") && !below
        });
        assert_eq!(bare.collect::<Vec<_>>(), Vec::<&[&str]>::new(), "{help}");
    }
}

#[test]
fn models_lists_every_net_with_its_size_and_weights_to_start_from() {
    let nets = json(&["models"]);
    let nets = nets.as_array().unwrap();
    let net = |name: &str| nets.iter().find(|net| net["name"] == name).unwrap();
    assert_eq!(net("resnet18")["parameters"], 11_689_512);
    assert_eq!(net("resnet18")["input"], serde_json::json!([3, 224, 224]));
    assert_eq!(net("resnet18")["hub"], "timm/resnet18.a1_in1k");
    assert!(net("lenet5")["hub"].is_null());

    let output = taper(&["models"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.lines().count(), 1 + nets.len());
    let line = text.lines().find(|line| line.starts_with("vit_tiny")).unwrap();
    assert!(line.contains("5.7 M") && line.contains("3x224x224") && line.contains("hub:timm/vit"));
}

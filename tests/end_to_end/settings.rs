//! Settings of a run beyond the loop: balance, normalization, calibration, memory, TensorBoard.

use candle_core::{DType, Device, Tensor};
use taper_runner::{Evaluation, scores};
use tempfile::tempdir;

use crate::program::{arg, json};
use crate::small::{begin, model, plan};

#[test]
fn activations_computed_again_change_no_bit() {
    let folder = tempdir().unwrap();
    let models = ["false", "true"].map(|recompute| {
        let out = folder.path().join(recompute);
        json(&[
            "train",
            "--net",
            "resnet18",
            "--fast-dev-run",
            "--batch-size",
            "4",
            "--quiet",
            "--set",
            &format!("train.recompute={recompute}"),
            "--set",
            "image.height=32",
            "--set",
            "image.width=32",
            "--out",
            arg(&out),
        ]);
        model(&out)
    });
    assert!(models[0] == models[1]);
}

#[test]
fn classes_are_balanced_in_the_loss_or_in_the_epochs() {
    let balanced = plan(&[("train.balance", "loss")]).unwrap();
    let weights = balanced.class_weights().unwrap();
    // n / (classes * images of the class), so that all images together weigh n.
    let counts = balanced.data.results().train;
    let total: f64 = weights.iter().zip(&counts).map(|(w, &n)| w * n as f64).sum();
    assert!((total - 30.0).abs() < 1e-9);
    assert!((weights[0] * counts[0] as f64 - 15.0).abs() < 1e-9);
    let error =
        plan(&[("train.balance", "loss"), ("train.class_weights", "[1, 2]")]).err().unwrap();
    assert!(error.to_string().contains("`train.class_weights` is set"), "{error}");

    let folder = tempdir().unwrap();
    let outcome =
        begin(&[("train.balance", "sampling")], &folder.path().join("run"), Vec::new()).unwrap();
    assert_eq!((outcome.results.trained.steps, outcome.results.trained.images), (18, 90));
}

#[test]
fn a_temperature_and_a_threshold_are_fitted_saved_and_used() {
    let folder = tempdir().unwrap();
    let out = folder.path().join("run");
    let args = [
        "train",
        "--net",
        "mlp",
        "--epochs",
        "4",
        "--quiet",
        "--set",
        "data.validation_fraction=0.2",
        "--set",
        "calibration.temperature=true",
        "--set",
        "calibration.precision=0.99",
        "--out",
        arg(&out),
    ];
    let run = json(&args);
    let temperature = run["calibration"]["temperature"].as_f64().unwrap();
    assert!((0.1..10.0).contains(&temperature) && temperature != 1.0, "{temperature}");
    let rejection = &run["calibration"]["rejection"];
    assert!(rejection["precision"].as_f64().unwrap() >= 0.99);
    let config = std::fs::read_to_string(out.join("config.json")).unwrap();
    assert!(config.contains("\"temperature\": ") && config.contains("\"wanted_precision\": 0.99"));

    // What the run scored is what its model scores.
    let again = json(&["evaluate", "--run", arg(&out), "--quiet"]);
    assert_eq!(again["loss"], run["after"]["loss"]);
    let images = folder.path().join("images");
    std::fs::create_dir(&images).unwrap();
    let noise = image::GrayImage::from_fn(28, 28, |x, y| image::Luma([(x * 37 + y * 91) as u8]));
    noise.save(images.join("noise.png")).unwrap();
    let said = json(&["predict", "--run", arg(&out), arg(&images), "--quiet"]);
    let prediction = &said["predictions"][0];
    let confidence = prediction["classes"][0]["probability"].as_f64().unwrap();
    let threshold = rejection["threshold"].as_f64().unwrap();
    assert_eq!(prediction["withheld"], confidence < threshold);
}

#[test]
fn a_precision_that_no_answer_reaches_is_a_warning_and_the_model_is_there() {
    let folder = tempdir().unwrap();
    let out = folder.path().join("run");
    let args = ["train", "--data", "digits", "--net", "mlp", "--max-steps", "1", "--limit", "400"];
    let set = ["--set", "data.validation_fraction=0.2", "--set", "optimizer.learning_rate=0"];
    let calibration =
        ["--set", "calibration.temperature=true", "--set", "calibration.precision=0.999"];
    let run = json(&[&args[..], &set, &calibration, &["--quiet", "--out", arg(&out)]].concat());
    let warning = run["warnings"][0].as_str().unwrap();
    let expected =
        "`calibration.precision` is 0.999, and no answer is withheld: the surest answers on the";
    assert!(warning.starts_with(expected), "{warning}");
    assert!(
        run["calibration"]["temperature"].is_f64() && run["calibration"]["rejection"].is_null()
    );
    let again = json(&["evaluate", "--run", arg(&out), "--quiet"]);
    assert_eq!(again["loss"], run["after"]["loss"]);
}

#[test]
fn what_no_model_may_say_is_not_trained_with() {
    for (key, value, expected) in [
        ("image.std", "[0.0000001]", "is 0.0000001, expected a number from 0.000001 to 1000000"),
        ("image.mean", "[1e7]", "is 10000000, expected a number from -1000000 to 1000000"),
        ("image.channels", "257", "is 257, expected 1 to 256"),
        ("image.width", "4097", "is 4097, expected 1 to 4096"),
        ("image.std", "[1, 1]", "is a list of 2, expected one number, or one for each"),
    ] {
        let error = plan(&[(key, value)]).err().unwrap().to_string();
        assert!(error.starts_with(&format!("`{key}` {expected}")), "{error}");
    }
}

#[test]
fn calibration_needs_a_validation_part() {
    let error = plan(&[("calibration.temperature", "true"), ("data.validation_fraction", "0")]);
    let error = error.err().unwrap().to_string();
    assert!(error.starts_with("`calibration.temperature` is set, expected false"), "{error}");
    let error = plan(&[("calibration.precision", "1.5")]).err().unwrap().to_string();
    assert!(error.contains("expected a number from 0 to 1"), "{error}");
}

#[test]
fn a_temperature_changes_sureness_and_no_answer() {
    let names = vec!["a".to_string(), "b".to_string()];
    let logits = vec![2.0, 0.0, 0.0, 4.0, 1.0, 0.5];
    let cold = Evaluation::of_logits(names, vec![0, 1, 1], logits, 0.1).unwrap();
    let warm = cold.clone().tempered(4.0);
    assert_eq!(cold.predictions(), warm.predictions());
    assert!(warm.probabilities[0] < cold.probabilities[0]);
    assert_eq!(cold.clone().tempered(1.0), cold);
    assert!(scores(&warm, &Default::default()).unwrap().loss.is_finite());
}

#[test]
fn normalization_is_fitted_on_the_training_part_alone() {
    let fitted = plan(&[("image.fit_normalization", "true")]).unwrap();
    let (mean, std) = (fitted.recipe.image.mean[0], fitted.recipe.image.std[0]);
    let mut batch = fitted.data.train.in_order(1000).unwrap();
    let images = batch.next().unwrap().unwrap().images;
    let images = Tensor::new(images, &Device::Cpu).unwrap().to_dtype(DType::F64).unwrap();
    let of_train = images.mean_all().unwrap().to_scalar::<f64>().unwrap();
    // Sums in f32 on the way.
    assert!(of_train.abs() < 1e-5, "{of_train}");
    assert!(mean > 0.1 && std > 0.1);
    assert_eq!(fitted.config.preprocessing.mean, [mean]);
}

#[test]
fn event_files_are_written_where_they_are_asked_for() {
    let folder = tempdir().unwrap();
    let out = folder.path().join("run");
    json(&[
        "train",
        "--net",
        "mlp",
        "--max-steps",
        "20",
        "--tensorboard",
        "--quiet",
        "--out",
        arg(&out),
    ]);
    let files: Vec<_> = std::fs::read_dir(out.join("tensorboard")).unwrap().collect();
    assert_eq!(files.len(), 1);
    let bytes = std::fs::read(files[0].as_ref().unwrap().path()).unwrap();
    let text = String::from_utf8_lossy(&bytes);
    for tag in ["brain.Event:2", "step/loss", "step/learning_rate", "train/images_per_second"] {
        assert!(text.contains(tag), "{tag}");
    }
}

//! A shipped model opened from its file, and asked.

use std::collections::HashMap;

use candle_core::{DType, Device, Tensor};
use taper_classifier::{Classifier, Tta};
use taper_dataset::augment::Policy;
use taper_dataset::sheet::to_png;
use taper_dataset::{Augment, Image, Part, open};
use taper_pretrained::Models;

fn shipped() -> Classifier {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../cli/assets/keras-cnn-mnist.safetensors");
    Classifier::open(file, &Device::Cpu, &Models::new()).unwrap()
}

#[test]
fn images_in_memory_and_a_labelled_part_are_answered_alike() {
    let mut classifier = shipped();
    let digits = open("digits").unwrap().train;
    let indices: Vec<usize> = (0..40).collect();
    let images: Vec<_> = indices.iter().map(|&index| digits.decode(index).unwrap()).collect();
    let preprocessing = classifier.config.preprocessing.clone();
    let part = Part::new(digits.clone(), indices, preprocessing, Policy::default());
    let mut done = Vec::new();
    let evaluation = classifier.evaluate(&part, 16, |images| done.push(images)).unwrap();
    assert_eq!(done, [16, 32, 40]);
    let pairs = evaluation.labels.iter().zip(evaluation.predictions());
    assert!(pairs.filter(|(label, predicted)| *label == predicted).count() >= 30);
    let rows = classifier.probabilities(images.clone()).unwrap().concat();
    assert_eq!(rows, evaluation.probabilities);
    // Views that change nothing give the same answers, others do not.
    classifier.tta = Tta { views: 2, ..Tta::default() };
    let twice = classifier.evaluate(&part, 16, |_| {}).unwrap();
    assert_eq!(twice.predictions(), evaluation.predictions());
    assert_eq!(classifier.probabilities(images.clone()).unwrap().concat(), rows);
    let augment = Augment::preset("digits").unwrap().policy().unwrap();
    classifier.tta = Tta { views: 3, augment, seed: 1 };
    let several = classifier.probabilities(images.clone()).unwrap().concat();
    let evaluated = classifier.evaluate(&part, 16, |_| {}).unwrap().probabilities;
    assert_ne!(several, rows);
    for (a, b) in several.iter().zip(&evaluated) {
        // A mean of three in another order.
        assert!((a - b).abs() < 1e-5, "{a} {b}");
    }
    // Negatives, turned back.
    classifier.tta = Tta::default();
    classifier.inverts = true;
    let negatives = images.into_iter().map(Image::inverted).collect();
    assert_eq!(classifier.probabilities(negatives).unwrap().concat(), rows);
}

#[test]
fn a_file_that_cannot_be_read_is_told_and_the_others_are_answered() {
    let folder = tempfile::tempdir().unwrap();
    let digit = open("digits").unwrap().train.decode(0).unwrap();
    let (good, bad) = (folder.path().join("good.png"), folder.path().join("bad.png"));
    std::fs::write(&good, to_png(&digit)).unwrap();
    std::fs::write(&bad, "nothing").unwrap();
    let classifier = shipped();
    let answers = classifier.predictions(&[bad, good], 2).unwrap();
    let answers = answers.collect::<Result<Vec<_>, _>>().unwrap().concat();
    assert!(answers[0].error.is_some() && answers[0].classes.is_empty());
    assert_eq!((answers[1].error.as_ref(), answers[1].classes.len()), (None, 2));
}

#[test]
fn a_folder_without_images_and_weights_that_say_nothing_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let error = shipped().predictions(&[folder.path().to_path_buf()], 1).err().unwrap();
    assert!(error.to_string().ends_with(" holds no image file"), "{error}");
    let file = folder.path().join("a.safetensors");
    let tensor = Tensor::ones(1, DType::F32, &Device::Cpu).unwrap();
    candle_core::safetensors::save(&HashMap::from([("x", tensor)]), &file).unwrap();
    let opened = Classifier::open(file.to_str().unwrap(), &Device::Cpu, &Models::new());
    let error = opened.err().unwrap().to_string();
    let expected =
        "nothing says what net this is: the file carries nothing of Taper's, and no config.json";
    assert!(error.contains(expected), "{error}");
    std::fs::write(folder.path().join("config.json"), r#"{"id2label": {}, "task": "x"}"#).unwrap();
    let opened = Classifier::open(file.to_str().unwrap(), &Device::Cpu, &Models::new());
    let error = opened.err().unwrap().to_string();
    let expected = "neither `architecture` (as timm's) nor `model_type` (as transformers'), but id2label, task;";
    assert!(error.contains(expected), "{error}");
}

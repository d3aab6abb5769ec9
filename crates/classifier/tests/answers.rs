//! A shipped model opened from its file, and asked.

use std::collections::HashMap;

use candle_core::{DType, Device, Tensor};
use taper_classifier::{Classifier, Tta};
use taper_dataset::augment::Policy;
use taper_dataset::sheet::to_png;
use taper_dataset::{Part, open};
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
    let images = indices.iter().map(|&index| digits.decode(index).unwrap()).collect();
    let preprocessing = classifier.config.preprocessing.clone();
    let part = Part::new(digits.clone(), indices, preprocessing, Policy::default());
    let mut done = Vec::new();
    let evaluation = classifier.evaluate(&part, 16, |images| done.push(images)).unwrap();
    assert_eq!(done, [16, 32, 40]);
    let pairs = evaluation.labels.iter().zip(evaluation.predictions());
    assert!(pairs.filter(|(label, predicted)| *label == predicted).count() >= 30);
    let rows = classifier.probabilities(images).unwrap().concat();
    for (a, b) in rows.iter().zip(&evaluation.probabilities) {
        // One softmax is computed in f64.
        assert!((a - b).abs() < 1e-6, "{a} {b}");
    }
    // Views that change nothing give the same answers.
    classifier.tta = Tta { views: 2, ..Tta::default() };
    let twice = classifier.evaluate(&part, 16, |_| {}).unwrap();
    assert_eq!(twice.predictions(), evaluation.predictions());
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
    assert!(error.contains("nothing says what net this is: expected the metadata"), "{error}");
}

use candle_core::{DType, Device, Tensor, Var};

use super::*;
use crate::gradcheck::gradcheck;

fn logits() -> Var {
    let values: Vec<f64> = (0..12).map(|i| f64::from(i * 7 % 11) / 3.0 - 1.5).collect();
    Var::from_vec(values, (3, 4), &Device::Cpu).unwrap()
}

fn labels(labels: &[u32]) -> Tensor {
    Tensor::new(labels, &Device::Cpu).unwrap()
}

fn scalar(loss: Result<Tensor, LossError>) -> f64 {
    loss.unwrap().to_scalar::<f64>().unwrap()
}

#[test]
fn class_ids_and_one_hot_targets_agree_without_weights() {
    let one_hot =
        Tensor::new(&[[0f64, 0., 1., 0.], [1., 0., 0., 0.], [0., 0., 0., 1.]], &Device::Cpu)
            .unwrap();
    for label_smoothing in [0.0, 0.1, 1.0] {
        let loss = CrossEntropy { label_smoothing, class_weights: None };
        let by_ids = scalar(loss.class_ids(&logits(), &labels(&[2, 0, 3])));
        let by_targets = scalar(loss.targets(&logits(), &one_hot));
        assert!((by_ids - by_targets).abs() < 1e-14, "{by_ids} {by_targets}");
    }
}

#[test]
fn gradients_are_those_of_finite_differences() {
    let logits = logits();
    let soft =
        Tensor::new(&[[0.1f64, 0.2, 0.3, 0.4], [1., 0., 0., 0.], [0.5, 0.5, 0., 0.]], &Device::Cpu)
            .unwrap();
    for label_smoothing in [0.0, 0.2] {
        for class_weights in [None, Some(vec![0.5, 1.0, 0.0, 2.0])] {
            let loss = CrossEntropy { label_smoothing, class_weights };
            let ids = labels(&[2, 0, 3]);
            let variables = [("logits".to_owned(), logits.clone())];
            gradcheck(
                || Ok(loss.class_ids(&logits, &ids).unwrap()),
                &variables,
                &Default::default(),
            )
            .unwrap();
            gradcheck(
                || Ok(loss.targets(&logits, &soft).unwrap()),
                &variables,
                &Default::default(),
            )
            .unwrap();
        }
    }
}

#[test]
fn huge_logits_neither_overflow_nor_lose_the_gradient() {
    let logits = Var::new(&[[1000f32, -1000.0, 0.0]], &Device::Cpu).unwrap();
    let loss = CrossEntropy::default().class_ids(&logits, &labels(&[1])).unwrap();
    assert_eq!(loss.to_scalar::<f32>().unwrap(), 2000.0);
    let gradients = loss.backward().unwrap();
    assert_eq!(gradients.get(&logits).unwrap().to_vec2::<f32>().unwrap(), [[1.0, -1.0, 0.0]]);
}

/// The message of the error.
fn message(loss: Result<Tensor, LossError>) -> String {
    loss.unwrap_err().to_string()
}

#[test]
fn a_label_out_of_range_is_an_error_that_names_it() {
    let loss = CrossEntropy::default().class_ids(&logits(), &labels(&[0, 3, 4]));
    assert_eq!(
        message(loss),
        "label 4 at position 2 of the batch is out of range: the logits have 4 classes"
    );
}

#[test]
fn shapes_and_types_that_do_not_go_together_are_errors() {
    let loss = CrossEntropy::default();
    assert_eq!(
        message(loss.class_ids(&logits(), &labels(&[0, 1]))),
        "targets for logits of shape [3, 4] must have shape [3], found [2]"
    );
    let targets = Tensor::zeros((3, 5), DType::F64, &Device::Cpu).unwrap();
    assert_eq!(
        message(loss.targets(&logits(), &targets)),
        "targets for logits of shape [3, 4] must have shape [3, 4], found [3, 5]"
    );
    let images = Tensor::zeros((3, 1, 2, 2), DType::F64, &Device::Cpu).unwrap();
    assert_eq!(
        message(loss.class_ids(&images, &labels(&[0, 1, 2]))),
        "logits must have shape (n, classes), neither of them zero, found [3, 1, 2, 2]"
    );
    let signed = Tensor::new(&[0i64, 1, 2], &Device::Cpu).unwrap();
    assert_eq!(
        message(loss.class_ids(&logits(), &signed)),
        "class ids must be u32, found I64; convert them with `to_dtype(DType::U32)`"
    );
}

#[test]
fn class_weights_and_smoothing_that_make_no_sense_are_errors() {
    let weights = |weights: &[f64]| CrossEntropy {
        class_weights: Some(weights.to_vec()),
        ..Default::default()
    };
    let ids = labels(&[0, 1, 2]);
    assert_eq!(
        message(weights(&[1.0; 3]).class_ids(&logits(), &ids)),
        "3 class weights were given for 4 classes"
    );
    assert_eq!(
        message(weights(&[1.0, -2.0, 1.0, 1.0]).class_ids(&logits(), &ids)),
        "the weight of class 1 is -2: class weights must be finite and not negative"
    );
    assert_eq!(
        message(weights(&[0.0, 0.0, 0.0, 1.0]).class_ids(&logits(), &ids)),
        "the class weights of all 3 labels in the batch are zero, so the weighted mean does not exist"
    );
    let loss = CrossEntropy { label_smoothing: 1.5, ..Default::default() };
    assert_eq!(
        message(loss.class_ids(&logits(), &ids)),
        "label smoothing must be between 0 and 1, found 1.5"
    );
}

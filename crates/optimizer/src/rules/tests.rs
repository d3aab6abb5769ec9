use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Adadelta, Adagrad, Adam, AdamW, RmsProp, Sgd, TakeRule};
use crate::rule::{BoxedRule, Rule};

/// All presets by name.
pub(crate) fn presets() -> Vec<(String, BoxedRule)> {
    struct All(Vec<(String, BoxedRule)>);
    impl TakeRule for All {
        fn take<R: Rule + Serialize + DeserializeOwned + 'static>(&mut self, name: &str, rule: R) {
            let json = serde_json::to_string(&rule).unwrap();
            let read: R = serde_json::from_str(&json).unwrap();
            assert_eq!(format!("{read:?}"), format!("{rule:?}"));
            self.0.push((name.to_string(), rule.into()));
        }
    }
    let mut all = All(Vec::new());
    super::presets(&mut all);
    all.0
}

#[test]
fn every_preset_is_valid_and_survives_a_recipe() {
    for (name, rule) in presets() {
        rule.validate().unwrap();
        assert_eq!(rule.name(), name.split('-').next().unwrap());
    }
    let reference = Adadelta::keras_reference();
    assert_eq!((reference.learning_rate, reference.rho, reference.epsilon), (1.0, 0.95, 1e-7));
}

#[test]
fn a_recipe_with_an_unknown_field_is_refused() {
    let error = serde_json::from_str::<Adam>(r#"{ "rho": 0.9 }"#).unwrap_err().to_string();
    assert!(error.contains("unknown field `rho`"), "{error}");
    let error = serde_json::from_str::<Sgd>(r#"{ "decay": "l1" }"#).unwrap_err().to_string();
    assert!(error.contains("unknown variant `l1`"), "{error}");
}

#[test]
fn an_invalid_hyperparameter_is_one_clear_error() {
    let rules: [(BoxedRule, &str); 10] = [
        (
            Sgd { momentum: 1.0, ..Sgd::pytorch() }.into(),
            "sgd: momentum is 1, expected a number from 0 to below 1",
        ),
        (
            Sgd { dampening: -0.1, ..Sgd::pytorch() }.into(),
            "sgd: dampening is -0.1, expected a number from 0 to 1",
        ),
        (
            Sgd { nesterov: true, ..Sgd::pytorch() }.into(),
            "sgd: nesterov needs momentum above 0 and dampening 0, found momentum 0 and dampening 0",
        ),
        (
            Adadelta { rho: 1.5, ..Adadelta::keras() }.into(),
            "adadelta: rho is 1.5, expected a number from 0 to below 1",
        ),
        (
            Adadelta { epsilon: 0.0, ..Adadelta::keras() }.into(),
            "adadelta: epsilon is 0, expected a finite number above 0",
        ),
        (
            Adagrad { initial_accumulator: -1.0, ..Adagrad::keras() }.into(),
            "adagrad: initial_accumulator is -1, expected a finite number of 0 or more",
        ),
        (
            RmsProp { weight_decay: f64::NAN, ..RmsProp::keras() }.into(),
            "rmsprop: weight_decay is NaN, expected a finite number of 0 or more",
        ),
        (
            Adam { beta2: 1.0, ..Adam::keras() }.into(),
            "adam: beta2 is 1, expected a number from 0 to below 1",
        ),
        (
            Adam { learning_rate: f64::INFINITY, ..Adam::keras() }.into(),
            "adam: learning_rate is inf, expected a finite number of 0 or more",
        ),
        (
            AdamW { beta1: -0.5, ..AdamW::keras() }.into(),
            "adamw: beta1 is -0.5, expected a number from 0 to below 1",
        ),
    ];
    for (rule, message) in rules {
        assert_eq!(rule.validate().unwrap_err().to_string(), message);
        // An optimizer is not made of it either.
        let error = crate::Optimizer::new(vec![], rule, &[]).unwrap_err();
        assert_eq!(error.to_string(), message);
    }
}

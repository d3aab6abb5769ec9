use super::{Adadelta, Adagrad, Adam, AdamW, RmsProp, RuleConfig, Sgd};

#[test]
fn every_preset_is_valid_and_survives_a_recipe() {
    for name in RuleConfig::presets() {
        let rule = RuleConfig::preset(name).unwrap();
        rule.validate().unwrap();
        let json = serde_json::to_string(&rule).unwrap();
        assert_eq!(serde_json::from_str::<RuleConfig>(&json).unwrap(), rule);
        assert_eq!(rule.name(), name.split('-').next().unwrap());
    }
    let reference = Adadelta::keras_reference();
    assert_eq!((reference.learning_rate, reference.rho, reference.epsilon), (1.0, 0.95, 1e-7));
}

#[test]
fn an_unknown_preset_names_those_there_are() {
    let message = RuleConfig::preset("adadelta-jax").unwrap_err().to_string();
    assert!(
        message.starts_with("unknown optimizer `adadelta-jax`, expected one of sgd, sgd-keras")
    );
}

#[test]
fn a_recipe_with_an_unknown_rule_or_field_is_refused() {
    for (json, message) in [
        (r#"{ "name": "lion" }"#, "unknown variant `lion`"),
        (r#"{ "name": "adam", "rho": 0.9 }"#, "unknown field `rho`"),
        (r#"{ "name": "sgd", "decay": "l1" }"#, "unknown variant `l1`"),
        (r#"{ "learning_rate": 0.1 }"#, "missing field `name`"),
    ] {
        let error = serde_json::from_str::<RuleConfig>(json).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
}

#[test]
fn an_invalid_hyperparameter_is_one_clear_error() {
    let rules: [(RuleConfig, &str); 10] = [
        (
            RuleConfig::Sgd(Sgd { momentum: 1.0, ..Sgd::pytorch() }),
            "sgd: momentum is 1, expected a number from 0 to below 1",
        ),
        (
            RuleConfig::Sgd(Sgd { dampening: -0.1, ..Sgd::pytorch() }),
            "sgd: dampening is -0.1, expected a number from 0 to 1",
        ),
        (
            RuleConfig::Sgd(Sgd { nesterov: true, ..Sgd::pytorch() }),
            "sgd: nesterov needs momentum above 0 and dampening 0, found momentum 0 and dampening 0",
        ),
        (
            RuleConfig::Adadelta(Adadelta { rho: 1.5, ..Adadelta::keras() }),
            "adadelta: rho is 1.5, expected a number from 0 to below 1",
        ),
        (
            RuleConfig::Adadelta(Adadelta { epsilon: 0.0, ..Adadelta::keras() }),
            "adadelta: epsilon is 0, expected a finite number above 0",
        ),
        (
            RuleConfig::Adagrad(Adagrad { initial_accumulator: -1.0, ..Adagrad::keras() }),
            "adagrad: initial_accumulator is -1, expected a finite number of 0 or more",
        ),
        (
            RuleConfig::RmsProp(RmsProp { weight_decay: f64::NAN, ..RmsProp::keras() }),
            "rmsprop: weight_decay is NaN, expected a finite number of 0 or more",
        ),
        (
            RuleConfig::Adam(Adam { beta2: 1.0, ..Adam::keras() }),
            "adam: beta2 is 1, expected a number from 0 to below 1",
        ),
        (
            RuleConfig::Adam(Adam { learning_rate: f64::INFINITY, ..Adam::keras() }),
            "adam: learning_rate is inf, expected a finite number of 0 or more",
        ),
        (
            RuleConfig::AdamW(AdamW { beta1: -0.5, ..AdamW::keras() }),
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

//! Seeded initial values.

use super::*;

fn fresh(seed: u64, names: &[&str]) -> Params {
    let weights = Weights::new(WeightsConfig { seed, ..WeightsConfig::default() }).unwrap();
    let vb = weights.var_builder(DType::F32, &CPU);
    for name in names {
        candle_nn::linear(3, 4, vb.pp(name)).unwrap();
    }
    weights.finish().unwrap().0
}

#[test]
fn candles_own_layers_are_seeded_whatever_the_order() {
    let (a, b) = (fresh(1, &["fc1", "fc2"]), fresh(1, &["fc2", "fc1", "fc3"]));
    assert_eq!(value(&a, "fc1.weight"), value(&b, "fc1.weight"));
    assert_eq!(value(&a, "fc2.bias"), value(&b, "fc2.bias"));
    assert_ne!(value(&a, "fc1.weight"), value(&a, "fc2.weight"));
    assert_ne!(value(&a, "fc1.weight"), value(&fresh(2, &["fc1"]), "fc1.weight"));
}

#[test]
fn a_typed_request_is_for_one_tensor_alone() {
    let weights = Weights::new(WeightsConfig::default()).unwrap();
    let vb = weights.var_builder(DType::F32, &CPU);
    let x = init::get(&vb, 4, "x", &Initializer::Constant(3.0)).unwrap();
    assert_eq!(flat(&x), [3.0; 4]);
    assert_eq!(flat(&vb.get(4, "y").unwrap()), [0.0; 4]);
}

#[test]
fn a_request_to_another_backend_leaves_nothing_behind() {
    let map = VarMap::new();
    let other = candle_nn::VarBuilder::from_varmap(&map, DType::F32, &CPU);
    let x = init::get(&other, (8, 8), "x", &Initializer::GlorotUniform).unwrap();
    let bound = (6f32 / 16.0).sqrt();
    assert!(flat(&x).iter().all(|value| value.abs() <= bound));
    assert!(flat(&x).iter().any(|value| value.abs() > bound / 2.0));

    let weights = Weights::new(WeightsConfig::default()).unwrap();
    let y = weights.var_builder(DType::F32, &CPU).get((8, 8), "y").unwrap();
    assert_eq!(flat(&y), [0.0; 64]);
}

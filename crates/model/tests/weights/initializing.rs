//! Seeded initial values.

use super::*;

fn fresh(seed: u64, names: &[&str]) -> Params {
    let weights = Weights::new(WeightsConfig { seed, ..WeightsConfig::default() }).unwrap();
    let vb = weights.var_builder(DType::F32, &CPU).candle();
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
fn an_initializer_is_for_one_tensor_alone() {
    let weights = Weights::new(WeightsConfig::default()).unwrap();
    let vb = weights.var_builder(DType::F32, &CPU);
    let x = vb.get(4, "x", Initializer::Constant(3.0)).unwrap();
    assert_eq!(flat(&x), [3.0; 4]);
    assert_eq!(flat(&vb.candle().get(4, "y").unwrap()), [0.0; 4]);
}

#[test]
fn another_backend_gets_the_nearest_of_candles_hints() {
    let map = VarMap::new();
    let other = candle_nn::VarBuilder::from_varmap(&map, DType::F32, &CPU);
    let other = ParamBuilder::from(other.pp("fc"));
    let x = other.get((8, 8), "x", Initializer::GlorotUniform).unwrap();
    let bound = (6f32 / 16.0).sqrt();
    assert!(flat(&x).iter().all(|value| value.abs() <= bound));
    assert!(flat(&x).iter().any(|value| value.abs() > bound / 2.0));
    assert!(map.data().lock().unwrap().contains_key("fc.x"));
}

#[test]
fn candles_builder_asks_below_the_same_prefix() {
    let weights = Weights::new(WeightsConfig::default()).unwrap();
    let vb = weights.var_builder(DType::F32, &CPU).pp("a").pp(3);
    assert_eq!((vb.prefix().as_str(), vb.candle().prefix().as_str()), ("a.3", "a.3"));
    let x = vb.get(4, "x", Initializer::Ones).unwrap();
    let same = vb.candle().get(4, "x").unwrap();
    assert_eq!((x.id(), flat(&same)), (same.id(), vec![1.0; 4]));
    assert!(vb.candle().contains_tensor("x") && !vb.candle().contains_tensor("y"));
}

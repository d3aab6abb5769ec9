//! Position embeddings for images of another size.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor};
use serde::Deserialize;
use taper_model::weights::{PositionGrid, TensorFile, Weights, WeightsConfig, WeightsError};

const FEATURES: usize = 2;

#[derive(Deserialize)]
struct Fixture {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    side: usize,
    height: usize,
    width: usize,
    antialias: bool,
    expected: Vec<f64>,
}

/// The script's values, as a file with embeddings for `patches`.
fn file(patches: usize) -> TensorFile {
    let value = |i: usize| (((i * 7919) % 2003) as f64 / 1001.5 - 1.0) as f32;
    let values: Vec<f32> = (0..(1 + patches) * FEATURES).map(value).collect();
    let tensor = Tensor::from_vec(values, (1, 1 + patches, FEATURES), &Device::Cpu).unwrap();
    let tensors = BTreeMap::from([("pos_embed".to_string(), tensor)]);
    TensorFile::from_tensors(tensors, "a checkpoint").unwrap()
}

/// Asks for the embeddings of a grid; what they become, and the report's note.
fn ask(patches: usize, positions: PositionGrid) -> Result<(Vec<f32>, String), WeightsError> {
    let shape = (1, 1 + positions.height * positions.width, FEATURES);
    let config = WeightsConfig {
        source: Some(file(patches)),
        positions: Some(positions),
        ..WeightsConfig::default()
    };
    let weights = Weights::new(config)?;
    let tensor = weights.var_builder(DType::F32, &Device::Cpu).candle().get(shape, "pos_embed")?;
    let (_, report) = weights.finish()?;
    let note = report.adapted.iter().map(|entry| entry.note.clone()).collect();
    Ok((tensor.flatten_all()?.to_vec1()?, note))
}

fn positions(height: usize, width: usize, antialias: bool) -> PositionGrid {
    PositionGrid { name: "pos_embed".to_string(), prefix: 1, height, width, from: None, antialias }
}

#[test]
fn resampled_position_embeddings_are_pytorch_s() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/positions.json");
    let fixture: Fixture = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    for Case { side, height, width, antialias, expected } in fixture.cases {
        let what = format!("{side}x{side} to {height}x{width}, antialias {antialias}");
        let (found, note) = ask(side * side, positions(height, width, antialias)).unwrap();
        assert_eq!(found.len(), expected.len(), "{what}");
        for (found, expected) in found.into_iter().zip(expected) {
            // Values up to 1 in f32, sums of some tens of them.
            assert!((f64::from(found) - expected).abs() < 1e-5, "{what}: {found}, not {expected}");
        }
        if side * side != height * width {
            let says = format!("positions: {side}x{side} patches resampled to {height}x{width}");
            assert_eq!(note, says, "{what}");
        }
    }
}

#[test]
fn embeddings_of_as_many_patches_are_taken_as_they_are() {
    let (_, note) = ask(16, positions(2, 8, true)).unwrap();
    assert_eq!(note, "");
}

#[test]
fn embeddings_of_another_grid_of_as_many_patches_are_resampled() {
    let from = |from| PositionGrid { from: Some(from), ..positions(2, 8, true) };
    let (_, note) = ask(16, from((4, 4))).unwrap();
    assert_eq!(note, "positions: 4x4 patches resampled to 2x8");
    let (_, note) = ask(16, from((2, 8))).unwrap();
    assert_eq!(note, "");
    // What is said and cannot be is of no use.
    let (_, note) = ask(16, from((3, 3))).unwrap();
    assert_eq!(note, "");
}

#[test]
fn embeddings_of_a_grid_that_is_no_square_but_known_are_resampled() {
    // 3x5 to 3x5 of the same points, but that the columns come from the middles of six.
    let same = PositionGrid { from: Some((3, 6)), ..positions(3, 6, true) };
    let (whole, note) = ask(18, same).unwrap();
    assert_eq!(note, "");
    let halved = PositionGrid { from: Some((3, 6)), ..positions(3, 3, false) };
    let (half, note) = ask(18, halved).unwrap();
    assert_eq!(note, "positions: 3x6 patches resampled to 3x3");
    assert_eq!(half.len(), (1 + 9) * FEATURES);
    // Halfway between four points of a row: -3/32, 19/32, 19/32, -3/32 with the slope -0.75.
    let at = |column: usize| f64::from(whole[(1 + 6 + column) * FEATURES]);
    let expected = (19.0 * (at(2) + at(3)) - 3.0 * (at(1) + at(4))) / 32.0;
    let found = f64::from(half[(1 + 3 + 1) * FEATURES]);
    assert!((found - expected).abs() < 1e-5, "{found}, not {expected}");
}

#[test]
fn embeddings_of_a_grid_that_is_no_square_are_an_error() {
    let error = ask(15, positions(2, 2, true)).unwrap_err().to_string();
    assert!(error.contains("pos_embed") && error.contains("[1, 16, 2]"), "{error}");
}

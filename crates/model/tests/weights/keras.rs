//! Keras's layout and names.

use super::*;

/// Keras's names in both their forms, and shapes all of whose dimensions differ.
fn exported() -> TensorFile {
    file_of(&[
        ("conv2d.kernel", counting(&[3, 2, 5, 7])),
        ("conv2d.bias", counting(&[7])),
        ("bn/gamma:0", counting(&[7])),
        ("bn/beta:0", counting(&[7])),
        ("bn/moving_mean:0", counting(&[7])),
        ("bn/moving_variance:0", counting(&[7])),
        ("dense.kernel", counting(&[2 * 3 * 7, 4])),
        ("depthwise.depthwise_kernel", counting(&[2, 3, 4, 2])),
        ("dropout.seed_generator_state", Tensor::zeros(2, DType::U32, &CPU).unwrap()),
    ])
}

fn flatten(name: &str, channels: usize) -> Option<BTreeMap<String, Flatten>> {
    let flatten = Flatten { channels, height: 2, width: 3 };
    Some(BTreeMap::from([(name.to_string(), flatten)]))
}

fn config() -> WeightsConfig {
    WeightsConfig {
        layout: Layout::Keras,
        key_map: KeyMap::new([("conv2d.*", "conv1.*"), ("dense.*", "fc1.*")]),
        flatten: flatten("fc1.weight", 7),
        ..from(exported())
    }
}

fn at(tensor: &Tensor, index: &[usize]) -> f32 {
    index.iter().fold(tensor.clone(), |t, &i| t.get(i).unwrap()).to_scalar().unwrap()
}

#[test]
fn dimensions_and_rows_after_a_flatten_are_reordered() {
    let weights = Weights::new(config()).unwrap();
    let vb = weights.var_builder(DType::F32, &CPU).candle();
    let file = exported();
    let conv = vb.get((7, 5, 3, 2), "conv1.weight").unwrap();
    let kernel = file.get("conv2d.kernel").unwrap();
    for (o, i, h, w) in [(0, 0, 0, 0), (6, 4, 2, 1), (3, 1, 0, 1), (2, 3, 2, 0)] {
        assert_eq!(at(&conv, &[o, i, h, w]), at(kernel, &[h, w, i, o]));
    }
    let dense = vb.get((4, 42), "fc1.weight").unwrap();
    let kernel = file.get("dense.kernel").unwrap();
    for c in 0..7 {
        for h in 0..2 {
            for w in 0..3 {
                let (ours, theirs) = ((c * 2 + h) * 3 + w, (h * 3 + w) * 7 + c);
                assert_eq!(at(&dense, &[1, ours]), at(kernel, &[theirs, 1]));
            }
        }
    }
    let depthwise = vb.get((8, 1, 2, 3), "depthwise.weight").unwrap();
    let kernel = file.get("depthwise.depthwise_kernel").unwrap();
    assert_eq!(at(&depthwise, &[5, 0, 1, 2]), at(kernel, &[1, 2, 2, 1]));
    vb.get(7, "conv1.bias").unwrap();
    candle_nn::batch_norm(7, 1e-3, vb.pp("bn")).unwrap();
    let (_, report) = weights.finish().unwrap();
    assert_eq!(report.loaded.len(), 8);
    assert_eq!(report.skipped[0].name, "dropout.seed_generator_state");
}

#[test]
fn convolutions_with_dense_layers_need_a_word_about_the_flatten() {
    let error = Weights::new(WeightsConfig { flatten: None, ..config() }).unwrap_err();
    assert!(error.to_string().contains("nothing says which dense layer follows a flatten"));
}

#[test]
fn a_flatten_of_another_size_is_an_error() {
    let flatten = flatten("fc1.weight", 8);
    let error = Weights::new(WeightsConfig { flatten, ..config() }).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the tensor `dense.kernel` of a.safetensors has shape [42, 4]; \
         after a flatten of 48 values it must have as many rows"
    );
}

#[test]
fn a_flatten_for_a_layer_that_is_not_there_is_an_error() {
    let flatten = flatten("fc9.weight", 7);
    let error = Weights::new(WeightsConfig { flatten, ..config() }).unwrap_err();
    assert_eq!(
        error.to_string(),
        "a flatten is given for `fc9.weight`, and a.safetensors has no such dense kernel"
    );
}

/// One dense kernel with the metadata that the export writes.
fn with_metadata() -> TensorFile {
    let data: Vec<u8> = (0..8).flat_map(|v| (v as f32).to_le_bytes()).collect();
    let view = TensorView::new(Dtype::F32, vec![4, 2], &data).unwrap();
    let json = json!({
        "layout": "keras",
        "flatten": {"dense.kernel": {"channels": 2, "height": 1, "width": 2}},
    });
    let metadata = [("taper".to_string(), json.to_string())].into();
    let bytes = safetensors::serialize([("dense.kernel", view)], Some(metadata)).unwrap();
    TensorFile::from_bytes(&bytes, "k.safetensors").unwrap()
}

#[test]
fn a_flatten_is_read_from_the_files_metadata() {
    let config = WeightsConfig { layout: Layout::Keras, ..from(with_metadata()) };
    let weights = Weights::new(config).unwrap();
    let dense = weights.var_builder(DType::F32, &CPU).candle().get((2, 4), "dense.weight").unwrap();
    assert_eq!(flat(&dense), [0.0, 4.0, 2.0, 6.0, 1.0, 5.0, 3.0, 7.0]);
}

#[test]
fn a_keras_file_is_not_read_as_pytorchs() {
    let error = Weights::new(from(with_metadata())).unwrap_err();
    assert_eq!(
        error.to_string(),
        "k.safetensors says that its layout is `keras`: load it with that layout"
    );
}

#[test]
fn a_net_of_ours_knows_its_keras_names_and_its_flatten() {
    let info = nets::find("keras-cnn").unwrap();
    let net = NetConfig { num_classes: 7, channels: 3, height: 10, width: 12 };
    let file = file_of(&[
        ("conv2d.kernel", counting(&[3, 3, 3, 32])),
        ("conv2d.bias", counting(&[32])),
        ("conv2d_1.kernel", counting(&[3, 3, 32, 64])),
        ("conv2d_1.bias", counting(&[64])),
        ("dense.kernel", counting(&[3 * 4 * 64, 128])),
        ("dense.bias", counting(&[128])),
        ("dense_1.kernel", counting(&[128, 7])),
        ("dense_1.bias", counting(&[7])),
    ]);
    let kernel = file.get("dense.kernel").unwrap().clone();
    let config = WeightsConfig { source: Some(file), ..info.weights_config(&net, Layout::Keras) };
    let weights = Weights::new(config).unwrap();
    let vb = weights.var_builder(DType::F32, &CPU);
    (info.build)(&net, vb, &RngKey::new(0)).unwrap();
    let (params, report) = weights.finish().unwrap();
    assert_eq!(report.loaded.len(), 8);
    let dense = params.get("fc1.weight").unwrap().var.as_tensor();
    // Channel 5, row 2, column 1 of 64 x 3 x 4.
    assert_eq!(at(dense, &[9, (5 * 3 + 2) * 4 + 1]), at(&kernel, &[(2 * 4 + 1) * 64 + 5, 9]));
}

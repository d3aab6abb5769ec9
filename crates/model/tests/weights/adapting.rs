//! Heads, stems, frozen parameters, rebuilds.

use super::*;

#[test]
fn a_head_for_other_classes_is_initialized() {
    let config = WeightsConfig { head: strings(&["fc2"]), ..from(two_layers()) };
    let (params, report) = build(config, 3).unwrap();
    assert_eq!(params.get("fc2.weight").unwrap().var.dims(), [3, 4]);
    assert!(value(&params, "fc2.weight").iter().any(|&value| value != 0.0));
    assert_eq!(report.loaded.len(), 2);
}

#[test]
fn a_head_that_fits_is_loaded() {
    let config = WeightsConfig { head: strings(&["fc2"]), ..from(two_layers()) };
    assert_eq!(build(config, 2).unwrap().1.loaded.len(), 4);
}

#[test]
fn a_head_is_named_by_whole_parts() {
    let config = WeightsConfig { head: strings(&["fc"]), ..from(two_layers()) };
    assert!(text(build(config, 3)).contains("2 faults"));
}

#[test]
fn a_head_of_any_other_shape_is_initialized_whole() {
    // Its weight takes other features, its bias would fit.
    let config = WeightsConfig { head: strings(&["fc2"]), ..from(two_layers()) };
    let weights = Weights::new(config).unwrap();
    let vb = weights.var_builder(DType::F32, &CPU).candle();
    candle_nn::linear(3, 4, vb.pp("fc1")).unwrap();
    candle_nn::linear(5, 2, vb.pp("fc2")).unwrap();
    let (_, report) = weights.finish().unwrap();
    assert_eq!(report.initialized.len(), 2);
    for entry in &report.initialized {
        assert_eq!(entry.note, "head replaced: the file has [2, 4]", "{}", entry.name);
    }
}

#[test]
fn a_head_in_keras_s_order_is_a_mismatch() {
    let config = WeightsConfig { head: strings(&["fc2"]), ..from(two_layers()) };
    let weights = Weights::new(config).unwrap();
    weights.var_builder(DType::F32, &CPU).candle().get((4, 2), "fc2.weight").unwrap();
    assert!(text(weights.finish()).contains("that is Keras's order"));
}

#[test]
fn a_head_that_a_file_has_nothing_of_is_initialized() {
    let body = file_of(&[("fc1.weight", counting(&[4, 3])), ("fc1.bias", counting(&[4]))]);
    let config = WeightsConfig { head: strings(&["fc2"]), ..from(body) };
    let (_, report) = build(config, 2).unwrap();
    assert_eq!(report.initialized.len(), 2);
    assert!(report.initialized.iter().all(|entry| entry.note == "the file has no head"));
    // Of a head that is there in part the rest is missing.
    let tensors = [("fc1.weight", counting(&[4, 3])), ("fc1.bias", counting(&[4]))];
    let part = file_of(&[&tensors[..], &[("fc2.bias", counting(&[2]))]].concat());
    let config = WeightsConfig { head: strings(&["fc2"]), ..from(part) };
    assert!(text(build(config, 2)).contains("missing `fc2.weight`"));
}

#[test]
fn a_head_for_the_same_classes_in_another_order_is_reordered() {
    let classes = HeadClasses::Reordered(vec![1, 0]);
    let config = WeightsConfig { head: strings(&["fc2"]), classes, ..from(two_layers()) };
    let (params, report) = build(config, 2).unwrap();
    assert_eq!(value(&params, "fc2.bias"), [1.0, 0.0]);
    assert_eq!(value(&params, "fc2.weight"), [4.0, 5.0, 6.0, 7.0, 0.0, 1.0, 2.0, 3.0]);
    assert_eq!(report.adapted.len(), 2);
    assert_eq!(report.adapted[0].note, "head: its rows in the order of the data's classes");
}

#[test]
fn a_shape_that_differs_in_ones_alone_fits() {
    let as_convolution = file_of(&[
        ("fc1.weight", counting(&[4, 3, 1, 1])),
        ("fc1.bias", counting(&[4, 1, 1])),
        ("fc2.weight", counting(&[2, 4])),
        ("fc2.bias", counting(&[2])),
    ]);
    let (params, report) = build(from(as_convolution.clone()), 2).unwrap();
    assert_eq!(params.get("fc1.weight").unwrap().var.dims(), [4, 3]);
    assert_eq!(value(&params, "fc1.bias"), [0.0, 1.0, 2.0, 3.0]);
    let notes: Vec<_> = report.loaded.iter().map(|entry| entry.note.as_str()).collect();
    assert_eq!(notes, ["[4, 1, 1] taken as [4]", "[4, 3, 1, 1] taken as [4, 3]", "", ""]);
    // Of a head it is still the rows that are put in order.
    let head = WeightsConfig {
        head: strings(&["fc1"]),
        classes: HeadClasses::Reordered(vec![3, 2, 1, 0]),
        ..from(as_convolution)
    };
    assert_eq!(value(&build(head, 2).unwrap().0, "fc1.bias"), [3.0, 2.0, 1.0, 0.0]);
    // The others in another order are a mismatch.
    let other = file_of(&[
        ("fc1.weight", counting(&[3, 1, 4])),
        ("fc1.bias", counting(&[4])),
        ("fc2.weight", counting(&[2, 4])),
        ("fc2.bias", counting(&[2])),
    ]);
    assert!(text(build(from(other), 2)).contains("the file has [3, 1, 4]"));
}

#[test]
fn a_key_map_adds_to_the_values_that_it_names() {
    let offsets = vec![("*.bias".to_string(), 0.5)];
    let key_map = KeyMap { offsets, ..KeyMap::default() };
    let half = file_of(&[
        ("fc1.weight", counting(&[4, 3])),
        ("fc1.bias", counting(&[4]).to_dtype(DType::F16).unwrap()),
        ("fc2.weight", counting(&[2, 4])),
        ("fc2.bias", counting(&[2])),
    ]);
    let (params, report) = build(WeightsConfig { key_map, ..from(half) }, 2).unwrap();
    assert_eq!(value(&params, "fc1.bias"), [0.5, 1.5, 2.5, 3.5]);
    assert_eq!(value(&params, "fc2.weight")[1], 1.0);
    let notes: Vec<_> = report.loaded.iter().map(|entry| entry.note.as_str()).collect();
    assert_eq!(notes, ["+5.00e-1 added", "", "+5.00e-1 added", ""]);
}

#[test]
fn a_head_for_as_many_other_classes_is_initialized() {
    let classes = HeadClasses::Others("the file's classes are cat, dog".to_string());
    let config = WeightsConfig { head: strings(&["fc2"]), classes, ..from(two_layers()) };
    let (_, report) = build(config, 2).unwrap();
    let notes: Vec<_> = report.initialized.iter().map(|entry| entry.note.as_str()).collect();
    assert_eq!(notes, ["head replaced: the file's classes are cat, dog"; 2]);
}

#[test]
fn a_pattern_that_allows_nothing_is_an_error() {
    let config = WeightsConfig { allow_missing: strings(&["zzz"]), ..from(two_layers()) };
    assert_eq!(
        text(build(config, 2)),
        "the pattern `zzz` allows nothing: it matches no parameter of the net; names there are \
         like `fc1.bias`"
    );
    let config = WeightsConfig { allow_unused: strings(&["zzz"]), ..from(two_layers()) };
    assert_eq!(
        text(build(config, 2)),
        "the pattern `zzz` allows nothing: it matches no tensor of the file; names there are like \
         `fc1.bias`"
    );
}

/// A stem for `file` channels, and what a net of `net` channels makes of it.
fn stem(file: usize, net: usize) -> (Tensor, Tensor) {
    let weight = counting(&[2, file, 3, 3]);
    let config = WeightsConfig {
        stem: strings(&["conv1"]),
        ..from(file_of(&[("conv1.weight", weight.clone())]))
    };
    let weights = Weights::new(config).unwrap();
    let vb = weights.var_builder(DType::F32, &CPU).candle();
    let loaded = vb.get((2, net, 3, 3), "conv1.weight").unwrap();
    assert_eq!(weights.finish().unwrap().1.adapted.len(), 1);
    (weight, loaded)
}

#[test]
fn a_stem_for_other_channels_gives_the_same_on_gray_images() {
    let gray = counting(&[1, 1, 5, 5]);
    let copied = gray.repeat((1, 3, 1, 1)).unwrap();
    let (three, one) = stem(3, 1);
    let expected = copied.conv2d(&three, 0, 1, 1, 1).unwrap();
    close(&expected, &gray.conv2d(&one, 0, 1, 1, 1).unwrap());
    // As timm's `adapt_input_conv`: repeated, cut off, scaled by 3 / 5.
    let (three, five) = stem(3, 5);
    let (three, five) = (flat(&three), flat(&five));
    assert_eq!(five[3 * 9], (three[0] * 0.6).to_owned());
    assert_eq!(five[4 * 9 + 8], three[9 + 8] * 0.6);
    let (one, three) = stem(1, 3);
    let expected = gray.conv2d(&one, 0, 1, 1, 1).unwrap();
    close(&expected, &copied.conv2d(&three, 0, 1, 1, 1).unwrap());
}

fn close(a: &Tensor, b: &Tensor) {
    for (a, b) in flat(a).into_iter().zip(flat(b)) {
        // Sums of 27 products of one sign, in another order: a few units in the last place.
        assert!((a - b).abs() <= 1e-6 * a.abs().max(b.abs()), "{a} and {b}");
    }
}

#[test]
fn frozen_parameters_get_no_gradient_and_a_rebuild_thaws_them() {
    let config = WeightsConfig { freeze: strings(&["fc1.*"]), ..from(two_layers()) };
    let weights = Weights::new(config).unwrap();
    let gradients = |weights: &Weights| {
        let vb = weights.var_builder(DType::F32, &CPU).candle();
        let fc1 = candle_nn::linear(3, 4, vb.pp("fc1")).unwrap();
        let fc2 = candle_nn::linear(4, 2, vb.pp("fc2")).unwrap();
        let logits = fc2.forward(&fc1.forward(&counting(&[1, 3])).unwrap()).unwrap();
        let gradients = logits.sum_all().unwrap().backward().unwrap();
        let (params, _) = weights.finish().unwrap();
        let names = params
            .iter()
            .filter(|(_, param)| gradients.get(param.var.as_tensor()).is_some())
            .map(|(name, _)| name.clone());
        (names.collect::<Vec<_>>(), params.clone())
    };
    let (names, params) = gradients(&weights);
    assert_eq!(names, ["fc2.bias", "fc2.weight"]);
    assert_eq!(params.get("fc1.weight").unwrap().kind, ParamKind::Frozen);

    let again = Weights::from_params(&params, ["fc2.bias"]);
    let (names, rebuilt) = gradients(&again);
    assert_eq!(names, ["fc1.bias", "fc1.weight", "fc2.weight"]);
    // The variables are the same ones.
    let var = &params.get("fc1.bias").unwrap().var;
    var.set(&Tensor::zeros(4, DType::F32, &CPU).unwrap()).unwrap();
    assert_eq!(value(&rebuilt, "fc1.bias"), [0.0; 4]);
}

#[test]
fn a_frozen_tensor_sees_what_the_parameter_is_set_to() {
    let config = WeightsConfig { freeze: strings(&["x"]), ..WeightsConfig::default() };
    let weights = Weights::new(config).unwrap();
    let x = weights.var_builder(DType::F32, &CPU).candle().get(2, "x").unwrap();
    let (params, _) = weights.finish().unwrap();
    params.set(&BTreeMap::from([("x".to_string(), counting(&[2]))])).unwrap();
    assert_eq!(flat(&x), [0.0, 1.0]);
}

#[test]
fn freezing_by_a_pattern_that_matches_nothing_is_an_error() {
    let config = WeightsConfig { freeze: strings(&["conv1.*"]), ..from(two_layers()) };
    assert_eq!(
        text(build(config, 2)),
        "the pattern `conv1.*` matches no trainable parameter of the net; \
         its names are like `fc1.bias`"
    );
}

#[test]
fn a_rebuild_must_ask_for_the_same_parameters() {
    let (params, _) = build(from(two_layers()), 2).unwrap();
    let weights = Weights::from_params(&params, [""; 0]);
    let vb = weights.var_builder(DType::F32, &CPU).candle();
    candle_nn::linear(3, 4, vb.pp("fc1")).unwrap();
    vb.get(3, "fc2.bias").unwrap();
    assert_eq!(
        text(weights.finish()),
        "the set of parameters does not fit the net, 2 faults:\
         \n  mismatched `fc2.bias` [3]: the parameter has [2]\
         \n  unused `fc2.weight` [2, 4]"
    );
}

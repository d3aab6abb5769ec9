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
fn a_head_whose_inputs_differ_is_a_mismatch() {
    let config = WeightsConfig { head: strings(&["fc2"]), ..from(two_layers()) };
    let weights = Weights::new(config).unwrap();
    weights.var_builder(DType::F32, &CPU).get((3, 5), "fc2.weight").unwrap();
    assert!(text(weights.finish()).contains("mismatched `fc2.weight` [3, 5]"));
}

/// A stem for `file` channels, and what a net of `net` channels makes of it.
fn stem(file: usize, net: usize) -> (Tensor, Tensor) {
    let weight = counting(&[2, file, 3, 3]);
    let config = WeightsConfig {
        stem: strings(&["conv1"]),
        ..from(file_of(&[("conv1.weight", weight.clone())]))
    };
    let weights = Weights::new(config).unwrap();
    let vb = weights.var_builder(DType::F32, &CPU);
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
        let vb = weights.var_builder(DType::F32, &CPU);
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
    let x = weights.var_builder(DType::F32, &CPU).get(2, "x").unwrap();
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
    let vb = weights.var_builder(DType::F32, &CPU);
    candle_nn::linear(3, 4, vb.pp("fc1")).unwrap();
    vb.get(3, "fc2.bias").unwrap();
    assert_eq!(
        text(weights.finish()),
        "the set of parameters does not fit the net, 2 faults:\
         \n  mismatched `fc2.bias` [3]: the parameter has [2]\
         \n  unused `fc2.weight` [2, 4]"
    );
}

//! From a file that fits, or does not, to parameters and a report.

use super::*;

#[test]
fn a_file_that_fits_is_loaded_whole() {
    let (params, report) = build(from(two_layers()), 2).unwrap();
    assert_eq!(value(&params, "fc1.weight"), flat(&counting(&[4, 3])));
    assert_eq!(value(&params, "fc2.bias"), [0.0, 1.0]);
    assert_eq!(report.loaded.len(), 4);
    assert!(report.is_clean() && report.initialized.is_empty());
    assert_eq!(params.trainable().len(), 4);
}

#[test]
fn a_missing_tensor_is_one_line() {
    let mut tensors = vec![("fc1.weight", counting(&[4, 3])), ("fc1.bias", counting(&[4]))];
    tensors.push(("fc2.weight", counting(&[2, 4])));
    assert_eq!(
        text(build(from(file_of(&tensors)), 2)),
        "a.safetensors does not fit the net: missing `fc2.bias` [2]"
    );
}

#[test]
fn an_extra_tensor_is_one_line() {
    let weights = Weights::new(from(two_layers())).unwrap();
    let vb = weights.var_builder(DType::F32, &CPU).candle();
    candle_nn::linear(3, 4, vb.pp("fc1")).unwrap();
    candle_nn::linear_no_bias(4, 2, vb.pp("fc2")).unwrap();
    assert_eq!(text(weights.finish()), "a.safetensors does not fit the net: unused `fc2.bias` [2]");
}

#[test]
fn a_tensor_of_another_shape_is_one_line() {
    let weights = Weights::new(from(two_layers())).unwrap();
    let vb = weights.var_builder(DType::F32, &CPU).candle();
    candle_nn::linear(3, 4, vb.pp("fc1")).unwrap();
    vb.get((2, 5), "fc2.weight").unwrap();
    vb.get(2, "fc2.bias").unwrap();
    assert_eq!(
        text(weights.finish()),
        "a.safetensors does not fit the net: mismatched `fc2.weight` [2, 5]: the file has [2, 4]"
    );
}

#[test]
fn all_faults_are_told_at_once() {
    let file = file_of(&[
        ("fc1.weight", counting(&[3, 4])),
        ("fc1.bias", counting(&[4])),
        ("fc2.bias", counting(&[2])),
        ("fc3.bias", counting(&[7])),
    ]);
    assert_eq!(
        text(build(from(file), 2)),
        "a.safetensors does not fit the net, 3 faults:\
         \n  missing `fc2.weight` [2, 4]\
         \n  mismatched `fc1.weight` [4, 3]: the file has [3, 4]; that is Keras's order of \
         dimensions, try the layout `keras`\
         \n  unused `fc3.bias` [7]"
    );
}

#[test]
fn what_is_allowed_by_name_is_no_fault() {
    let file = file_of(&[
        ("fc1.weight", counting(&[4, 3])),
        ("fc1.bias", counting(&[4])),
        ("old.weight", counting(&[9])),
    ]);
    let config = WeightsConfig {
        allow_missing: strings(&["fc2.*"]),
        allow_unused: strings(&["old.*"]),
        ..from(file)
    };
    let (_, report) = build(config, 2).unwrap();
    assert_eq!(report.initialized[0].note, "not in the file, allowed by `fc2.*`");
    assert_eq!(report.skipped[0].note, "allowed by `old.*`");
}

#[test]
fn a_counter_of_batches_is_skipped_and_no_other_integer() {
    let counter = Tensor::new(5i64, &CPU).unwrap();
    let mut tensors = vec![("bn.num_batches_tracked", counter.clone())];
    let weights = Weights::new(from(file_of(&tensors))).unwrap();
    let (_, report) = weights.finish().unwrap();
    assert_eq!(report.skipped[0].name, "bn.num_batches_tracked");

    tensors.push(("ids", counter));
    let weights = Weights::new(from(file_of(&tensors))).unwrap();
    assert!(text(weights.finish()).ends_with("unused `ids` []"));
    weights.var_builder(DType::F32, &CPU).candle().get((), "ids").unwrap();
    assert!(
        text(weights.finish()).ends_with(
            "mismatched `ids` []: the file has [] of type i64, which is not a float type"
        )
    );
}

#[test]
fn a_parameter_beyond_all_measure_is_an_error_and_not_allocated() {
    let weights = Weights::new(WeightsConfig::default()).unwrap();
    let vb = weights.var_builder(DType::F32, &CPU).candle();
    for shape in [[1 << 20, 1 << 20], [usize::MAX, 2]] {
        let error = vb.get(&shape[..], "fc1.weight").unwrap_err().to_string();
        assert!(error.contains("`fc1.weight`") && error.contains("2147483648"), "{error}");
    }
}

#[test]
fn running_statistics_are_buffers() {
    let weights = Weights::new(WeightsConfig::default()).unwrap();
    let vb = weights.var_builder(DType::F32, &CPU).candle();
    candle_nn::batch_norm(3, 1e-5, vb.pp("bn")).unwrap();
    let (params, _) = weights.finish().unwrap();
    let kinds: Vec<_> = params.iter().map(|(name, p)| (name.as_str(), p.kind)).collect();
    assert_eq!(
        kinds,
        [
            ("bn.bias", ParamKind::Trainable),
            ("bn.running_mean", ParamKind::Buffer),
            ("bn.running_var", ParamKind::Buffer),
            ("bn.weight", ParamKind::Trainable),
        ]
    );
    assert_eq!(value(&params, "bn.running_var"), [1.0; 3]);
}

#[test]
fn a_candle_layer_updates_the_buffers_of_the_parameters() {
    let weights = Weights::new(WeightsConfig::default()).unwrap();
    let vb = weights.var_builder(DType::F32, &CPU).candle();
    let bn = candle_nn::batch_norm(1, 1e-5, vb.pp("bn")).unwrap();
    let (params, _) = weights.finish().unwrap();
    bn.forward_train(&Tensor::new(&[[1f32], [3.0]], &CPU).unwrap()).unwrap();
    // 0.9 * 0 + 0.1 * mean(1, 3)
    assert!((value(&params, "bn.running_mean")[0] - 0.2).abs() < 1e-6);
}

#[test]
fn every_float_type_is_converted_and_told_of() {
    for dtype in [DType::F16, DType::BF16, DType::F64] {
        let tensor = counting(&[5]).to_dtype(dtype).unwrap();
        let weights = Weights::new(from(file_of(&[("x", tensor)]))).unwrap();
        weights.var_builder(DType::F32, &CPU).candle().get(5, "x").unwrap();
        let (params, report) = weights.finish().unwrap();
        assert_eq!(value(&params, "x"), [0.0, 1.0, 2.0, 3.0, 4.0]);
        assert_eq!(report.loaded[0].note, format!("{} to f32", dtype.as_str()));
    }
}

#[test]
fn a_value_beyond_the_wanted_type_is_a_mismatch() {
    let tensor = Tensor::new(&[1.0, 1e300], &CPU).unwrap();
    let weights = Weights::new(from(file_of(&[("x", tensor)]))).unwrap();
    weights.var_builder(DType::F32, &CPU).candle().get(2, "x").unwrap();
    assert!(text(weights.finish()).ends_with("element 1 of the file's f64 is too large for f32"));
}

#[test]
fn a_name_asked_for_twice_is_shared() {
    let weights = Weights::new(from(file_of(&[("x", counting(&[2]))]))).unwrap();
    let vb = weights.var_builder(DType::F32, &CPU).candle();
    let (a, b) = (vb.get(2, "x").unwrap(), vb.get_unchecked("x").unwrap());
    assert_eq!(a.id(), b.id());
    assert!(vb.get(3, "x").is_err());
    assert!(vb.contains_tensor("x") && !vb.contains_tensor("y"));
    assert!(vb.get_unchecked("y").unwrap_err().to_string().contains("no tensor `y`"));
    assert_eq!(weights.finish().unwrap().1.loaded.len(), 1);
}

#[test]
fn names_go_through_the_key_map() {
    let file = file_of(&[("module.a.weight", counting(&[2]))]);
    let map = KeyMap::new([("module.*", "*"), ("a.*", "b.*")]);
    let weights = Weights::new(WeightsConfig { key_map: map, ..from(file) }).unwrap();
    weights.var_builder(DType::F32, &CPU).candle().get(2, "b.weight").unwrap();
    let (_, report) = weights.finish().unwrap();
    assert_eq!(report.loaded[0].from.as_deref(), Some("module.a.weight"));
    assert!(report.to_string().contains("b.weight  [2]  from module.a.weight"));
}

#[test]
fn two_tensors_of_one_name_are_an_error() {
    let file = file_of(&[("a.x", counting(&[1])), ("b.x", counting(&[1]))]);
    let key_map = KeyMap::new([("*.x", "x")]);
    let error = Weights::new(WeightsConfig { key_map, ..from(file) }).unwrap_err();
    assert_eq!(error.to_string(), "the key map sends both `a.x` and `b.x` of a.safetensors to `x`");
}

#[test]
fn the_report_reads_as_a_table_and_survives_json() {
    let config = WeightsConfig { head: strings(&["fc2"]), ..from(two_layers()) };
    let (_, report) = build(config, 3).unwrap();
    assert_eq!(
        report.to_string(),
        "weights from a.safetensors\n\
         loaded          2 tensors           16 numbers\n\
         initialized     2 tensors           15 numbers\n\
         \x20 fc2.bias    [3]  head replaced: the file has [2]\n\
         \x20 fc2.weight  [3, 4]  head replaced: the file has [2, 4]\n"
    );
    assert!(format!("{report:#}").contains("fc1.weight  [4, 3]"));
    let json = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<LoadReport>(&json).unwrap(), report);
}

#[test]
fn a_long_list_of_faults_ends_with_their_number_and_what_to_do() {
    let names: Vec<String> = (0..13).map(|i| format!("x{i}.weight")).collect();
    let tensors: Vec<_> = names.iter().map(|name| (name.as_str(), counting(&[2]))).collect();
    let message = text(build(from(file_of(&tensors)), 2));
    let last = message.lines().last().unwrap();
    assert!(
        last.starts_with("17 faults: 4 missing, 0 mismatched, 13 unused; another net"),
        "{last}"
    );
    assert!(last.contains("`model.renames`") && last.contains("`model.allow_unused`"), "{last}");
}

#[test]
fn a_report_tells_of_tensors_of_a_kind_on_one_line_and_of_each_in_full() {
    let mut tensors = vec![("fc1.weight", counting(&[4, 3])), ("fc1.bias", counting(&[4]))];
    tensors.extend([("fc2.weight", counting(&[2, 4])), ("fc2.bias", counting(&[2]))]);
    let counters = ["bn1", "bn2", "layer1.0.bn"].map(|bn| format!("{bn}.num_batches_tracked"));
    tensors.extend(counters.iter().map(|name| (name.as_str(), counting(&[1]))));
    let (_, report) = build(from(file_of(&tensors)), 2).unwrap();
    let short = report.to_string();
    let line = "  *.num_batches_tracked  3 tensors  no weight, by its name\n";
    assert!(short.ends_with(line), "{short}");
    let full = format!("{report:#}");
    assert!(full.contains("layer1.0.bn.num_batches_tracked"), "{full}");
    assert!(full.contains("fc1.weight") && !short.contains("fc1.weight"), "{full}");
}

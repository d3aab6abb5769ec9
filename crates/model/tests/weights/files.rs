//! Writing files, and reading them when they are damaged.

use super::*;

fn params() -> Params {
    let mut params = build(from(two_layers()), 2).unwrap().0;
    let buffer = candle_core::Var::from_tensor(&counting(&[2])).unwrap();
    params.insert("bn.running_mean", buffer, ParamKind::Buffer);
    params
}

fn metadata() -> BTreeMap<String, serde_json::Value> {
    let net = json!({"name": "mlp", "classes": 2, "a": {"z": 1, "b": [{"y": 1, "x": 2}]}});
    BTreeMap::from([("net".to_string(), net), ("accuracy".to_string(), json!(0.5))])
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn names_in(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn the_same_parameters_give_the_same_bytes() {
    let bytes = to_bytes(&params(), &metadata(), DType::F32).unwrap();
    for _ in 0..8 {
        assert_eq!(to_bytes(&params(), &metadata(), DType::F32).unwrap(), bytes);
    }
    let header = String::from_utf8_lossy(&bytes).into_owned();
    let names = ["accuracy", "bn.running_mean", "fc1.bias", "fc1.weight", "fc2.bias"];
    let places = names.map(|name| header.find(name).unwrap());
    assert!(places.is_sorted(), "{header}");
    let json = r#"{\"a\":{\"b\":[{\"x\":2,\"y\":1}],\"z\":1},\"classes\":2,\"name\""#;
    assert!(header.contains(json), "{header}");
}

#[test]
fn what_is_saved_is_read_again() {
    let folder = folder();
    let path = folder.path().join("model.safetensors");
    save(&path, &params(), &metadata()).unwrap();
    let file = TensorFile::read(&path).unwrap();
    // Beside a batch-norm's running mean stands PyTorch's counter, an integer.
    let params_of_file = file.names().filter(|name| *name != "bn.num_batches_tracked");
    assert_eq!(params_of_file.collect::<Vec<_>>(), params().names().collect::<Vec<_>>());
    assert_eq!(file.names().count(), params().len() + 1);
    assert!(file.get("bn.num_batches_tracked").is_none());
    assert_eq!(file.metadata().unwrap(), metadata());
    for (name, param) in &params() {
        assert_eq!(flat(file.get(name).unwrap()), flat(param.var.as_tensor()));
    }
    assert_eq!(names_in(folder.path()), [path]);
}

#[test]
fn files_of_keras_are_told_of_with_what_to_do() {
    let folder = folder();
    let path = folder.path().join("model.weights.h5");
    std::fs::write(&path, b"\x89HDF\r\n\x1a\n and more").unwrap();
    let message = TensorFile::read(&path).unwrap_err().to_string();
    assert!(message.contains("is a file of Keras's own format"), "{message}");
    assert!(message.contains("export_keras.py") && message.contains("layout `keras`"), "{message}");
    assert_eq!(message.lines().count(), 1);
}

#[test]
fn half_precision_comes_back_rounded_to_it() {
    let folder = folder();
    let path = folder.path().join("half.safetensors");
    let params = params();
    let third = Tensor::new(&[1f32 / 3.0, -65504.0], &CPU).unwrap();
    params.get("fc2.bias").unwrap().var.set(&third).unwrap();
    save_as(&path, &params, &metadata(), DType::F16).unwrap();
    let file = TensorFile::read(&path).unwrap();
    for (name, param) in &params {
        let expected = param.var.to_dtype(DType::F16).unwrap().to_dtype(DType::F32).unwrap();
        let found = file.get(name).unwrap();
        assert_eq!(found.dtype(), DType::F16);
        assert_eq!(flat(&found.to_dtype(DType::F32).unwrap()), flat(&expected));
    }
}

#[test]
fn values_that_are_not_finite_are_not_saved() {
    let folder = folder();
    let path = folder.path().join("model.safetensors");
    std::fs::write(&path, "before").unwrap();
    let params = params();
    let var = &params.get("fc2.bias").unwrap().var;
    var.set(&Tensor::new(&[1f32, f32::NAN], &CPU).unwrap()).unwrap();
    let message = save(&path, &params, &metadata()).unwrap_err().to_string();
    assert_eq!(
        message,
        "the tensor `fc2.bias` of the parameters holds NaN at element 1; \
         all values must be finite"
    );
    var.set(&Tensor::new(&[1f32, 65520.0], &CPU).unwrap()).unwrap();
    let message = save_as(&path, &params, &metadata(), DType::F16).unwrap_err().to_string();
    assert!(message.contains("holds inf at element 1"), "{message}");
    assert_eq!(std::fs::read(&path).unwrap(), b"before");
    assert_eq!(names_in(folder.path()).len(), 1);
}

#[test]
fn another_type_to_save_as_is_an_error() {
    let message = to_bytes(&params(), &metadata(), DType::BF16).unwrap_err().to_string();
    assert_eq!(message, "weights can be saved as f32 or f16, not as BF16");
}

#[test]
fn a_path_under_a_file_is_an_error() {
    let folder = folder();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    for path in [file.join("model.safetensors"), file.join("run/model.safetensors")] {
        let message = save(&path, &params(), &metadata()).unwrap_err().to_string();
        let (path, file) = (path.display(), file.display());
        let expected = format!("cannot write {path}: {file} is a file, not a folder");
        assert_eq!(message, expected);
    }
}

#[test]
fn a_path_in_no_folder_or_that_is_a_folder_is_an_error() {
    let folder = folder();
    let path = folder.path().join("none/model.safetensors");
    let message = save(&path, &params(), &metadata()).unwrap_err().to_string();
    let expected = format!("cannot write {}: its folder does not exist", path.display());
    assert_eq!(message, expected);
    let message = save(folder.path(), &params(), &metadata()).unwrap_err().to_string();
    assert_eq!(message, format!("cannot write {}: it is a folder", folder.path().display()));
}

#[cfg(unix)]
#[test]
fn a_saved_file_has_the_permissions_of_any_new_file() {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder();
    let (path, plain) = (folder.path().join("a"), folder.path().join("b"));
    save(&path, &params(), &metadata()).unwrap();
    std::fs::write(&plain, "").unwrap();
    let mode = |path| std::fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(path), mode(plain));
}

#[test]
fn files_that_are_not_there_are_told_by_what_lacks() {
    let folder = folder();
    let read = |path: &Path, reason: &str| {
        let message = TensorFile::read(path).unwrap_err().to_string();
        assert_eq!(message, format!("cannot read the weights {}: {reason}", path.display()));
    };
    read(&folder.path().join("a.safetensors"), "the file does not exist");
    let none = folder.path().join("none");
    let reason = format!("the folder {} does not exist", none.display());
    read(&none.join("a.safetensors"), &reason);
    read(folder.path(), "it is a folder; give the safetensors file in it");
}

fn read_bytes(bytes: &[u8]) -> String {
    TensorFile::from_bytes(bytes, "a.safetensors").unwrap_err().to_string()
}

#[test]
fn a_truncated_file_is_an_error() {
    let bytes = to_bytes(&params(), &metadata(), DType::F32).unwrap();
    assert_eq!(
        read_bytes(&bytes[..bytes.len() - 1]),
        "the weights a.safetensors are not a complete safetensors file: its size and its header \
         disagree; it may be cut short, or have bytes appended"
    );
    assert_eq!(
        read_bytes(&bytes[..20]),
        "the weights a.safetensors are not a complete safetensors file: it ends within its header; \
         it may be cut short"
    );
    assert_eq!(read_bytes(b""), read_bytes(&bytes[..20]));
}

#[test]
fn a_file_with_bytes_appended_is_an_error() {
    let mut bytes = to_bytes(&params(), &metadata(), DType::F32).unwrap();
    bytes.push(0);
    assert!(read_bytes(&bytes).contains("or have bytes appended"));
}

#[test]
fn a_file_of_another_format_is_an_error() {
    // How a zip file, which torch.save writes, begins.
    assert_eq!(
        read_bytes(b"PK\x03\x04\x00\x00\x08\x08 and so on"),
        "the weights a.safetensors are not a complete safetensors file: it does not begin with the \
         length of a header; it may be of another format"
    );
}

#[test]
fn a_tensor_that_is_not_finite_is_an_error_in_every_type() {
    for (dtype, data) in [
        (Dtype::F32, [0f32.to_le_bytes(), f32::INFINITY.to_le_bytes()].concat()),
        (Dtype::F64, [0f64.to_le_bytes(), f64::INFINITY.to_le_bytes()].concat()),
        (Dtype::F16, vec![0, 0, 0x00, 0x7c]),
        (Dtype::BF16, vec![0, 0, 0x80, 0x7f]),
    ] {
        let view = TensorView::new(dtype, vec![2], &data).unwrap();
        let bytes = safetensors::serialize([("x", view)], None).unwrap();
        assert_eq!(
            read_bytes(&bytes),
            "the tensor `x` of a.safetensors holds inf at element 1; all values must be finite"
        );
    }
}

#[test]
fn an_empty_tensor_of_absurd_shape_is_an_error() {
    let header = format!(
        r#"{{"x":{{"dtype":"F32","shape":[0,{0},{0}],"data_offsets":[0,0]}}}}"#,
        u64::MAX / 2
    );
    let bytes = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes()].concat();
    assert!(read_bytes(&bytes).contains("not a complete safetensors file"));
}

#[test]
fn a_header_beyond_the_limit_is_not_parsed() {
    let length = (24u64 << 20) + 1;
    let mut bytes = length.to_le_bytes().to_vec();
    bytes.push(b'{');
    bytes.resize(8 + length as usize, b' ');
    let error = TensorFile::from_bytes(&bytes, "x").unwrap_err().to_string();
    assert_eq!(error, "the header of x has 25165825 bytes, the limit is 25165824");
}

#[test]
fn metadata_of_another_kind_is_an_error_when_asked_for() {
    let metadata = [("taper".to_string(), "[1]".to_string())].into();
    let nothing = Vec::<(&str, TensorView<'_>)>::new();
    let bytes = safetensors::serialize(nothing, Some(metadata)).unwrap();
    let file = TensorFile::from_bytes(&bytes, "a.safetensors").unwrap();
    let message = file.metadata().unwrap_err().to_string();
    assert!(message.starts_with("the metadata `taper` of a.safetensors is not a JSON object"));
    assert_eq!(file.raw_metadata()["taper"], "[1]");
}

proptest! {
    #[test]
    fn cutting_a_file_anywhere_is_an_error(at in any::<prop::sample::Index>()) {
        let bytes = to_bytes(&params(), &metadata(), DType::F32).unwrap();
        prop_assert!(TensorFile::from_bytes(&bytes[..at.index(bytes.len())], "a").is_err());
    }

    #[test]
    fn a_changed_byte_never_panics(at in any::<prop::sample::Index>(), to in any::<u8>()) {
        let mut bytes = to_bytes(&params(), &metadata(), DType::F32).unwrap();
        let at = at.index(bytes.len());
        bytes[at] = to;
        let _ = TensorFile::from_bytes(&bytes, "a");
    }

    #[test]
    fn bytes_of_no_file_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        prop_assert!(TensorFile::from_bytes(&bytes, "a").is_err());
    }
}

#[test]
fn weights_that_could_not_be_read_are_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let mut params = Params::new();
    let var = candle_core::Var::ones(1, DType::F32, &Device::Cpu).unwrap();
    params.insert("x".repeat(25_165_824), var, ParamKind::Trainable);
    let error = save(&path, &params, &BTreeMap::new()).unwrap_err().to_string();
    assert!(error.starts_with("the header of what is to be written has 2516"), "{error}");
    assert!(!path.exists());
}

#[test]
fn metadata_of_more_keys_than_anybody_has_is_an_error() {
    let key = |n: usize| format!("\"{n}\":\"\",");
    let file = |keys: usize| {
        let keys: String = (0..keys).map(key).collect();
        let header = format!("{{\"__metadata__\":{{{}}}}}", keys.trim_end_matches(','));
        [&(header.len() as u64).to_le_bytes(), header.as_bytes()].concat()
    };
    assert!(TensorFile::from_bytes(&file(4096), "x").is_ok());
    let error = TensorFile::from_bytes(&file(4097), "x").unwrap_err().to_string();
    assert_eq!(error, "the metadata of x has 4097 keys, the limit is 4096");
}

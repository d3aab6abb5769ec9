use std::io::Write;

use tempfile::tempdir;

use super::*;

fn golden(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/pth").join(name)
}

fn error(name: &str) -> String {
    TensorFile::read(golden(name)).unwrap_err().to_string()
}

/// Checks the tensors of a file against what PyTorch said of them; all values are exact in each
/// dtype, so they are the same to the bit.
fn check(file: &str, key: &str) {
    let json = std::fs::read(golden("values.json")).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    let expected = json[key].as_object().unwrap();
    let file = TensorFile::read(golden(file)).unwrap();
    for (name, expected) in expected {
        let tensor = file.get(name).unwrap();
        assert_eq!(serde_json::json!(tensor.dims()), expected["shape"], "{name}");
        let values = tensor.flatten_all().unwrap().to_dtype(candle_core::DType::F64).unwrap();
        let values = values.to_vec1::<f64>().unwrap();
        assert_eq!(serde_json::json!(values), expected["values"], "{name}");
    }
    let other = file.names().filter(|name| !expected.contains_key(*name));
    assert!(other.into_iter().all(|name| name.ends_with("num_batches_tracked")));
}

/// A file as torch.save lays it out, with a pickle of one's own.
fn archive(pickle: &[u8], storage: &[u8]) -> Result<TensorFile, String> {
    let folder = tempdir().unwrap();
    let path = folder.path().join("x.pth");
    let mut zip = zip::ZipWriter::new(File::create(&path).unwrap());
    let stored =
        zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, bytes) in [("x/data.pkl", pickle), ("x/data/0", storage)] {
        zip.start_file(name, stored).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap();
    TensorFile::read(&path).map_err(|e| e.to_string())
}

/// The pickle of `{"w": tensor}` with a size, a stride and an offset of one's own (below 256).
fn tensor(storage: &str, size: &[u8], strides: &[u8], offset: u8) -> Vec<u8> {
    let text = |text: &str| {
        let length = u32::try_from(text.len()).unwrap().to_le_bytes();
        [b"X".as_slice(), length.as_slice(), text.as_bytes()].concat()
    };
    let tuple = |numbers: &[u8]| {
        let numbers: Vec<u8> = numbers.iter().flat_map(|&n| [b'K', n]).collect();
        [b"(".as_slice(), &numbers, b"t"].concat()
    };
    [
        b"\x80\x02}".to_vec(),
        text("w"),
        b"ctorch._utils\n_rebuild_tensor_v2\n((".to_vec(),
        text("storage"),
        format!("ctorch\n{storage}\n").into_bytes(),
        text("0"),
        text("cpu"),
        vec![b'K', 6, b't', b'Q', b'K', offset],
        tuple(size),
        tuple(strides),
        b"\x89}tRs.".to_vec(),
    ]
    .concat()
}

#[test]
fn tensors_are_what_pytorch_saved() {
    check("plain.pth", "plain");
    check("module.pth", "module");
}

#[test]
fn a_state_dict_within_a_training_checkpoint_is_found() {
    check("training.pth", "module");
}

#[test]
fn a_tensor_of_whole_numbers_is_kept_by_name_only() {
    let file = TensorFile::read(golden("plain.pth")).unwrap();
    assert!(file.names().any(|name| name == "num_batches_tracked"));
    assert!(file.get("num_batches_tracked").is_none());
}

#[test]
fn a_file_without_tensors_is_an_error_that_says_where_they_were_sought() {
    let line = error("no_tensors.pth");
    assert!(line.ends_with("under `state_dict`, `model_state_dict`, `model`"), "{line}");
    let line = error("list.pth");
    assert!(line.ends_with("it holds no dictionary of tensors; save the model's state_dict()"));
}

#[test]
fn a_whole_module_a_script_and_an_old_file_say_what_to_do() {
    let line = error("whole_module.pth");
    assert!(line.contains("save the model's state_dict()"), "{line}");
    let line = error("script.pth");
    assert!(line.contains("TorchScript program; save its state_dict()"), "{line}");
    let line = error("old.pth");
    assert!(line.contains("before PyTorch 1.6") && line.contains("safetensors"), "{line}");
}

#[test]
fn a_value_that_is_not_finite_is_an_error() {
    let line = error("nan.pth");
    assert!(line.contains("`weight`") && line.contains("NaN at element 1"), "{line}");
}

#[test]
fn a_file_cut_short_anywhere_is_an_error() {
    let bytes = std::fs::read(golden("module.pth")).unwrap();
    let folder = tempdir().unwrap();
    let path = folder.path().join("cut.pth");
    for length in (0..bytes.len()).step_by(41) {
        std::fs::write(&path, &bytes[..length]).unwrap();
        assert!(TensorFile::read(&path).is_err(), "{length} bytes of {}", bytes.len());
    }
}

#[test]
fn a_tensor_beyond_its_storage_is_an_error() {
    let storage: Vec<u8> = (0..6).flat_map(|i| (i as f32).to_le_bytes()).collect();
    let read = |pickle: &[u8]| archive(pickle, &storage);
    let file = read(&tensor("FloatStorage", &[2, 2], &[2, 2], 1)).unwrap();
    let values = file.get("w").unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
    assert_eq!(values, [1.0, 3.0, 3.0, 5.0]);
    for (size, strides, offset) in
        [([2, 3], [3, 1], 1), ([7, 1], [1, 1], 0), ([255, 255], [0, 0], 0), ([1, 1], [1, 1], 6)]
    {
        let line = read(&tensor("FloatStorage", &size, &strides, offset)).unwrap_err();
        assert!(line.contains("`w`") && line.contains("do not fit a storage"), "{line}");
    }
    let line = read(&tensor("FloatStorage", &[2], &[1, 1], 0)).unwrap_err();
    assert!(line.contains("differ in length"), "{line}");
    let line = read(&tensor("ComplexFloatStorage", &[2], &[1], 0)).unwrap_err();
    assert!(line.contains("its type ComplexFloatStorage is not known"), "{line}");
}

#[test]
fn a_pickle_that_calls_something_else_is_a_description_and_no_more() {
    let pickle = b"\x80\x02}X\x01\x00\x00\x00wcos\nsystem\n(X\x04\x00\x00\x00true" as &[u8];
    let line = archive(&[pickle, b"tRs."].concat(), &[]).unwrap_err();
    assert!(line.contains("holds no tensors"), "{line}");
}

#[test]
fn a_pickle_that_would_fill_the_memory_is_an_error() {
    // Each line makes a pair of what there is, and keeps it.
    let doubling = [b"\x80\x02)q\x00".to_vec(), b"h\x00h\x00\x86q\x00".repeat(60), b".".to_vec()];
    let line = archive(&doubling.concat(), &[]).unwrap_err();
    assert!(line.contains("reuses large objects"), "{line}");
    let endless = [b"\x80\x02".to_vec(), b"N".repeat(OPERATIONS_LIMIT + 1), b".".to_vec()];
    let line = archive(&endless.concat(), &[]).unwrap_err();
    assert!(line.contains("too many operations"), "{line}");
    let nested = [b"\x80\x02)".to_vec(), b"\x85".repeat(OPERATIONS_LIMIT / 2), b".".to_vec()];
    let line = archive(&nested.concat(), &[]).unwrap_err();
    assert!(line.contains("no dictionary of tensors"), "{line}");
}

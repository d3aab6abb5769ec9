mod states;

use std::io::Write;

use taper_untrusted::pickle::OPERATIONS_LIMIT;
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

/// A file as torch.save wrote it before PyTorch 1.6, with an object of one's own and storages by name.
fn legacy(object: &[u8], storages: &[(&str, u64, &[u8])]) -> Vec<u8> {
    let names: Vec<u8> = storages.iter().flat_map(|(name, ..)| text(name)).collect();
    let mut file = [
        b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.".to_vec(),
        b"\x80\x02M\xe9\x03.".to_vec(),
        [b"\x80\x02}".to_vec(), text("little_endian"), b"\x88s.".to_vec()].concat(),
        object.to_vec(),
        [b"\x80\x02](".to_vec(), names, b"e.".to_vec()].concat(),
    ]
    .concat();
    for (_, elements, bytes) in storages {
        file.extend(elements.to_le_bytes());
        file.extend(*bytes);
    }
    file
}

fn read_bytes(bytes: &[u8], key: &str) -> Result<TensorFile, String> {
    let folder = tempdir().unwrap();
    let path = folder.path().join("x.pth");
    std::fs::write(&path, bytes).unwrap();
    TensorFile::read_state(&path, key).map_err(|e| e.to_string())
}

fn text(text: &str) -> Vec<u8> {
    let length = u32::try_from(text.len()).unwrap().to_le_bytes();
    [b"X".as_slice(), length.as_slice(), text.as_bytes()].concat()
}

fn dict(items: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let items: Vec<u8> =
        items.iter().flat_map(|(key, value)| [text(key), value.clone()].concat()).collect();
    [b"}(".as_slice(), &items, b"u"].concat()
}

fn pickle(object: &[u8]) -> Vec<u8> {
    [b"\x80\x02".as_slice(), object, b"."].concat()
}

/// A tensor in the storage `name` with a size, a stride and an offset of one's own (below 256), and what
/// follows the number of the storage's elements.
fn view(name: &str, class: &str, size: &[u8], strides: &[u8], offset: u8, part: &[u8]) -> Vec<u8> {
    let tuple = |numbers: &[u8]| {
        let numbers: Vec<u8> = numbers.iter().flat_map(|&n| [b'K', n]).collect();
        [b"(".as_slice(), &numbers, b"t"].concat()
    };
    [
        b"ctorch._utils\n_rebuild_tensor_v2\n((".to_vec(),
        text("storage"),
        format!("ctorch\n{class}\n").into_bytes(),
        text(name),
        text("cpu"),
        b"K\x06".to_vec(),
        part.to_vec(),
        vec![b't', b'Q', b'K', offset],
        tuple(size),
        tuple(strides),
        b"\x89}tR".to_vec(),
    ]
    .concat()
}

/// The pickle of `{"w": tensor}`.
fn tensor(storage: &str, size: &[u8], strides: &[u8], offset: u8) -> Vec<u8> {
    pickle(&dict(&[("w", view("0", storage, size, strides, offset, b""))]))
}

/// A state dict of a single weight, the first of the storage's numbers times `n`.
fn state(n: u8) -> Vec<u8> {
    dict(&[("w", view("0", "FloatStorage", &[1], &[1], n, b""))])
}

fn six() -> Vec<u8> {
    (0..6).flat_map(|i| (i as f32).to_le_bytes()).collect()
}

/// A state dict of a layer, `w` of which is the first of the storage's numbers times `n`.
fn layer(prefix: &str, n: u8) -> Vec<u8> {
    let tensor = |n| view("0", "FloatStorage", &[1], &[1], n, b"");
    let names = ["w", "fc.weight", "fc.bias"].map(|name| format!("{prefix}{name}"));
    dict(&[(&names[0], tensor(n)), (&names[1], tensor(0)), (&names[2], tensor(0))])
}

/// The first value of `w` in the state dict that is taken of `object`, and the notes.
fn taken(object: &[u8], key: &str) -> Result<(f32, String), String> {
    let file = read_bytes(&legacy(&pickle(object), &[("0", 6, &six())]), key)?;
    let values = file.get("w").unwrap().to_vec1::<f32>().unwrap();
    Ok((values[0], file.notes().join("; ")))
}

#[test]
fn tensors_are_what_pytorch_saved() {
    check("plain.pth", "plain");
    check("module.pth", "module");
    check("old.pth", "module");
}

#[test]
fn a_tensor_of_whole_numbers_is_kept_by_name_only() {
    let file = TensorFile::read(golden("plain.pth")).unwrap();
    assert!(file.names().any(|name| name == "num_batches_tracked"));
    assert!(file.get("num_batches_tracked").is_none());
}

#[test]
fn a_file_without_tensors_is_an_error_that_says_what_it_has() {
    let line = error("no_tensors.pth");
    let keys = "none of its dictionaries holds tensors: its keys are `epoch` (a number), `best` (a number)";
    assert!(line.contains(keys), "{line}");
    let line = error("list.pth");
    let what = "it holds a list, no dictionary of tensors; save the model's state_dict()";
    assert!(line.ends_with(what), "{line}");
    let line = read_bytes(&legacy(&pickle(&dict(&[])), &[]), "").unwrap_err();
    assert!(line.ends_with("it holds an empty dictionary"), "{line}");
}

#[test]
fn a_whole_module_and_a_script_say_what_to_do() {
    let line = error("whole_module.pth");
    let what =
        "it holds an object of torch.nn.modules.container.Sequential, no dictionary of tensors";
    assert!(line.contains(what) && line.contains("save the model's state_dict()"), "{line}");
    let line = error("script.pth");
    assert!(line.contains("TorchScript program; save its state_dict()"), "{line}");
}

#[test]
fn a_value_that_is_not_finite_is_an_error() {
    let line = error("nan.pth");
    assert!(line.contains("`weight`") && line.contains("NaN at element 1"), "{line}");
}

#[test]
fn a_file_cut_short_anywhere_is_an_error() {
    for file in ["module.pth", "old.pth"] {
        let bytes = std::fs::read(golden(file)).unwrap();
        for length in (0..bytes.len()).step_by(41) {
            assert!(read_bytes(&bytes[..length], "").is_err(), "{file}: {length}");
        }
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
    // More than the pickle says is not read, so that packed bytes do not fill the memory.
    let line = archive(&tensor("FloatStorage", &[7], &[1], 0), &[0; 400]).unwrap_err();
    assert!(line.contains("do not fit a storage of 6 elements"), "{line}");
    let line = read(&tensor("FloatStorage", &[2], &[1, 1], 0)).unwrap_err();
    assert!(line.contains("differ in length"), "{line}");
}

#[test]
fn a_pickle_that_calls_something_else_is_a_description_and_no_more() {
    let object =
        [dict(&[]), text("w"), b"cos\nsystem\n(X\x04\x00\x00\x00truetRs".to_vec()].concat();
    let line = read_bytes(&legacy(&pickle(&object), &[]), "").unwrap_err();
    assert!(line.contains("`w` (an object of os.system)"), "{line}");
}

#[test]
fn a_pickle_that_would_fill_the_memory_is_an_error() {
    // Each line makes a pair of what there is, and keeps it.
    let doubling = [b"\x80\x02)q\x00".to_vec(), b"h\x00h\x00\x86q\x00".repeat(60), b".".to_vec()];
    let nested = [b"\x80\x02)".to_vec(), b"\x85".repeat(OPERATIONS_LIMIT / 2), b".".to_vec()];
    // A list that holds itself, as what a tensor is wrapped in.
    let wrapped = b"ctorch._utils\n_rebuild_parameter\n](q\x00Rq\x01h\x00h\x01ah\x01.";
    for pickle in [doubling.concat(), nested.concat(), [b"\x80\x02".as_slice(), wrapped].concat()] {
        assert!(archive(&pickle, &[]).is_err());
    }
    let endless = [b"\x80\x02".to_vec(), b"N".repeat(OPERATIONS_LIMIT + 1), b".".to_vec()];
    let line = archive(&endless.concat(), &[]).unwrap_err();
    assert!(line.contains("too many operations"), "{line}");
    let long = archive(b"\x80\x02X\xff\xff\xff\xffabc.", &[]).unwrap_err();
    assert!(long.contains("ends too soon"), "{long}");
}

#[test]
fn an_old_file_has_views_parts_and_storages_of_all_types() {
    // Python 2 wrote names as bytes.
    let name = |name: &str| [&[b'U', name.len() as u8], name.as_bytes()].concat();
    let part = [b"(".to_vec(), text("part"), b"K\x02K\x04t".to_vec()].concat();
    let object = [
        b"ccollections\nOrderedDict\n]RK\x010(".to_vec(),
        [name("view"), view("f", "FloatStorage", &[2, 2], &[1, 2], 1, b"N")].concat(),
        [name("part"), view("f", "FloatStorage", &[2], &[1], 1, &part)].concat(),
        [name("half"), view("h", "HalfStorage", &[6], &[1], 0, b"N")].concat(),
        [name("steps"), view("l", "LongStorage", &[6], &[1], 0, b"N")].concat(),
        [name("complex"), view("c", "ComplexFloatStorage", &[6], &[1], 0, b"N")].concat(),
        b"u".to_vec(),
    ]
    .concat();
    let half: Vec<u8> =
        [1.0f32; 6].iter().flat_map(|x| half::f16::from_f32(*x).to_le_bytes()).collect();
    let storages: [(&str, u64, &[u8]); 4] =
        [("c", 6, &[0; 48]), ("f", 6, &six()), ("h", 6, &half), ("l", 6, &[0; 48])];
    let bytes = legacy(&pickle(&object), &storages);
    let file = read_bytes(&bytes, "").unwrap();
    let values = |name: &str| {
        let tensor = file.get(name).unwrap().flatten_all().unwrap();
        tensor.to_dtype(candle_core::DType::F32).unwrap().to_vec1::<f32>().unwrap()
    };
    assert_eq!(values("view"), [1.0, 3.0, 2.0, 4.0]);
    assert_eq!(values("part"), [3.0, 4.0]);
    assert_eq!(values("half"), [1.0; 6]);
    assert!(file.names().eq(["complex", "half", "part", "steps", "view"]));
    assert!(file.get("steps").is_none() && file.get("complex").is_none());

    let line = read_bytes(&bytes[..bytes.len() - 1], "").unwrap_err();
    assert!(line.contains("ends within the storage `l`; it may be cut short"), "{line}");
    let big_endian = bytes.iter().position(|&byte| byte == 0x88).unwrap();
    let mut other = bytes.clone();
    other[big_endian] = 0x89;
    assert!(read_bytes(&other, "").unwrap_err().contains("not little-endian"));
    let line = read_bytes(&legacy(&pickle(&object), &[("f", 5, &six())]), "").unwrap_err();
    assert!(line.contains("`f` has 5 elements where 6 are described"), "{line}");
    let line = read_bytes(&legacy(&pickle(&object), &storages[..3]), "").unwrap();
    assert!(line.get("half").is_some());
    let line = read_bytes(&legacy(&pickle(&object), &storages[..2]), "").unwrap_err();
    assert!(line.contains("it has no storage `h`"), "{line}");
    let line = read_bytes(&pickle(b"]"), "").unwrap_err();
    assert!(line.contains("it is a pickle of a list, expected what torch.save writes"), "{line}");
}

#[test]
fn names_that_are_used_again_and_again_do_not_fill_the_memory() {
    let long = text(&"a".repeat(1 << 20));
    let bomb = |each: &[u8], times: usize| {
        let object = [long.as_slice(), b"q\x00", b"0}(", &each.repeat(times), b"u"].concat();
        read_bytes(&legacy(&pickle(&object), &[]), "").map(|_| ())
    };
    // As a key, as the name of a class, and as both with a tensor kept under 1.
    assert!(bomb(b"h\x00}", 200_000).is_err());
    assert!(bomb(b"h\x00h\x00h\x00\x93", 100_000).unwrap_err().contains("longer than 256"));
    let tensor = view("0", "FloatStorage", &[1], &[1], 0, b"");
    let object = [
        tensor.as_slice(),
        b"q\x01",
        &long,
        b"q\x00",
        b"}(",
        &text("w"),
        b"h\x01",
        &b"h\x00h\x01".repeat(200_000),
        b"u",
    ];
    let line = taken(&object.concat(), "").unwrap_err();
    assert!(line.contains("a name of 1048576 bytes is too long, 4096 at most"), "{line}");
    // One tensor under one name many times.
    let object = [tensor.as_slice(), b"q\x01", &text("w"), b"q\x00", b"}("];
    let object = [&object.concat(), &b"h\x00h\x01".repeat(200_000), b"u".as_slice()].concat();
    assert!(taken(&object, "").unwrap_err().contains("two tensors `w`"));
    // Names of storages.
    let names = [b"\x80\x02](".to_vec(), long, b"q\x00".to_vec(), b"h\x00".repeat(200_000)];
    let names = [names.concat(), b"e.".to_vec()].concat();
    let file = legacy(&pickle(&state(1)), &[]);
    let start = &file[..file.len() - b"\x80\x02](e.".len()];
    assert!(read_bytes(&[start, names.as_slice()].concat(), "").is_err());
    // A pair of lists, shared by many dictionaries.
    let pairs =
        [b"](".to_vec(), text("w"), b"N\x86q\x01".to_vec(), b"h\x01".repeat(1 << 16)].concat();
    let shared = [pairs, b"e\x85q\x020}(".to_vec()].concat();
    let many: Vec<u8> = (0..128)
        .flat_map(|n| {
            [text(&n.to_string()), b"ccollections\nOrderedDict\nh\x02R".to_vec()].concat()
        })
        .collect();
    let object = pickle(&[shared, many, b"u".to_vec()].concat());
    let line = read_bytes(&legacy(&object, &[]), "").unwrap_err();
    assert!(line.contains("share too many items"), "{line}");
}

#[test]
fn a_tensor_of_too_many_dimensions_is_an_error() {
    let ones = vec![1; 200];
    let line = archive(&tensor("FloatStorage", &ones, &ones, 0), &six()).unwrap_err();
    assert!(line.contains("`w` cannot be read: it has 200 dimensions, 8 at most"), "{line}");
}

#[test]
fn a_storage_that_is_compressed_is_refused() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("x.pth");
    let mut zip = zip::ZipWriter::new(File::create(&path).unwrap());
    let stored =
        zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    let pickle = tensor("FloatStorage", &[6], &[1], 0);
    for (name, bytes) in [("x/data.pkl", pickle), ("x/data/0", six())] {
        zip.start_file(name, stored).unwrap();
        zip.write_all(&bytes).unwrap();
    }
    zip.finish().unwrap();
    // The last entry of the directory says that unpacked it has another size.
    let mut bytes = std::fs::read(&path).unwrap();
    let entry = bytes.windows(4).rposition(|bytes| bytes == b"PK\x01\x02").unwrap();
    bytes[entry + 24..entry + 28].copy_from_slice(&(1u32 << 30).to_le_bytes());
    std::fs::write(&path, bytes).unwrap();
    let line = TensorFile::read(&path).unwrap_err().to_string();
    assert!(line.contains("x/data/0 is compressed, which torch.save does not do"), "{line}");
}

#[test]
fn tensors_whose_numbers_are_not_read_are_told_by_what_they_are() {
    for (function, what) in [
        ("_rebuild_qtensor", "a quantized tensor"),
        ("_rebuild_sparse_tensor", "a sparse tensor"),
        ("_rebuild_tensor_v3", "a tensor of a new type"),
        ("_rebuild_device_tensor_from_numpy", "a tensor of another device, kept as a NumPy array"),
    ] {
        let other = format!("ctorch._utils\n{function}\n)R").into_bytes();
        let object = pickle(&dict(&[("w", other.clone())]));
        let line = read_bytes(&legacy(&object, &[]), "").unwrap_err();
        assert!(line.contains(&format!("`w` ({what}, which is not read)")), "{line}");
        let object = dict(&[("w", view("0", "FloatStorage", &[1], &[1], 1, b"")), ("q", other)]);
        let file = read_bytes(&legacy(&pickle(&object), &[("0", 6, &six())]), "").unwrap();
        assert!(matches!(&file.tensors["q"], FileTensor::Other { dtype, .. } if dtype == what));
    }
}

#[test]
fn an_old_file_s_storage_of_an_unknown_type_harms_only_what_follows_it() {
    let object = dict(&[
        ("net", dict(&[("w", view("a", "FloatStorage", &[1], &[1], 1, b"N"))])),
        ("optimizer", dict(&[("x", view("b", "NewStorage", &[1], &[1], 1, b"N"))])),
    ]);
    let six = six();
    let file = |names: [&str; 2]| {
        let bytes = legacy(&pickle(&object), &names.map(|name| (name, 6, six.as_slice())));
        read_bytes(&bytes, "")
    };
    assert_eq!(file(["a", "b"]).unwrap().get("w").unwrap().to_vec1::<f32>().unwrap(), [1.0]);
    let line = file(["b", "a"]).unwrap_err();
    assert!(line.contains("no storage `a`, or one of an unknown type before it"), "{line}");
    // One storage, described twice.
    let object = dict(&[
        ("w", view("a", "FloatStorage", &[1], &[1], 1, b"N")),
        ("v", view("a", "HalfStorage", &[1], &[1], 1, b"N")),
    ]);
    let line = read_bytes(&legacy(&pickle(&object), &[("a", 6, &six)]), "").unwrap_err();
    assert!(line.contains("describes the storage `a` twice"), "{line}");
}

#[test]
fn an_empty_tensor_of_endless_dimensions_is_an_error() {
    let tuple = |size: &[u8]| [b"(".as_slice(), size, b"t"].concat();
    let huge = b"\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f".repeat(2);
    let plain = view("0", "FloatStorage", &[9, 9, 9], &[8, 8, 8], 0, b"");
    let (from, to) = (tuple(b"K\x09K\x09K\x09"), tuple(&[b"K\x00".to_vec(), huge].concat()));
    let at = plain.windows(from.len()).position(|part| part == from).unwrap();
    let object = [&plain[..at], &to, &plain[at + from.len()..]].concat();
    let line = taken(&dict(&[("w", object)]), "").unwrap_err();
    assert!(line.contains("`w` cannot be read: its size [0, 9223372036854775807"), "{line}");
}

#[test]
fn what_stands_beside_tensors_does_no_harm() {
    let state = state(3);
    // A class that is a dictionary, with items and attributes; a named tuple, a set, a NumPy number.
    let config = [b"cyacs.config\nCfgNode\n)\x81}(".to_vec(), text("a"), b"K\x01ub".to_vec()];
    let config = [config.concat(), text("b"), b"K\x02s".to_vec()].concat();
    let number = b"cnumpy.core.multiarray\nscalar\n(cnumpy\ndtype\n(X\x02\x00\x00\x00f8\x89\x88tRN\
        c_codecs\nencode\n(X\x01\x00\x00\x00 X\x06\x00\x00\x00latin1tRtR";
    let object = dict(&[
        ("args", b"cargparse\nNamespace\n)\x81}X\x02\x00\x00\x00lrK\x01sb".to_vec()),
        ("cfg", config),
        ("accuracy", number.to_vec()),
        ("classes", b"c__builtin__\nset\n](K\x01K\x02e\x85R".to_vec()),
        ("size", b"ctorch\nSize\n(K\x02t\x85R".to_vec()),
        ("net", state.clone()),
    ]);
    assert_eq!(taken(&object, "").unwrap().0, 3.0);
    // Protocol 4: frames, short names, memoized.
    let object = [
        b"\x80\x04\x95\x00\x00\x00\x00\x00\x00\x00\x00}\x94\x8c\x03net\x94".to_vec(),
        state,
        b"s.".to_vec(),
    ];
    let file = read_bytes(&legacy(&object.concat(), &[("0", 6, &six())]), "").unwrap();
    assert_eq!(file.get("w").unwrap().to_vec1::<f32>().unwrap(), [3.0]);
}

#[test]
fn a_file_of_another_format_is_told_by_its_name() {
    let mut tar = vec![0u8; 600];
    tar[257..262].copy_from_slice(b"ustar");
    for (bytes, what) in [
        (&b"\x1f\x8b\x08 and so on"[..], "it is compressed by gzip"),
        (b"version https://git-lfs.github.com/spec/v1", "it is a pointer of Git LFS"),
        (b"<!DOCTYPE html><html>", "it is a web page"),
        (b"\x93NUMPY\x01", "it is a NumPy array"),
        (&tar, "it is a tar archive: what PyTorch wrote before 0.1.10"),
    ] {
        let line = read_bytes(bytes, "").unwrap_err();
        assert!(line.contains(what) && line.contains("x.pth cannot be read"), "{line}");
    }
}

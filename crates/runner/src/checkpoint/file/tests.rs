use proptest::prelude::*;
use taper_run_folder::Scores;

use super::*;
use crate::checkpoint::Identity;
use crate::position::Position;
use crate::recipe::Recipe;

fn checkpoint() -> Checkpoint {
    let tensor = |values: &[f32]| Tensor::new(values, &Device::Cpu).unwrap();
    let scores = Scores {
        n: 10,
        loss: 0.1 + 0.2,
        accuracy: 0.7,
        macro_precision: 1.0 / 3.0,
        macro_recall: 0.5,
        macro_f1: 0.25,
        own: Default::default(),
    };
    Checkpoint {
        header: Header {
            format: FORMAT,
            identity: Identity {
                data: "10 images".to_string(),
                version: "0.1.0".to_string(),
                machine: "one".to_string(),
            },
            recipe: Recipe::default(),
            position: Position { step: 3, rate_scale: 0.1 * 0.1, ..Position::start() },
            listeners: BTreeMap::from([("limit".to_string(), toml::Value::Float(1e-300 / 3.0))]),
            before: scores,
            epochs: Vec::new(),
            best: None,
        },
        params: Tensors::from([
            ("a:b".to_string(), tensor(&[1.0, -0.0, f32::MIN_POSITIVE / 2.0])),
            ("c".to_string(), tensor(&[])),
        ]),
        optimizer: Tensors::from([
            ("step".to_string(), Tensor::new(3i64, &Device::Cpu).unwrap()),
            ("c/sum".to_string(), Tensor::new(&[[0.1f64]], &Device::Cpu).unwrap()),
        ]),
        average: Tensors::new(),
        best: Tensors::from([("c".to_string(), tensor(&[2.5]))]),
    }
}

#[test]
fn a_checkpoint_survives_being_written_bit_by_bit() {
    let before = checkpoint();
    let bytes = before.to_bytes().unwrap();
    assert_eq!(bytes, before.to_bytes().unwrap());
    let after = Checkpoint::from_bytes(&bytes).unwrap();
    assert_eq!(after.header, before.header);
    for (before, after) in before.groups().into_iter().zip(after.groups()) {
        assert!(before.keys().eq(after.keys()));
        for (name, tensor) in before {
            assert_eq!(tensor.dims(), after[name].dims(), "{name}");
            assert_eq!(bytes_of(tensor).unwrap(), bytes_of(&after[name]).unwrap(), "{name}");
        }
    }
}

#[test]
fn it_is_a_safetensors_file() {
    let bytes = checkpoint().to_bytes().unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(file.tensor("params:a:b").unwrap().shape(), [3]);
}

#[test]
fn another_format_is_an_error_that_says_so() {
    let mut checkpoint = checkpoint();
    checkpoint.header.format = 7;
    let error = Checkpoint::from_bytes(&checkpoint.to_bytes().unwrap()).unwrap_err().to_string();
    assert_eq!(error, "its format is 7, expected 1; use the version of Taper that wrote it");
}

#[test]
fn a_file_with_a_right_checksum_that_is_no_checkpoint_is_an_error() {
    for content in [&b""[..], b"{}", &[255; 100]] {
        let mut bytes = content.to_vec();
        bytes.extend(Sha256::digest(content));
        let error = Checkpoint::from_bytes(&bytes).unwrap_err().to_string();
        assert!(error.starts_with("it is no checkpoint: "), "{error}");
    }
}

#[test]
fn an_empty_tensor_of_endless_dimensions_is_an_error() {
    let bytes = checkpoint().to_bytes().unwrap();
    let (length, data) = (u64::from_le_bytes(*bytes.first_chunk().unwrap()) as usize, bytes.len());
    let header = std::str::from_utf8(&bytes[8..8 + length]).unwrap().trim_end();
    let tensor = "\"params:z\":{\"dtype\":\"F32\",\"shape\":[0,4294967296,4294967296],\"data_offsets\":[0,0]}";
    let header = format!("{},{tensor}}}", header.strip_suffix('}').unwrap());
    let values = &bytes[8 + length..data - CHECKSUM_BYTES];
    let mut bytes = [&(header.len() as u64).to_le_bytes(), header.as_bytes(), values].concat();
    let checksum = Sha256::digest(&bytes);
    bytes.extend(checksum);
    let error = Checkpoint::from_bytes(&bytes).unwrap_err().to_string();
    let expected = "it is no checkpoint: the shape [0, 4294967296, 4294967296] is too large";
    assert_eq!(error, expected);
}

#[test]
fn a_checkpoint_that_could_not_be_read_is_not_written() {
    let mut large = checkpoint();
    let tensor = Tensor::new(1f32, &Device::Cpu).unwrap();
    large.params.insert("x".repeat(HEADER as usize), tensor);
    let error = large.to_bytes().unwrap_err().to_string();
    assert!(error.ends_with("bytes, the limit is 25165824"), "{error}");
}

#[test]
fn every_flipped_bit_is_found() {
    let bytes = checkpoint().to_bytes().unwrap();
    for place in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[place] ^= 1 << (place % 8);
        let error = Checkpoint::from_bytes(&changed).unwrap_err();
        assert!(matches!(error, CheckpointError::Checksum), "{place}: {error}");
    }
}

proptest! {
    #[test]
    fn a_cut_file_is_an_error(share in 0.0..1.0f64) {
        let bytes = checkpoint().to_bytes().unwrap();
        let cut = &bytes[..(share * bytes.len() as f64) as usize];
        prop_assert!(Checkpoint::from_bytes(cut).is_err());
    }

    #[test]
    fn bytes_of_any_kind_are_an_error(bytes: Vec<u8>) {
        prop_assert!(Checkpoint::from_bytes(&bytes).is_err());
    }

    #[test]
    fn changed_bytes_under_a_right_checksum_never_panic(place: usize, value: u8) {
        let mut bytes = checkpoint().to_bytes().unwrap();
        let covered = bytes.len() - CHECKSUM_BYTES;
        bytes[place % covered] = value;
        let checksum = Sha256::digest(&bytes[..covered]);
        bytes[covered..].copy_from_slice(&checksum);
        let _ = Checkpoint::from_bytes(&bytes);
    }
}

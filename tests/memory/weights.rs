//! Readers of weights and of what stands beside them.

use std::path::Path;

use taper_model::weights::{TensorFile, read_adapter};
use taper_pretrained::read_config;

use crate::{Reader, filled, numbered, reads};

pub const READERS: &[Reader] = &[("config", config), ("adapter", adapter), ("weights", weights)];

fn config(path: &Path) -> Result<(), String> {
    read_config(path.parent().unwrap()).map(drop).map_err(|error| error.to_string())
}

fn adapter(path: &Path) -> Result<(), String> {
    read_adapter(path.parent().unwrap()).map(drop).map_err(|error| error.to_string())
}

fn weights(path: &Path) -> Result<(), String> {
    let file = TensorFile::read(path).map_err(|error| error.to_string())?;
    file.metadata().map(drop).map_err(|error| error.to_string())
}

/// Texts of which a tree of values is many times as large, each about as large as it may be, and larger.
fn trees() -> Vec<(&'static str, String)> {
    let list = |item: &str, mib: usize| format!("[{}0]", filled(item, mib));
    vec![
        ("maps", list("{\"\":0},", 63)),
        ("fewer maps", list("{\"\":0},", 6)),
        ("maps in maps", list(&format!("{}0{},", "{\"\":".repeat(100), "}".repeat(100)), 4)),
        ("lists", list("[0],", 13)),
        ("numbers", list("0,", 18)),
        ("texts", list("\"a\",", 24)),
        ("keys", format!("{{{}\"\":0}}", numbered("\"#\":0,", 40))),
        ("a text", format!("\"{}\"", "a".repeat(60 << 20))),
    ]
}

#[test]
fn configurations_that_stand_for_large_trees() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.json");
    for (what, tree) in trees() {
        let text = format!("{{\"architecture\":\"lenet5\",\"num_classes\":10,\"more\":{tree}}}");
        reads("config", what, &config, text.into_bytes());
    }
    // What is kept of it: names, once with a map for each.
    let names = format!("[{}\"\"]", filled("\"\",", 18));
    let ids = format!("{{{}}}", numbered("\"#\":\"\",", 20).trim_end_matches(','));
    for text in [
        format!("{{\"architecture\":\"lenet5\",\"label_names\":{names}}}"),
        format!("{{\"model_type\":\"vit\",\"id2label\":{ids}}}"),
    ] {
        reads("config", "names", &config, text.into_bytes());
    }
    let preprocessor = folder.path().join("preprocessor_config.json");
    std::fs::write(&preprocessor, format!("{{\"size\":[{}0]}}", filled("{\"\":0},", 1))).unwrap();
    let text = r#"{"model_type": "vit"}"#;
    assert!(reads("config", "preprocessor", &config, text.into()).is_some());
}

#[test]
fn adapters_that_stand_for_large_trees() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("adapter_config.json");
    for (what, tree) in trees() {
        let text = format!(
            "{{\"peft_type\":\"LORA\",\"r\":1,\"lora_alpha\":1,\"target_modules\":[\"a\"],\"more\":{tree}}}"
        );
        assert!(reads("adapter", what, &config, text.into_bytes()).is_some());
    }
}

/// A safetensors file with such a header, and no bytes of tensors.
fn safetensors(header: &str) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes(), header.as_bytes()].concat()
}

#[test]
fn safetensors_files_with_large_headers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let tensor = "\"#\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]},";
    let header = numbered(tensor, 23);
    let header = format!("{{{}}}", header.trim_end_matches(','));
    reads("weights", "tensors", &path, safetensors(&header));
    let floats = numbered(&tensor.replace("U8", "F32"), 23);
    let header = format!("{{{}}}", floats.trim_end_matches(','));
    reads("weights", "floats", &path, safetensors(&header));
    let keys = numbered("\"#\":\"\",", 23);
    let header = format!("{{\"__metadata__\":{{{}}}}}", keys.trim_end_matches(','));
    reads("weights", "metadata", &path, safetensors(&header));
    for (what, tree) in trees() {
        // As JSON within JSON it is longer.
        let text = serde_json::to_string(&format!("{{\"a\":{tree}}}")).unwrap();
        if text.len() < 23 << 20 {
            let header = format!("{{\"__metadata__\":{{\"taper\":{text}}}}}");
            reads("weights", &format!("metadata of {what}"), &path, safetensors(&header));
        }
    }
}

#[test]
fn indexes_of_many_tensors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors.index.json");
    for mib in [20, 40, 63] {
        let map = numbered("\"#\":\"a\",", mib);
        let text = format!("{{\"weight_map\":{{{}}}}}", map.trim_end_matches(','));
        assert!(reads("weights", "index", &path, text.into_bytes()).is_some());
    }
    let text = format!("{{\"more\":{},\"weight_map\":{{}}}}", trees()[0].1);
    assert!(reads("weights", "index, more", &path, text.into_bytes()).is_some());
}

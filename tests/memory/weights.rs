//! Readers of weights and of what stands beside them.

use std::path::Path;

use taper_model::weights::{TensorFile, read_adapter};
use taper_pretrained::read_config;

use crate::{LIMIT, Reader, filled, numbered, numbered_within, reads};

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

/// Texts of which a tree of values is many times as large, each about as large as it may be; the first is larger.
fn trees() -> Vec<(&'static str, String)> {
    let list = |item: &str, mib: usize| format!("[{}0]", filled(item, mib));
    vec![
        ("maps", list("{\"\":0},", 63)),
        ("fewer maps", list("{\"\":0},", 6)),
        ("maps in maps", list(&format!("{}0{},", "{\"\":".repeat(100), "}".repeat(100)), 4)),
        ("lists", list("[0],", 8)),
        ("numbers", list("0,", 18)),
        ("texts", list("\"a\",", 24)),
        ("keys", format!("{{{}\"\":0}}", numbered("\"#\":0,", 40))),
        ("a text", format!("\"{}\"", "a".repeat(60 << 20))),
    ]
}

/// Where a reader ends with such a text, which ends there otherwise.
fn end<'a>(what: &str, otherwise: &'a str) -> &'a str {
    if what == "maps" { LIMIT } else { otherwise }
}

#[test]
fn configurations_that_stand_for_large_trees() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.json");
    for (what, tree) in trees() {
        let text = format!("{{\"architecture\":\"lenet5\",\"num_classes\":10,\"more\":{tree}}}");
        reads("config", what, &config, text.into_bytes(), end(what, ""));
    }
    // What is kept of it: names, once with a map for each.
    let names = format!("[{}\"\"]", filled("\"\",", 18));
    let ids = format!("{{{}}}", numbered("\"#\":\"\",", 20).trim_end_matches(','));
    for (text, end) in [
        (format!("{{\"architecture\":\"lenet5\",\"label_names\":{names}}}"), ""),
        (
            format!("{{\"model_type\":\"vit\",\"id2label\":{ids}}}"),
            "the ids of its classes have gaps",
        ),
    ] {
        reads("config", "names", &config, text.into_bytes(), end);
    }
    let preprocessor = folder.path().join("preprocessor_config.json");
    let maps = "{\"\":0},".repeat(149_000);
    std::fs::write(&preprocessor, format!("{{\"size\":[{maps}0]}}")).unwrap();
    let text = r#"{"model_type": "vit"}"#;
    reads("config", "preprocessor", &config, text.into(), "preprocessor_config.json: ");
}

#[test]
fn adapters_that_stand_for_large_trees() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("adapter_config.json");
    for (what, tree) in trees() {
        let text = format!(
            "{{\"peft_type\":\"LORA\",\"r\":1,\"lora_alpha\":1,\"target_modules\":[\"a\"],\"more\":{tree}}}"
        );
        let there = "adapter_model.safetensors: the file does not exist";
        reads("adapter", what, &config, text.into_bytes(), end(what, there));
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
    reads("weights", "tensors", &path, safetensors(&header), "");
    let floats = numbered(&tensor.replace("U8", "F32"), 23);
    let header = format!("{{{}}}", floats.trim_end_matches(','));
    reads("weights", "floats", &path, safetensors(&header), "");
    let keys = numbered("\"#\":\"\",", 23);
    let header = format!("{{\"__metadata__\":{{{}}}}}", keys.trim_end_matches(','));
    let end = "keys, the limit is 4096";
    reads("weights", "metadata", &path, safetensors(&header), end);
    let maps = trees().swap_remove(1).1;
    let maps = serde_json::to_string(&format!("{{\"a\":{maps}}}")).unwrap();
    let keys = numbered("\"#\":\"\",", 13);
    let header = format!("{{\"__metadata__\":{{{keys}\"taper\":{maps}}}}}");
    reads("weights", "metadata of keys and of maps", &path, safetensors(&header), end);
    let tensors = numbered(tensor, 13);
    let tensors = tensors.trim_end_matches(',');
    let header = format!("{{\"__metadata__\":{{\"taper\":{maps}}},{tensors}}}");
    reads("weights", "tensors and metadata of maps", &path, safetensors(&header), "");
    for (what, tree) in trees() {
        // As JSON within JSON it is longer.
        let text = serde_json::to_string(&format!("{{\"a\":{tree}}}")).unwrap();
        if text.len() < 23 << 20 {
            let header = format!("{{\"__metadata__\":{{\"taper\":{text}}}}}");
            reads("weights", &format!("metadata of {what}"), &path, safetensors(&header), "");
        }
    }
}

#[test]
fn indexes_of_many_tensors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors.index.json");
    let there = "/a: the file does not exist";
    for (mib, end) in [(20, there), (40, there), (63, LIMIT)] {
        let map = numbered("\"#\":\"a\",", mib);
        let text = format!("{{\"weight_map\":{{{}}}}}", map.trim_end_matches(','));
        reads("weights", "index", &path, text.into_bytes(), end);
    }
    let end = "its files have 280000 tensors, the limit is 262144";
    for (what, count, end) in [("shards", 110_000, ""), ("more shards", 140_000, end)] {
        for shard in ["a", "b"] {
            let tensor =
                format!("\"{shard}#\":{{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}},");
            let tensors = numbered_within(&tensor, count * (tensor.len() + 6));
            let header = format!("{{{}}}", tensors.trim_end_matches(','));
            std::fs::write(folder.path().join(shard), safetensors(&header)).unwrap();
        }
        let text = "{\"weight_map\":{\"a1000000\":\"a\",\"b1000000\":\"b\"}}";
        reads("weights", what, &path, text.into(), end);
    }
    let text = format!("{{\"more\":{},\"weight_map\":{{}}}}", trees()[0].1);
    reads("weights", "index, more", &path, text.into_bytes(), LIMIT);
}

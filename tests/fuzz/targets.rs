//! What is fuzzed, by its name: `tests/fuzz/main.rs` walks the corpora with it, `fuzz/` looks for more.
//!
//! Each takes any bytes, says whether they were read, and panics where a reader does what it must not.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use taper_dataset::ImageLimits;
use taper_dataset::idx::Idx;
use taper_dataset::source::parquet::count_rows;
use taper_dataset::source::{count_pickled, decode_image, parse_list};
use taper_hub::{HubDataset, HubId, parse_answer, weights_file};
use taper_model::pattern::{matches, rename};
use taper_model::weights::{Join, KeyMap, TensorFile, read_adapter, to_bytes};
use taper_pretrained::read_config;
use taper_run_folder::{FolderLock, Mistake, Results, read_history};
use taper_runner::checkpoint::Checkpoint;
use taper_runner::{Recipe, settings_of, table_of_text};
use taper_untrusted::pickle::unpickle;

/// Whether bytes were read.
pub type Target = fn(&[u8]) -> bool;

/// The targets, by the names of their corpora.
pub const TARGETS: &[(&str, Target)] = &[
    ("adapter", adapter),
    ("checkpoint", checkpoint),
    ("cifar", cifar),
    ("config", config),
    ("history", history),
    ("hub_answer", parse_answer),
    ("hub_names", hub_names),
    ("idx", idx),
    ("image", image),
    ("index", index),
    ("key_map", key_map),
    ("list", list),
    ("parquet", parquet),
    ("pickle", pickle),
    ("pytorch", pytorch),
    ("recipe", recipe),
    ("results", results),
    ("safetensors", safetensors),
];

thread_local! {
    static FOLDER: OnceCell<tempfile::TempDir> = const { OnceCell::new() };
}

/// A file with these bytes, in the one folder of this thread.
fn file(name: &str, bytes: &[u8]) -> PathBuf {
    FOLDER.with(|folder| {
        let folder = folder.get_or_init(|| tempfile::tempdir().unwrap());
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    })
}

/// Two files in one: what is before the first zero, and what is behind it.
fn halves(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    (&bytes[..end], bytes.get(end + 1..).unwrap_or_default())
}

/// Tensors of an adapter of rank 1 beside `fc`.
fn adapter_tensors() -> Vec<u8> {
    let prefix = "base_model.model.fc";
    let header = format!(
        "{{\"__metadata__\":{{\"taper\":\"{{\\\"lora_alpha\\\":16}}\"}},\
         \"{prefix}.lora_A.weight\":{{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[0,8]}},\
         \"{prefix}.lora_B.weight\":{{\"dtype\":\"F32\",\"shape\":[2,1],\"data_offsets\":[8,16]}}}}"
    );
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &[0; 16]].concat()
}

/// A description of an adapter; behind a zero its tensors.
fn adapter(bytes: &[u8]) -> bool {
    let (config, tensors) = halves(bytes);
    let path = file("adapter/adapter_config.json", config);
    let tensors = if tensors.is_empty() { adapter_tensors() } else { tensors.to_vec() };
    file("adapter/adapter_model.safetensors", &tensors);
    let folder = path.parent().unwrap();
    let Ok((config, tensors)) = read_adapter(folder) else { return false };
    let lora = config.lora(folder).unwrap();
    assert!(lora.rank > 0 && lora.scale().is_finite());
    tensors.names().all(|name| tensors.get(name).is_some())
}

/// A checkpoint, but for its checksum.
fn checkpoint(bytes: &[u8]) -> bool {
    let bytes = [bytes, Sha256::digest(bytes).as_slice()].concat();
    let Ok(checkpoint) = Checkpoint::from_bytes(&bytes) else { return false };
    // With what was left to defaults it may be too long.
    let Ok(written) = checkpoint.to_bytes() else { return true };
    assert!(Checkpoint::from_bytes(&written).is_ok());
    true
}

/// A `config.json`, timm's or transformers'; behind a zero the `preprocessor_config.json`. What is read of it can be
/// written, and that read again.
fn config(bytes: &[u8]) -> bool {
    let (config, preprocessor) = halves(bytes);
    let path = file("config/config.json", config);
    file("config/preprocessor_config.json", preprocessor);
    let folder = path.parent().unwrap();
    let Ok(Some(metadata)) = read_config(folder) else { return false };
    let names = metadata.class_names();
    assert!(names.len() <= 1 << 20);
    if names.len() > 1000 {
        // Right, and slow.
        return true;
    }
    let Some(info) = taper_model::nets::find(&metadata.net) else { return true };
    let Ok(model) = metadata.model_config(info, &path) else { return false };
    let written = serde_json::to_vec_pretty(&model.to_value()).unwrap();
    let path = file("written/config.json", &written);
    let again = read_config(path.parent().unwrap()).unwrap().unwrap();
    assert_eq!((again.num_classes, again.class_names()), (Some(names.len()), names));
    true
}

fn cifar(bytes: &[u8]) -> bool {
    count_pickled(bytes).is_ok()
}

/// Rows within the limit, or none.
fn parquet(bytes: &[u8]) -> bool {
    count_rows(bytes, 1 << 20).is_some()
}

fn history(bytes: &[u8]) -> bool {
    let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count();
    let history = read_history(&file("history.jsonl", bytes)).unwrap();
    assert!(history.every > 1 || history.events.len() + history.broken_lines == lines);
    history.broken_lines == 0
}

/// A text is the name of a repository, which it is written as again, or an error; lines are the names of its files,
/// of which one is the weights or none can be.
fn hub_names(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let id = HubId::parse(text).ok();
    if let Some(id) = &id {
        let again = id.to_string();
        assert_eq!(HubId::parse(again.strip_prefix("hub:").unwrap_or_default()).as_ref(), Ok(id));
    }
    id.is_some() | HubDataset::parse(text).is_ok() | weights_file(text.lines()).is_ok()
}

/// IDX bytes, plain or packed, are an array within the limit or an error.
fn idx(bytes: &[u8]) -> bool {
    let Ok(idx) = Idx::parse_within(bytes, 1 << 20) else { return false };
    assert!(idx.elements.len() * idx.elements.element_type().size() <= 1 << 20);
    // What was read can be written and read again. Not compared as values: a NaN is not equal to itself.
    let again = idx.to_bytes().expect("what was parsed has a shape that fits");
    assert_eq!(Idx::parse(&again).expect("it was just written").to_bytes(), Ok(again));
    true
}

/// Bytes are an image within the limit or an error, whatever their header claims.
fn image(bytes: &[u8]) -> bool {
    let limits = ImageLimits { pixels: 1 << 16, ..ImageLimits::default() };
    let Ok(image) = decode_image(bytes, "x", &limits) else { return false };
    assert!(image.height * image.width <= 1 << 16);
    assert_eq!(image.pixels.len(), image.height * image.width * image.channels);
    true
}

/// The index of a sharded checkpoint, beside one shard.
fn index(bytes: &[u8]) -> bool {
    file("index/a.safetensors", &adapter_tensors());
    TensorFile::read(file("index/model.safetensors.index.json", bytes)).is_ok()
}

/// Lines: patterns, what they become, and last a name.
fn key_map(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let lines: Vec<&str> = text.lines().collect();
    let Some((name, lines)) = lines.split_last() else { return false };
    let rules = || lines.chunks_exact(2).map(|rule| (rule[0], rule[1]));
    for (from, to) in rules() {
        assert_eq!(rename(from, to, name).is_some(), matches(from, name));
        // By itself a pattern gives back the name.
        assert_eq!(rename(from, from, name).as_deref(), matches(from, name).then_some(*name));
    }
    let mapped = KeyMap::new(rules()).apply(name);
    assert!(mapped.len() <= name.len() + text.len());
    if let Some(whole) = lines.first() {
        let _ = Join::new(lines.iter().copied(), whole).of(name);
    }
    mapped != **name
}

fn list(bytes: &[u8]) -> bool {
    parse_list(bytes, false).is_ok() | parse_list(bytes, true).is_ok()
}

/// A pickle is described, or an error.
fn pickle(bytes: &[u8]) -> bool {
    let Ok((_, length)) = unpickle(bytes) else { return false };
    assert!(length <= bytes.len());
    true
}

/// What torch.save writes, as an archive or as it was before 1.6.
fn pytorch(bytes: &[u8]) -> bool {
    tensors(TensorFile::read(file("model.pth", bytes)).ok())
}

fn recipe(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let Ok(table) = table_of_text(text) else { return false };
    let Ok(recipe) = settings_of::<Recipe>(table) else { return false };
    let _ = recipe.data.columns();
    let written = toml::to_string(&recipe).unwrap();
    assert!(table_of_text(&written).and_then(settings_of::<Recipe>).is_ok(), "{written}");
    true
}

/// `metrics.json`, and `mistakes.json`; what is read can be drawn.
fn results(bytes: &[u8]) -> bool {
    let path = file("run/metrics.json", bytes);
    let folder = path.parent().unwrap();
    if !folder.join("recipe.toml").exists() {
        std::fs::remove_file(&path).unwrap();
        FolderLock::take(folder).unwrap().begin("seed = 0\n").unwrap();
        std::fs::write(&path, bytes).unwrap();
    }
    let run = taper_run_folder::RunFolder::begun(folder).unwrap();
    let results = Results::read(&run).ok();
    if let Some(results) = &results {
        let _ = results.report.to_string();
        let _ = (results.confusion.support(), results.confusion.matthews());
    }
    file("run/mistakes/mistakes.json", bytes);
    let mistakes = Mistake::read_all(&run).ok().flatten();
    for mistake in mistakes.iter().flatten() {
        assert!(Path::new(&mistake.picture).components().count() == 1);
    }
    results.is_some() || mistakes.is_some()
}

fn safetensors(bytes: &[u8]) -> bool {
    tensors(TensorFile::from_bytes(bytes, "x").ok())
}

/// What was read has finite values and can be written.
fn tensors(file: Option<TensorFile>) -> bool {
    let Some(file) = file else { return false };
    let _ = (file.metadata(), file.notes());
    let mut params = taper_model::params::Params::new();
    for name in file.names() {
        let Some(tensor) = file.get(name) else { continue };
        let Ok(var) = candle_core::Var::from_tensor(tensor) else { continue };
        params.insert(name, var, taper_model::params::ParamKind::Frozen);
    }
    let written = to_bytes(&params, &std::collections::BTreeMap::new(), candle_core::DType::F32);
    if let Ok(written) = written {
        assert!(TensorFile::from_bytes(&written, "x").is_ok());
    }
    true
}

//! Readers of what lies in a run's folder.

use std::path::Path;

use sha2::{Digest, Sha256};
use taper_run_folder::{FolderLock, Mistake, Results, RunFolder, read_history};
use taper_runner::checkpoint::Checkpoint;
use taper_runner::read_resolved;

use crate::{Reader, filled, numbered, reads};

pub const READERS: &[Reader] = &[
    ("recipe", recipe),
    ("checkpoint", checkpoint),
    ("metrics", metrics),
    ("history", history),
    ("mistakes", mistakes),
];

fn recipe(path: &Path) -> Result<(), String> {
    read_resolved(path).map(drop).map_err(|error| error.to_string())
}

fn checkpoint(path: &Path) -> Result<(), String> {
    let bytes = std::fs::read(path).unwrap();
    Checkpoint::from_bytes(&bytes).map(drop).map_err(|error| error.to_string())
}

fn metrics(path: &Path) -> Result<(), String> {
    let run = RunFolder::begun(path.parent().unwrap()).unwrap();
    Results::read(&run).map(drop).map_err(|error| error.to_string())
}

fn history(path: &Path) -> Result<(), String> {
    read_history(path).map(drop).map_err(|error| error.to_string())
}

fn mistakes(path: &Path) -> Result<(), String> {
    let run = RunFolder::begun(path.parent().unwrap().parent().unwrap()).unwrap();
    Mistake::read_all(&run).map(drop).map_err(|error| error.to_string())
}

#[test]
fn recipes_that_stand_for_large_tables() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("recipe.toml");
    for (what, mut text) in tables(1) {
        text.truncate(1 << 20);
        reads("recipe", what, &path, text.into_bytes());
    }
    let error = reads("recipe", "more", &path, filled("#\n", 2).into_bytes()).unwrap();
    assert!(error.ends_with("it has 2097152 bytes, the limit is 1048576"), "{error}");
}

/// TOML of which a table is many times as large.
fn tables(mib: usize) -> Vec<(&'static str, String)> {
    vec![
        ("numbers", format!("a=[{}0]", filled("0,", mib))),
        ("lists", format!("a=[{}0]", filled("[],", mib))),
        ("tables", format!("a=[{}0]", filled("{},", mib))),
        ("tables of one", format!("a=[{}0]", filled("{a=0},", mib))),
        ("texts", format!("a=[{}0]", filled("'a',", mib))),
        ("keys", numbered("a#=0\n", mib)),
        ("headers", numbered("[a#]\n", mib)),
        ("lists of tables", filled("[[a]]\n", mib)),
        ("dotted keys", numbered("a#.b.c.d.e.f.g.h=0\n", mib)),
        ("blank lines", filled("\n", mib)),
        ("comments", filled("#\n", mib)),
    ]
}

#[test]
fn checkpoints_that_stand_for_large_tables() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("step-0000000001.safetensors");
    // The checksum is no hindrance for who knows it.
    let file = |header: &str| {
        let start = [&(header.len() as u64).to_le_bytes(), header.as_bytes()].concat();
        let checksum = Sha256::digest(&start);
        [&start[..], checksum.as_slice()].concat()
    };
    let checksum = "\"checksum\":{\"dtype\":\"U8\",\"shape\":[32],\"data_offsets\":[0,32]}";
    for (what, mut text) in tables(2) {
        text.truncate((2 << 20) - 20);
        let text = serde_json::to_string(&format!("format = 1\n{text}")).unwrap();
        let header = format!("{{\"__metadata__\":{{\"taper\":{text}}},{checksum}}}");
        assert!(reads("checkpoint", what, &path, file(&header)).is_some(), "{what}");
    }
    let tensor = "\"params:#\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]},";
    for mib in [23, 90] {
        let header = format!("{{{}{checksum}}}", numbered(tensor, mib));
        assert!(reads("checkpoint", "tensors", &path, file(&header)).is_some());
    }
}

#[test]
fn results_histories_and_mistakes_of_many_values() {
    let folder = tempfile::tempdir().unwrap();
    let run = FolderLock::take(folder.path()).unwrap().begin("seed = 0\n").unwrap();
    let list = |item: &str, mib: usize| format!("[{}]", filled(item, mib).trim_end_matches(','));
    let scores = "\"precision\":0,\"recall\":0,\"f1\":0,\"support\":0";
    let class = format!("{{\"name\":\"\",\"scores\":{{{scores}}},\"predicted\":0}},");
    let flat = format!("{{\"name\":\"\",{scores},\"predicted\":0}},");
    for (what, text) in [
        ("maps in the load report", format!("{{\"load_report\":{}}}", list("{\"\":0},", 40))),
        ("fewer maps in it", format!("{{\"load_report\":{}}}", list("{\"\":0},", 6))),
        ("classes", format!("{{\"report\":{{\"classes\":{}}}}}", list(&class, 60))),
        ("classes, flat", format!("{{\"report\":{{\"classes\":{}}}}}", list(&flat, 150))),
        (
            "counts",
            format!("{{\"confusion\":{{\"num_classes\":9,\"counts\":{}}}}}", list("0,", 50)),
        ),
        (
            "pairs",
            format!("{{\"confusion\":{{\"num_classes\":9,\"pairs\":{}}}}}", list("[0,0,1],", 35)),
        ),
        ("names", format!("{{\"data\":{{\"class_names\":{}}}}}", list("\"a\",", 40))),
        ("warnings", format!("{{\"warnings\":{}}}", list("\"a\",", 100))),
        ("what is not known", format!("{{\"more\":{}}}", list("{\"\":0},", 60))),
    ] {
        assert!(reads("metrics", what, &run.metrics(), text.into_bytes()).is_some(), "{what}");
    }
    let step = "{\"event\":\"step\",\"epoch\":0,\"step\":1,\"loss\":1,\"learning_rate\":1,\
                \"gradient_norm\":1,\"images\":1}\n";
    let faults =
        format!("{{\"event\":\"left_out\",\"counts\":{{}},\"faults\":{}}}", list("\"\",", 6));
    for (what, text) in [
        ("steps", filled(step, 150)),
        ("other events", filled("{\"event\":\"unfrozen\",\"epoch\":0,\"trainable\":1}\n", 60)),
        ("faults", faults),
        ("one line", format!("{{\"event\":\"step\",\"more\":{}}}", list("{\"\":0},", 9))),
        ("one long line", format!("{{\"event\":\"step\",\"more\":{}}}", list("{\"\":0},", 40))),
        ("empty lines", filled("\n", 20)),
    ] {
        reads("history", what, &run.history(), text.into_bytes());
    }
    std::fs::create_dir(run.mistakes()).unwrap();
    let path = run.mistakes().join("mistakes.json");
    let mistake = "{\"item\":\"\",\"height\":1,\"width\":1,\"picture\":\"\",\"saliency\":\"\",\"truth\":0,\
                   \"answers\":[],\"truth_probability\":0},";
    let answers = list("{\"class\":0,\"probability\":0},", 100);
    let answers = mistake.replace("[]", &answers).trim_end_matches(',').to_string();
    for (what, text) in [("mistakes", list(mistake, 60)), ("answers", format!("[{answers}]"))] {
        reads("mistakes", what, &path, text.into_bytes());
    }
}

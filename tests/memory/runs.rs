//! Readers of what lies in a run's folder.

use std::path::Path;

use sha2::{Digest, Sha256};
use taper_run_folder::{FolderLock, Mistake, Results, RunFolder, read_history};
use taper_runner::checkpoint::Checkpoint;
use taper_runner::read_resolved;

use crate::{LIMIT, Reader, filled, numbered, numbered_within, reads};

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
    match read_history(path).map_err(|error| error.to_string())?.broken_lines {
        0 => Ok(()),
        lines => Err(format!("{lines} broken lines")),
    }
}

fn mistakes(path: &Path) -> Result<(), String> {
    let run = RunFolder::begun(path.parent().unwrap().parent().unwrap()).unwrap();
    Mistake::read_all(&run).map(drop).map_err(|error| error.to_string())
}

#[test]
fn recipes_that_stand_for_large_tables() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("recipe.toml");
    for (what, text) in tables(1 << 20) {
        let end = if text.contains('a') { "unknown key `a" } else { "" };
        reads("recipe", what, &path, text.into_bytes(), end);
    }
    let end = "it has 2097152 bytes, the limit is 1048576";
    reads("recipe", "more", &path, filled("#\n", 2).into_bytes(), end);
}

/// Whole TOML of no more bytes, of which a table is many times as large.
fn tables(bytes: usize) -> Vec<(&'static str, String)> {
    let lines = |line: &str| line.repeat(bytes / line.len());
    let list = |item: &str| format!("a=[{}0]", item.repeat((bytes - 5) / item.len()));
    vec![
        ("numbers", list("0,")),
        ("lists", list("[],")),
        ("tables", list("{},")),
        ("tables of one", list("{a=0},")),
        ("texts", list("'a',")),
        ("keys", numbered_within("a#=0\n", bytes)),
        ("headers", numbered_within("[a#]\n", bytes)),
        ("lists of tables", lines("[[a]]\n")),
        ("dotted keys", numbered_within("a#.b.c.d.e.f.g.h=0\n", bytes)),
        ("blank lines", lines("\n")),
        ("comments", lines("#\n")),
    ]
}

/// A checkpoint that is read, with more in its state and more tensors.
fn larger_checkpoint(more: toml::Value, tensors: usize) -> Vec<u8> {
    let right = include_bytes!("../../fuzz/corpus/checkpoint/right.bin");
    let (length, rest) = right.split_first_chunk::<8>().unwrap();
    let (header, data) = rest.split_at(u64::from_le_bytes(*length) as usize);
    let mut header: serde_json::Value = serde_json::from_slice(header).unwrap();
    let state = &mut header["__metadata__"]["taper"];
    let mut table: toml::Table = state.as_str().unwrap().parse().unwrap();
    table["listeners"].as_table_mut().unwrap().insert("more".to_string(), more);
    *state = toml::to_string(&table).unwrap().into();
    for n in 0..tensors {
        let empty = serde_json::json!({"dtype": "F32", "shape": [0], "data_offsets": [0, 0]});
        header[format!("params:{n}")] = empty;
    }
    let header = header.to_string();
    let start = [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat();
    let checksum = Sha256::digest(&start);
    [&start[..], checksum.as_slice()].concat()
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
    let tensor = "\"params:#\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]},";
    for (what, text) in tables((2 << 20) - 20) {
        let text = serde_json::to_string(&format!("format = 1\n{text}")).unwrap();
        let header = format!("{{\"__metadata__\":{{\"taper\":{text}}},{checksum}}}");
        let is_empty = ["blank lines", "comments"].contains(&what);
        let end = if is_empty { "missing field `identity`" } else { "unknown field `a" };
        reads("checkpoint", what, &path, file(&header), end);
    }
    let dotted = numbered_within("a#.b.c.d.e.f.g.h=0\n", (2 << 20) - 20);
    let text = serde_json::to_string(&format!("format = 1\n{dotted}")).unwrap();
    let tensors = numbered(tensor, 20);
    let header = format!("{{\"__metadata__\":{{\"taper\":{text}}},{tensors}{checksum}}}");
    let end = "unknown field `a";
    reads("checkpoint", "dotted keys and tensors", &path, file(&header), end);
    let lists = toml::Value::Array(vec![toml::Value::Array(Vec::new()); 500_000]);
    let bytes = larger_checkpoint(lists, 250_000);
    reads("checkpoint", "lists and tensors", &path, bytes, "");
    for (mib, end) in [(23, "no metadata `taper`"), (90, "the limit is 25165824")] {
        let header = format!("{{{}{checksum}}}", numbered(tensor, mib));
        reads("checkpoint", "tensors", &path, file(&header), end);
    }
}

#[test]
fn results_histories_and_mistakes_of_many_values() {
    let folder = tempfile::tempdir().unwrap();
    let run = FolderLock::take(folder.path()).unwrap().begin("seed = 0\n").unwrap();
    let list = |item: &str, mib: usize| format!("[{}]", filled(item, mib).trim_end_matches(','));
    let entries = |entry: &str, mib: usize| numbered(entry, mib).trim_end_matches(',').to_string();
    let scores = "\"precision\":0,\"recall\":0,\"f1\":0,\"support\":0";
    let class = format!("{{\"name\":\"\",{scores},\"predicted\":0}},");
    let maps = |mib: usize| list("{\"\":0},", mib);
    let tree = |mib: usize, names: usize| {
        let names = list("\"a\",", names);
        format!("{{\"load_report\":{},\"data\":{{\"class_names\":{names}}}}}", maps(mib))
    };
    let left_out =
        |mib: usize| format!("{{\"data\":{{\"left_out\":{{{}}}}}}}", entries("\"#\":0,", mib));
    let own = entries("\"#\":{\"value\":0,\"better\":\"less\"},", 60);
    let confusion = |key: &str, items: String| {
        format!("{{\"confusion\":{{\"num_classes\":9,\"{key}\":{items}}}}}")
    };
    for (what, text, end) in [
        ("maps in the load report", format!("{{\"load_report\":{}}}", maps(40)), LIMIT),
        ("fewer maps in it", format!("{{\"load_report\":{}}}", maps(5)), "missing field `before`"),
        ("names and maps in it", tree(3, 18), "missing field `description`"),
        ("more names and maps in it", tree(5, 18), LIMIT),
        (
            "classes",
            format!("{{\"report\":{{\"classes\":{}}}}}", list(&class, 150)),
            "missing field `accuracy`",
        ),
        ("counts", confusion("counts", list("0,", 50)), "26214400 counts: expected 9 x 9"),
        ("pairs", confusion("pairs", list("[0,0,1],", 35)), "come twice"),
        (
            "names",
            format!("{{\"data\":{{\"class_names\":{}}}}}", list("\"a\",", 40)),
            "missing field `description`",
        ),
        ("warnings", format!("{{\"warnings\":{}}}", list("\"a\",", 40)), "missing field `before`"),
        ("more warnings", format!("{{\"warnings\":{}}}", list("\"a\",", 100)), LIMIT),
        ("what is not known", format!("{{\"more\":{}}}", maps(45)), "missing field `before`"),
        ("left out", left_out(38), "missing field `description`"),
        ("more left out", left_out(200), LIMIT),
        (
            "scores of one's own",
            format!("{{\"before\":{{\"own\":{{{own}}}}}}}"),
            "missing field `n`",
        ),
    ] {
        reads("metrics", what, &run.metrics(), text.into_bytes(), end);
    }
    let step = "{\"event\":\"step\",\"epoch\":0,\"step\":1,\"loss\":1,\"learning_rate\":1,\
                \"gradient_norm\":1,\"images\":1}\n";
    let faults = |mib: usize| {
        format!("{{\"event\":\"left_out\",\"counts\":{{}},\"faults\":{}}}", list("\"\",", mib))
    };
    let counts = entries("\"#\":0,", 4);
    let more = |mib: usize| step.replace("}\n", &format!(",\"more\":{}}}", maps(mib)));
    let other = "{\"event\":\"unfrozen\",\"epoch\":0,\"trainable\":1}\n";
    for (what, text, end) in [
        ("steps", filled(step, 150), ""),
        ("other events", filled(other, 60), "more than 786432 events that are no steps"),
        ("faults", faults(4), ""),
        ("more faults", faults(6), "1 broken lines"),
        ("counts", format!("{{\"event\":\"left_out\",\"counts\":{{{counts}}},\"faults\":[]}}"), ""),
        ("one line", more(5), ""),
        ("one long line", more(40), "1 broken lines"),
        ("empty lines", filled("\n", 20), ""),
    ] {
        reads("history", what, &run.history(), text.into_bytes(), end);
    }
    std::fs::create_dir(run.mistakes()).unwrap();
    let path = run.mistakes().join("mistakes.json");
    let mistake = "{\"item\":\"\",\"height\":1,\"width\":1,\"picture\":\"\",\"saliency\":\"\",\"truth\":0,\
                   \"answers\":[],\"truth_probability\":0},";
    let answers = list("{\"class\":0,\"probability\":0},", 100);
    let answers = mistake.replace("[]", &answers).trim_end_matches(',').to_string();
    for (what, text) in [("mistakes", list(mistake, 60)), ("answers", format!("[{answers}]"))] {
        let end = "`` must be a file name in the same folder";
        reads("mistakes", what, &path, text.into_bytes(), end);
    }
}

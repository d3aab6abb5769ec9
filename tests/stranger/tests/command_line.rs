//! The stranger's program: everything of its own by name, with every command.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn stranger(args: &[&str], folder: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stranger"));
    command.args(args).current_dir(folder).output().unwrap()
}

fn done(args: &[&str], folder: &Path) -> String {
    let output = stranger(args, folder);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {told}");
    String::from_utf8(output.stdout).unwrap()
}

fn told(args: &[&str], folder: &Path) -> String {
    let output = stranger(args, folder);
    assert!(!output.status.success(), "{args:?}");
    String::from_utf8(output.stderr).unwrap()
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn a_recipe_of_its_own_trains_with_everything_of_its_own_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    done(&["train", "--recipe", "rings", "--out", "a", "--quiet"], folder);
    let run = folder.join("a");
    let recipe = text(&run.join("recipe.toml"));
    for line in [
        "name = \"lion\"",
        "beta2 = 0.99",
        "name = \"focal\"",
        "gamma = 1.5",
        "name = \"restarts\"",
        "cycles = 2",
        "[augment.scan]",
        "probability = 0.2",
        "factor = 0.5",
        "metric = \"mean_cost\"",
    ] {
        assert!(recipe.contains(line), "{line} is not in\n{recipe}");
    }
    let results: Value = serde_json::from_str(&text(&run.join("metrics.json"))).unwrap();
    for part in ["before", "after", "validation"] {
        assert!(results[part]["own"]["mean_cost"]["value"].is_number(), "{part}");
    }
    let history = text(&run.join("history.jsonl"));
    assert_eq!(history.matches("\"mean_cost\"").count(), 3, "{history}");
    assert!(text(&run.join("report.html")).contains("mean_cost"));
    assert!(text(&run.join("README.md")).contains("`lion`"));

    // As a kill after its second epoch would have left it; gone on with, it has the same bits.
    done(&["train", "--recipe", "rings", "--out", "b", "--quiet"], folder);
    let path = |name: &str| folder.join("b").join(name);
    let checkpoints = std::fs::read_dir(path("checkpoints")).unwrap();
    let mut checkpoints: Vec<_> = checkpoints.map(|entry| entry.unwrap().path()).collect();
    checkpoints.sort_by_key(|path| (path.to_string_lossy().len(), path.clone()));
    std::fs::remove_file(checkpoints.pop().unwrap()).unwrap();
    for name in ["metrics.json", "model.safetensors", "SHA256SUMS"] {
        std::fs::remove_file(path(name)).unwrap();
    }
    done(&["resume", "b", "--quiet"], folder);
    let model = |run: &str| std::fs::read(folder.join(run).join("model.safetensors")).unwrap();
    assert!(model("a") == model("b"));

    let evaluated = done(&["evaluate", "--run", "a", "--quiet"], folder);
    assert!(evaluated.contains("mean_cost"), "{evaluated}");
    done(&["report", "a", "b", "--out", "both.html"], folder);
}

#[test]
fn a_metric_of_its_own_stands_wherever_the_scores_stand() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let flags = [
        "train",
        "--recipe",
        "rings",
        "--epochs",
        "1",
        "--set",
        "log.tensorboard=true",
        "--out",
        "a",
    ];
    let output = stranger(&flags, folder);
    let [table, progress] =
        [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    let line = |text: &str, part: &str| {
        text.lines().any(|line| line.contains(part) && line.contains("mean_cost"))
    };
    assert!(line(&table, "macro F1"), "{table}");
    assert!(line(&progress, "validation") || progress.contains("\n  mean_cost "), "{progress}");
    assert!(text(&folder.join("a/README.md")).contains("| loss | mean_cost |"));
    let board = std::fs::read_dir(folder.join("a/tensorboard")).unwrap().next().unwrap().unwrap();
    let board = String::from_utf8_lossy(&std::fs::read(board.path()).unwrap()).into_owned();
    assert!(board.contains("validation/mean_cost"));
}

#[test]
fn completions_and_the_manual_are_the_program_s_own() {
    let folder = tempfile::tempdir().unwrap();
    let completions = done(&["completions", "bash"], folder.path());
    let manual = done(&["man"], folder.path());
    assert!(completions.contains("_stranger") && !completions.contains("_taper"));
    assert!(manual.contains(".TH stranger") && manual.contains("STRANGER TRAIN"), "{manual}");
}

#[test]
fn flags_take_each_by_name_and_set_its_settings() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let flags = "train --data rings:45 --net row-reader-wide --optimizer muon --learning-rate 0.01 --augment scan \
                 --set augment.scan.factor=0.25 --set loss=focal --set loss.gamma=1 --set schedule=restarts \
                 --set data.validation_fraction=0.2 --set early_stopping.metric=mean_cost \
                 --set early_stopping.patience=1 --epochs 2 --batch-size 16 --out a --quiet";
    let flags: Vec<&str> = flags.split_whitespace().collect();
    done(&flags, folder);
    let recipe = text(&folder.join("a/recipe.toml"));
    for line in [
        "name = \"muon\"",
        "momentum = 0.95",
        "learning_rate = 0.01",
        "factor = 0.25",
        "gamma = 1.0",
    ] {
        assert!(recipe.contains(line), "{line} is not in\n{recipe}");
    }
    // A method that gives blocks other rates, around a rule of its own.
    let flags = "finetune --weights a --net row-reader-wide --data rings:30 --method last-1 --optimizer lion --epochs 1 --out c --quiet";
    done(&flags.split_whitespace().collect::<Vec<_>>(), folder);
}

#[test]
fn a_search_draws_names_of_its_own_and_is_judged_by_its_metric() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let search = "[search]\ntrials = 3\nmetric = \"mean_cost\"\n[space]\noptimizer = { choices = [\"lion\", \"muon\"] }\n\
                  \"loss.gamma\" = { low = 0.5, high = 2.0 }\n";
    std::fs::write(folder.join("search.toml"), search).unwrap();
    let flags = "search search.toml --recipe rings --epochs 1 --out found --net row-reader --set model.weights=\"\" --quiet";
    let output = stranger(&flags.split_whitespace().collect::<Vec<_>>(), folder);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{errors}");
    let found: Value = serde_json::from_str(&text(&folder.join("found/search.json"))).unwrap();
    let costs: Vec<f64> = found["trials"]
        .as_array()
        .unwrap()
        .iter()
        .map(|trial| trial["validation"]["own"]["mean_cost"]["value"].as_f64().unwrap())
        .collect();
    assert_eq!(costs.len(), 3);
    assert!(costs.is_sorted(), "{costs:?}");
}

#[test]
fn what_is_not_known_is_told_with_what_is() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for (flags, expected) in [
        ("--optimizer lions", "unknown optimizer `lions`, expected one of: adadelta, "),
        ("--optimizer lions", "did you mean `lion`?"),
        ("--set loss=focl", "unknown loss `focl`, expected one of: cross-entropy, focal"),
        ("--set schedule=restart", "unknown schedule `restart`"),
        ("--augment scam", "unknown augmentation `scam`, expected one of: none, light, "),
        ("--augment scam", "did you mean `scan`?"),
        ("--set select.metric=cost", "`select.metric` is `cost`, expected one of `loss`, "),
        ("--recipe ring", "unknown recipe `ring`"),
        ("--data ringss", "and of this program `rings`"),
        ("--data rings:x", "`data.source` is x, expected rings:COUNT"),
        (
            "--optimizer lion --set optimizer.beta3=1",
            "unknown key `optimizer.beta3`, expected one of `optimizer.",
        ),
        ("--set loss=focal --set loss.gamma=high", "`loss.gamma` is `high`, expected a number"),
        ("--augment scan --set augment.scan.depth=1", "unknown key `augment.scan.depth`"),
        (
            "--set loss=focal --set train.label_smoothing=0.1",
            "the loss `focal` has settings of its own",
        ),
    ] {
        let args: Vec<&str> =
            "train --quiet --epochs 1".split(' ').chain(flags.split(' ')).collect();
        let error = told(&args, folder);
        assert!(error.contains(expected), "{flags}: {error}");
        assert_eq!(error.lines().count(), 1, "{flags}: {error}");
    }
}

#[test]
fn the_program_has_a_name_a_version_and_nets_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(done(&["--version"], folder.path()), "stranger 4.5.6\n");
    assert!(done(&["train", "--help"], folder.path()).contains("Usage: stranger train"));
    let models: Value = serde_json::from_str(&done(&["models", "--json"], folder.path())).unwrap();
    let of =
        |name: &str| models.as_array().unwrap().iter().find(|net| net["name"] == name).unwrap();
    // 4 * 24 * (12 + 24 + 2) of the LSTM, 24 of the noise, 3 * 25 of the head.
    assert_eq!(of("row-reader")["parameters"], 3747);
    assert!(of("row-reader-wide")["multiply_adds"].as_u64().unwrap() > 48 * 3);
}

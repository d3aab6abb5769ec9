//! Batches in pieces, and processes that share them: here threads, each of which knows of the others what processes do.

use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use taper_runner::observe::Listener;
use taper_runner::{Existing, FolderLock, Processes, RunnerError, follow, run};
use tempfile::tempdir;

use crate::program::arg;
use crate::small::{LeaveOff, begin, history, model, plan_of, registry};

type Settings = Vec<(&'static str, String)>;

fn settings(settings: &[(&'static str, &str)]) -> Settings {
    settings.iter().map(|(key, value)| (*key, value.to_string())).collect()
}

/// Has as many processes as `size` train, each by its own settings, and gives how each ended.
fn train(
    size: usize,
    of: impl Fn(usize) -> Settings,
    out: &Path,
    leave: Option<u64>,
) -> Vec<Result<(), RunnerError>> {
    let start = |(rank, processes): (usize, Processes)| -> JoinHandle<Result<(), RunnerError>> {
        let (own, out): (Settings, PathBuf) = (of(rank), out.to_path_buf());
        std::thread::spawn(move || {
            let own: Vec<(&str, &str)> =
                own.iter().map(|(key, value)| (*key, value.as_str())).collect();
            let first = processes.is_first();
            let mut registry = registry();
            registry.processes = processes;
            let plan = plan_of(&own, &registry)?;
            if !first {
                return follow(&plan);
            }
            let leave = leave.map(|step| Box::new(LeaveOff(step)) as Box<dyn Listener>);
            let existing = Existing::Resume { force: false };
            run(&plan, &FolderLock::take(&out)?, existing, leave.into_iter().collect()).map(|_| ())
        })
    };
    let threads: Vec<_> = Processes::in_threads(size).into_iter().enumerate().map(start).collect();
    threads.into_iter().map(|thread| thread.join().unwrap()).collect()
}

/// Trains with one, two and four processes, and compares weights and history with those of a program alone.
fn check_same(these: &[(&'static str, &str)]) {
    let folder = tempdir().unwrap();
    let these = [&[("train.pieces", "4")], these].concat();
    let alone = folder.path().join("alone");
    begin(&these, &alone, Vec::new()).unwrap();
    for size in [1, 2, 4] {
        let out = folder.path().join(size.to_string());
        let ended = train(size, |_| settings(&these), &out, None);
        assert!(ended.iter().all(Result::is_ok), "{these:?} {size}: {ended:?}");
        assert!(model(&alone) == model(&out), "{these:?}, {size} processes");
        assert_eq!(history(&alone), history(&out), "{these:?}, {size} processes");
    }
}

#[test]
fn as_many_processes_as_one_likes_give_the_same_bytes() {
    // 30 images in batches of 5 or 8: the last batches have images for some of the processes alone.
    check_same(&[]);
    check_same(&[("train.batch_size", "8"), ("augment.mixup", "1"), ("augment", "light")]);
    check_same(&[("train.batch_size", "8"), ("train.accumulate", "2"), ("optimizer", "adam")]);
    check_same(&[("average.name", "ema"), ("average.decay", "0.9"), ("select.best", "true")]);
    check_same(&[("data.limit", "26"), ("calibration.temperature", "true")]);
    check_same(&[("plateau.factor", "0.5"), ("plateau.patience", "0"), ("train.max_steps", "14")]);
    check_same(&[("train.balance", "sampling"), ("train.clip_norm", "0.1")]);
}

#[test]
fn as_many_processes_as_one_likes_give_the_same_bytes_by_every_method() {
    check_same(&[("method", "head")]);
    check_same(&[("method", "gradual"), ("checkpoint.enabled", "false")]);
    check_same(&[("method", "last-1"), ("model.freeze_statistics", "true")]);
    let folder = tempdir().unwrap();
    let base = folder.path().join("base");
    begin(&[], &base, Vec::new()).unwrap();
    let lora = [("model.weights", arg(&base)), ("method", "lora"), ("method.rank", "2")];
    check_same(&[&lora[..], &[("method.dropout", "0.5"), ("method.merge", "true")]].concat());
}

#[test]
fn a_run_goes_on_with_any_number_of_processes() {
    let folder = tempdir().unwrap();
    let these = [("train.pieces", "4"), ("average.name", "ema"), ("checkpoint.every_steps", "1")];
    let alone = folder.path().join("alone");
    begin(&these, &alone, Vec::new()).unwrap();
    let out = folder.path().join("shared");
    for (size, leave) in [(4, Some(2)), (1, Some(6)), (2, Some(7)), (4, None)] {
        for ended in train(size, |_| settings(&these), &out, leave) {
            match (ended, leave) {
                (Ok(()), None) => {}
                (Err(error), Some(step)) => {
                    let told = error.to_string();
                    assert!(told.starts_with(&format!("left off after step {step}")), "{told}");
                }
                (ended, _) => panic!("{size} processes, {leave:?}: {ended:?}"),
            }
        }
    }
    assert!(model(&alone) == model(&out));
    assert_eq!(history(&alone), history(&out));
    // What is finished is found finished by all.
    assert!(train(2, |_| settings(&these), &out, None).iter().all(Result::is_ok));
}

#[test]
fn a_process_with_other_data_or_another_recipe_is_named_by_all() {
    for (key, value, expected) in [
        ("train.epochs", "2", "process 1 is not like process 0: recipe.train.epochs` is 2, not 3"),
        ("data.limit", "20", "process 1 is not like process 0: `data` is \"20+"),
    ] {
        let folder = tempdir().unwrap();
        let of = |rank: usize| match rank {
            1 => settings(&[("train.pieces", "2"), (key, value)]),
            _ => settings(&[("train.pieces", "2")]),
        };
        for ended in train(2, of, &folder.path().join("run"), None) {
            let error = ended.unwrap_err().to_string();
            assert!(error.replace('`', "").starts_with(&expected.replace('`', "")), "{error}");
        }
    }
}

#[test]
fn more_processes_than_pieces_are_refused() {
    let folder = tempdir().unwrap();
    for (size, pieces) in [(4, "2"), (3, "4"), (2, "1")] {
        let ended = train(size, |_| settings(&[("train.pieces", pieces)]), folder.path(), None);
        let expected = format!(
            "`number of processes` is {size}, expected a power of two up to `train.pieces`, {pieces}"
        );
        assert!(
            ended.iter().all(|one| one.as_ref().unwrap_err().to_string().starts_with(&expected))
        );
    }
}

#[test]
fn a_number_of_pieces_that_no_tree_has_is_refused() {
    let folder = tempdir().unwrap();
    for pieces in ["0", "3", "8"] {
        let error =
            begin(&[("train.pieces", pieces)], &folder.path().join("run"), Vec::new()).unwrap_err();
        let expected = format!(
            "`train.pieces` is {pieces}, expected a power of two up to `train.batch_size`, 5"
        );
        assert!(error.to_string().starts_with(&expected), "{error}");
    }
}

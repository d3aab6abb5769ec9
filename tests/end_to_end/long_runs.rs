//! What guards a run, what refuses to resume it, and the settings that end or steer it.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::rc::Rc;

use taper_runner::checkpoint::Checkpoints;
use taper_runner::observe::{Epoch, Event, Listener, Step, Verdict};
use taper_runner::{Existing, FolderLock, RunnerError, TrainingError, run};
use tempfile::tempdir;

use crate::program::{arg, error, json, taper};
use crate::small::{LeaveOff, begin, go_on, history, model, plan};

fn left_off(settings: &[(&str, &str)], out: &Path, step: u64) {
    let left = begin(settings, out, vec![Box::new(LeaveOff(step))]);
    assert!(matches!(left, Err(RunnerError::Training(TrainingError::Suspended { .. }))));
}

fn resume_error(settings: &[(&str, &str)], out: &Path) -> String {
    go_on(settings, out, Vec::new()).unwrap_err().to_string()
}

/// Notes every event.
struct Heard(Rc<RefCell<Vec<Event>>>);

impl Listener for Heard {
    fn observe(&mut self, event: &Event) -> Result<Verdict, RunnerError> {
        self.0.borrow_mut().push(event.clone());
        Ok(Verdict::Continue)
    }
}

fn checkpoints(out: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(out.join("checkpoints")).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "safetensors"));
    files.sort();
    files
}

#[test]
fn other_data_or_another_recipe_is_refused_by_name_and_can_be_forced() {
    let folder = tempdir().unwrap();
    let out = folder.path().join("run");
    left_off(&[], &out, 9);
    let error = resume_error(&[("train.batch_size", "6"), ("optimizer", "sgd")], &out);
    assert!(error.contains("`train.batch_size` was 5, is 6"), "{error}");
    assert!(error.contains("`optimizer.name` was \"adamw\", is \"sgd\""), "{error}");
    assert!(error.contains("cannot resume exactly: "), "{error}");
    let error = resume_error(&[("data.source", "other-stripes")], &out);
    assert!(error.contains("data was 30+10+10 images "), "{error}");

    // When checkpoints are written is free; the rest can be forced.
    let longer = plan(&[("train.epochs", "4"), ("checkpoint.keep_last", "1")]).unwrap();
    let heard = Rc::default();
    let listeners: Vec<Box<dyn Listener>> = vec![Box::new(Heard(Rc::clone(&heard)))];
    let forced =
        run(&longer, &FolderLock::take(&out).unwrap(), Existing::Resume { force: true }, listeners)
            .unwrap();
    assert!(matches!(heard.borrow()[0], Event::Resumed { step: 9, .. }));
    assert_eq!(forced.results.trained.steps, 24);
    assert_eq!(checkpoints(&out).len(), 1);
}

#[test]
fn a_broken_newest_checkpoint_is_named_and_the_one_before_is_used() {
    let folder = tempdir().unwrap();
    let (whole, out) = (folder.path().join("whole"), folder.path().join("run"));
    begin(&[], &whole, Vec::new()).unwrap();
    left_off(&[], &out, 9);
    let files = checkpoints(&out);
    assert_eq!(files.len(), 2, "{files:?}");
    let bytes = std::fs::read(&files[1]).unwrap();
    std::fs::write(&files[1], &bytes[..bytes.len() / 2]).unwrap();
    let heard = Rc::default();
    go_on(&[], &out, vec![Box::new(Heard(Rc::clone(&heard)))]).unwrap();
    let Event::BrokenCheckpoint { path, .. } = &heard.borrow()[0] else { panic!("{heard:?}") };
    assert_eq!(*path, files[1]);
    assert!(matches!(heard.borrow()[1], Event::Resumed { step: 6, .. }));
    assert!(model(&whole) == model(&out));
    assert_eq!(history(&whole), history(&out));
}

#[test]
fn a_run_whose_checkpoints_are_all_broken_is_refused() {
    let folder = tempdir().unwrap();
    let out = folder.path().join("run");
    left_off(&[], &out, 9);
    for file in checkpoints(&out) {
        std::fs::write(file, "nothing").unwrap();
    }
    let error = resume_error(&[], &out);
    assert!(error.contains("step-0000000009.safetensors: 7 bytes are too few"), "{error}");
    assert!(error.contains("all 2 checkpoints are corrupt"), "{error}");
}

#[test]
fn a_run_that_was_killed_before_its_first_checkpoint_begins_again() {
    let folder = tempdir().unwrap();
    let (whole, out) = (folder.path().join("whole"), folder.path().join("run"));
    begin(&[], &whole, Vec::new()).unwrap();
    left_off(&[], &out, 3);
    std::fs::remove_dir_all(out.join("checkpoints")).unwrap();
    go_on(&[], &out, Vec::new()).unwrap();
    assert!(model(&whole) == model(&out));
    assert_eq!(history(&whole), history(&out));
}

#[test]
fn a_half_written_last_line_of_the_history_is_removed() {
    let folder = tempdir().unwrap();
    let (whole, out) = (folder.path().join("whole"), folder.path().join("run"));
    begin(&[], &whole, Vec::new()).unwrap();
    left_off(&[], &out, 12);
    let path = out.join("history.jsonl");
    let mut text = std::fs::read(&path).unwrap();
    text.extend(b"{\"event\":\"step\",\"epo");
    std::fs::write(&path, text).unwrap();
    go_on(&[], &out, Vec::new()).unwrap();
    assert_eq!(history(&whole), history(&out));
}

#[test]
fn two_processes_cannot_work_on_one_run() {
    let folder = tempdir().unwrap();
    let out = folder.path().join("run");
    left_off(&[], &out, 3);
    let before = history(&out);
    let held = FolderLock::take(&out).unwrap();
    for settings in [&[][..], &[("checkpoint.enabled", "false")]] {
        let refused = resume_error(settings, &out);
        assert!(refused.contains("another process is at work on this run"), "{refused}");
    }
    let new = ["train", "--data", "digits", "--net", "mlp", "--quiet", "--out", arg(&out)];
    for args in [&[&new[..], &["--overwrite"]].concat(), &["resume", arg(&out)][..]] {
        let refused = error(args);
        assert!(refused.contains("another process is at work on this run"), "{refused}");
    }
    assert_eq!(history(&out), before);
    drop(held);
    go_on(&[], &out, Vec::new()).unwrap();
    let _held = FolderLock::take(&out).unwrap();
    let refused = error(&["report", arg(&out)]);
    assert!(refused.contains("another process is at work on this run"), "{refused}");
}

/// Sees whether the folder is locked.
struct Locked(PathBuf, Rc<RefCell<Vec<bool>>>);

impl Listener for Locked {
    fn observe(&mut self, event: &Event) -> Result<Verdict, RunnerError> {
        if !matches!(event, Event::Step(_)) {
            self.1.borrow_mut().push(FolderLock::take(&self.0).is_err());
        }
        Ok(Verdict::Continue)
    }
}

#[test]
fn a_run_without_checkpoints_is_locked_from_its_first_event_to_its_last() {
    let folder = tempdir().unwrap();
    let out = folder.path().join("run");
    let seen = Rc::default();
    let listener = Box::new(Locked(out.clone(), Rc::clone(&seen)));
    let settings = [("checkpoint.enabled", "false"), ("train.epochs", "1")];
    begin(&settings, &out, vec![listener]).unwrap();
    assert!(seen.borrow().len() >= 4 && seen.borrow().iter().all(|locked| *locked), "{seen:?}");
    FolderLock::take(&out).unwrap();
}

#[test]
fn starts_at_once_without_a_folder_each_get_one_of_their_own() {
    let folder = tempdir().unwrap();
    let start = || {
        let args = ["train", "--data", "digits", "--net", "mlp", "--fast-dev-run", "--quiet"];
        taper(&args).current_dir(folder.path()).stdout(Stdio::null()).spawn().unwrap()
    };
    for mut child in [start(), start(), start()] {
        assert!(child.wait().unwrap().success());
    }
    let name = |n| format!("runs/train-digits-{n}/metrics.json");
    assert!((1..=3).all(|n| folder.path().join(name(n)).is_file()));
    // One that fails leaves no folder.
    let args = ["train", "--data", "no-such-data", "--quiet"];
    assert!(!taper(&args).current_dir(folder.path()).output().unwrap().status.success());
    assert_eq!(std::fs::read_dir(folder.path().join("runs")).unwrap().count(), 3);
}

#[test]
fn what_a_start_left_that_was_killed_at_once_is_no_hindrance() {
    let folder = tempdir().unwrap();
    let args = ["train", "--data", "digits", "--net", "mlp", "--fast-dev-run", "--quiet"];
    for left in [&[".tmpAbC123"][..], &["history.jsonl"], &["history.jsonl", ".tmpx7Y8z9"]] {
        let out = folder.path().join(left.len().to_string()).join(left[0]);
        std::fs::create_dir_all(&out).unwrap();
        left.iter().for_each(|name| std::fs::write(out.join(name), "").unwrap());
        json(&[&args[..], &["--resume", "--out", arg(&out)]].concat());
        let hidden = |name: String| name.starts_with('.');
        let entries = std::fs::read_dir(&out).unwrap();
        assert!(
            !entries.into_iter().any(|e| hidden(e.unwrap().file_name().into_string().unwrap()))
        );
    }
}

#[test]
fn a_run_may_not_take_the_place_of_its_own_weights() {
    let folder = tempdir().unwrap();
    let out = folder.path().join("run");
    begin(&[], &out, Vec::new()).unwrap();
    let before = model(&out);
    let plan = plan(&[("model.weights", arg(&out))]).unwrap();
    let lock = FolderLock::take(&out).unwrap();
    let error = run(&plan, &lock, Existing::Overwrite, Vec::new()).unwrap_err().to_string();
    assert!(error.starts_with("`model.weights` is ") && error.contains("overwritten"), "{error}");
    assert!(before == model(&out));
}

#[test]
fn a_finished_run_goes_on_only_by_force_and_ends_as_one_with_more_epochs_from_the_beginning() {
    let folder = tempdir().unwrap();
    let (whole, out) = (folder.path().join("whole"), folder.path().join("run"));
    let four = [("train.epochs", "4"), ("optimizer", "adam")];
    begin(&four, &whole, Vec::new()).unwrap();
    begin(&[("train.epochs", "2"), ("optimizer", "adam")], &out, Vec::new()).unwrap();
    taper_report::complete(&out).unwrap();
    let error = resume_error(&four, &out);
    assert!(error.contains("cannot resume exactly: `train.epochs` was 2, is 4"), "{error}");

    let lock = FolderLock::take(&out).unwrap();
    let force = Existing::Resume { force: true };
    let more = run(&plan(&four).unwrap(), &lock, force, Vec::new()).unwrap();
    // The rate is constant, so that nothing has hung on the number of epochs.
    assert!(model(&whole) == model(&out));
    // But for the first line, which says how many epochs were to come.
    assert_eq!(history(&whole)[1..], history(&out)[1..]);
    assert_eq!(more.results.trained.steps, 24);
    assert!(out.join("README.old.md").is_file() && !out.join("report.html").exists());

    // Finished by this recipe; with none epochs more there is nothing to go on with.
    assert!(go_on(&four, &out, Vec::new()).is_err(), "the folder is locked");
    let again = run(&plan(&four).unwrap(), &lock, force, Vec::new()).unwrap();
    assert!(again.evaluation.is_none());
    let other = plan(&[&four[..], &[("train.batch_size", "6")]].concat()).unwrap();
    let error = run(&other, &lock, force, Vec::new()).unwrap_err().to_string();
    assert!(error.contains("is finished after 4 epochs; set `train.epochs` higher"), "{error}");
    std::fs::remove_dir_all(out.join("checkpoints")).unwrap();
    let error = run(&other, &lock, force, Vec::new()).unwrap_err().to_string();
    assert!(error.contains("has no checkpoint to train on from"), "{error}");
    assert!(model(&whole) == model(&out) && out.join("metrics.json").is_file());
}

#[test]
fn a_run_that_was_stopped_goes_on_by_force_where_the_reason_is_gone() {
    let folder = tempdir().unwrap();
    let out = folder.path().join("run");
    let stopped = begin(&[("train.max_steps", "6")], &out, Vec::new()).unwrap();
    assert_eq!(stopped.results.trained.steps, 6);
    let lock = FolderLock::take(&out).unwrap();
    let force = Existing::Resume { force: true };
    let plan = plan(&[("train.max_steps", "12")]).unwrap();
    assert_eq!(run(&plan, &lock, force, Vec::new()).unwrap().results.trained.steps, 12);
}

/// Asks for the run to be stopped, and suspended, by one event.
struct StopAndSuspend(Verdict);

impl Listener for StopAndSuspend {
    fn observe(&mut self, event: &Event) -> Result<Verdict, RunnerError> {
        match event {
            Event::Step(Step { step: 3, .. }) => Ok(self.0.clone()),
            _ => Ok(Verdict::Continue),
        }
    }
}

#[test]
fn a_run_that_is_to_stop_and_to_be_suspended_at_once_is_both() {
    let folder = tempdir().unwrap();
    let out = folder.path().join("run");
    let wanted = [Verdict::Stop("enough".into()), Verdict::Suspend("asked".into())];
    let listeners = wanted.map(|verdict| Box::new(StopAndSuspend(verdict)) as Box<dyn Listener>);
    let error = begin(&[], &out, listeners.into()).unwrap_err().to_string();
    assert!(error.starts_with("asked after step 3"), "{error}");
    let trained = go_on(&[], &out, Vec::new()).unwrap().results.trained;
    assert_eq!((trained.steps, trained.stopped.as_deref()), (3, Some("enough")));
}

/// Asks for the run to be suspended at every epoch from a number on, or at the end.
struct SuspendAt(usize);

impl Listener for SuspendAt {
    fn observe(&mut self, event: &Event) -> Result<Verdict, RunnerError> {
        Ok(match event {
            Event::Epoch(Epoch { epoch, .. }) if *epoch >= self.0 => {
                Verdict::Suspend("asked".to_string())
            }
            Event::Finished { .. } => Verdict::Suspend("asked".to_string()),
            _ => Verdict::Continue,
        })
    }
}

#[test]
fn a_suspend_after_the_last_epoch_loses_no_work() {
    let folder = tempdir().unwrap();
    let (a, b) = (folder.path().join("a"), folder.path().join("b"));
    let suspend = |epoch| -> Vec<Box<dyn Listener>> { vec![Box::new(SuspendAt(epoch))] };
    let without = [("checkpoint.enabled", "false")];
    begin(&without, &a, suspend(2)).unwrap();
    assert!(a.join("metrics.json").is_file());
    assert!(begin(&[], &b, suspend(2)).is_err());
    go_on(&[], &b, suspend(3)).unwrap();
    assert!(model(&a) == model(&b));
}

/// Removes a folder at a step.
struct Remove(PathBuf, u64);

impl Listener for Remove {
    fn observe(&mut self, event: &Event) -> Result<Verdict, RunnerError> {
        if matches!(event, Event::Step(Step { step, .. }) if *step == self.1) {
            std::fs::remove_dir_all(&self.0).unwrap();
        }
        Ok(Verdict::Continue)
    }
}

#[test]
fn a_folder_that_vanishes_is_named_in_one_line() {
    let folder = tempdir().unwrap();
    let out = folder.path().join("run");
    let remove = Remove(out.join("checkpoints"), 10);
    let error = begin(&[], &out, vec![Box::new(remove)]).unwrap_err().to_string();
    assert!(error.contains("step-0000000012.safetensors: "), "{error}");
    assert_eq!(error.lines().count(), 1);
}

#[test]
fn a_loss_that_is_no_number_stops_the_run_and_names_step_layer_and_rate() {
    let folder = tempdir().unwrap();
    let out = folder.path().join("run");
    let settings = [("model.net", "faulty"), ("checkpoint.every_steps", "2")];
    let error = begin(&settings, &out, Vec::new()).unwrap_err().to_string();
    assert!(error.starts_with("loss is NaN (gradients of `fc1."), "{error}");
    assert!(error.contains("at step 4 (epoch 1, learning rate 1e-3)"), "{error}");
    assert!(error.contains("go on from ") && error.contains("step-0000000004"), "{error}");
    assert_eq!(checkpoints(&out).len(), 2);
}

#[test]
fn weights_that_are_not_finite_are_never_saved() {
    let folder = tempdir().unwrap();
    let out = folder.path().join("run");
    // One step with this rate, and the weights are beyond the range of f32.
    let settings = [
        ("optimizer", "sgd"),
        ("optimizer.learning_rate", "1e300"),
        ("checkpoint.every_steps", "1"),
    ];
    let error = begin(&settings, &out, Vec::new()).unwrap_err().to_string();
    assert!(error.contains("` are not finite at step 1 "), "{error}");
    assert!(checkpoints(&out).is_empty());
}

#[test]
fn skipped_updates_are_counted_up_to_the_limit() {
    let folder = tempdir().unwrap();
    let faulty = [("model.net", "faulty"), ("guard.non_finite", "skip")];
    let outcome = begin(&faulty, &folder.path().join("a"), Vec::new()).unwrap();
    assert_eq!((outcome.results.trained.steps, outcome.results.trained.skipped), (18, 3));
    assert!(outcome.results.after.loss.is_finite());
    let lines = history(&folder.path().join("a"));
    let skipped: Vec<_> = lines.iter().filter(|line| line["event"] == "skipped").collect();
    assert_eq!(skipped.len(), 3);
    assert_eq!(skipped[2]["step"], 15);

    let limited = [&faulty[..], &[("guard.skip_limit", "2")]].concat();
    let error = begin(&limited, &folder.path().join("b"), Vec::new()).unwrap_err().to_string();
    assert!(error.contains("2 updates having been skipped at step 14 "), "{error}");
}

#[test]
fn accumulated_batches_and_pieces_of_one_are_as_good_as_one() {
    let folder = tempdir().unwrap();
    let mut losses = Vec::new();
    for (name, batch, accumulate, pieces) in [
        ("one", "8", "1", "1"),
        ("four", "2", "4", "1"),
        ("pieces", "8", "1", "4"),
        ("both", "4", "2", "2"),
    ] {
        // One linear layer: no batch norm and no dropout, which see each batch by itself.
        let settings = [
            ("model.net", "logistic"),
            ("train.batch_size", batch),
            ("train.accumulate", accumulate),
            ("train.pieces", pieces),
            ("optimizer", "sgd"),
        ];
        let outcome = begin(&settings, &folder.path().join(name), Vec::new()).unwrap();
        assert_eq!(outcome.results.trained.steps, 12);
        losses.push(outcome.results.after.loss);
    }
    // Sums in another order, in f32.
    assert!(losses.iter().all(|loss| (losses[0] - loss).abs() < 1e-5), "{losses:?}");
}

#[test]
fn a_run_stops_early_when_nothing_gets_better() {
    let folder = tempdir().unwrap();
    let settings = [
        ("early_stopping.patience", "2"),
        ("early_stopping.min_delta", "100"),
        ("train.epochs", "9"),
    ];
    let outcome = begin(&settings, &folder.path().join("run"), Vec::new()).unwrap();
    assert_eq!(outcome.results.trained.steps, 18);
    assert_eq!(outcome.results.trained.stopped.as_deref(), Some("no better loss for 2 epochs"));
}

#[test]
fn what_validation_decides_needs_something_to_validate_on() {
    let settings = [("select.best", "true"), ("data.validation_fraction", "0")];
    let error = plan(&settings).err().unwrap().to_string();
    assert!(error.starts_with("`select.best` is set, expected false where nothing"), "{error}");
}

#[test]
fn the_best_epochs_weights_and_checkpoints_are_kept() {
    let folder = tempdir().unwrap();
    let out = folder.path().join("run");
    // The rate explodes after the first epochs: the last are worse than the best.
    let settings = [
        ("optimizer", "sgd"),
        ("optimizer.learning_rate", "0.05"),
        ("schedule.kind", "{ name = \"exponential\", factor = 1.35 }"),
        ("train.epochs", "6"),
        ("select.best", "true"),
        ("checkpoint.keep_best", "1"),
        ("checkpoint.keep_last", "1"),
    ];
    begin(&settings, &out, Vec::new()).unwrap();
    let lines = history(&out);
    let epochs: Vec<_> = lines.iter().filter(|line| line["event"] == "epoch").collect();
    let loss = |line: &serde_json::Value| line["validation"]["loss"].as_f64().unwrap();
    let best = epochs.iter().min_by(|a, b| loss(a).total_cmp(&loss(b))).unwrap();
    assert!(best["epoch"] != 5, "the last epoch is the best: the test shows nothing");
    let kept: Vec<_> = checkpoints(&out).iter().map(|path| path.display().to_string()).collect();
    assert_eq!(kept.len(), 2, "{kept:?}");
    assert!(kept[0].ends_with(&format!("step-{:010}.safetensors", best["step"].as_u64().unwrap())));

    let newest = Checkpoints::newest(&out.join("checkpoints")).unwrap().found.unwrap().1;
    let from = std::fs::read(&kept[0]).unwrap();
    let from = taper_runner::checkpoint::Checkpoint::from_bytes(&from).unwrap();
    let bytes = |tensors: &taper_runner::checkpoint::Tensors| -> Vec<Vec<f32>> {
        tensors.values().map(|t| t.flatten_all().unwrap().to_vec1().unwrap()).collect()
    };
    assert_eq!(bytes(&newest.best), bytes(&from.params));
    let saved = taper_model::weights::TensorFile::read(out.join("model.safetensors")).unwrap();
    for (name, tensor) in &from.params {
        let saved: Vec<f32> = saved.get(name).unwrap().flatten_all().unwrap().to_vec1().unwrap();
        assert_eq!(saved, tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap(), "{name}");
    }
}

#[test]
fn runs_can_be_cut_short_to_try_things_out() {
    let folder = tempdir().unwrap();
    let run = |name: &str, more: &[&str]| {
        let out = folder.path().join(name);
        let shared = ["train", "--net", "mlp", "--batch-size", "50", "--quiet", "--out", arg(&out)];
        json(&[&shared, more].concat())
    };
    let steps = run("steps", &["--max-steps", "3"]);
    assert_eq!(steps["steps"], 3);
    let time = run("time", &["--max-time", "1e-9"]);
    assert_eq!(time["steps"], 1);
    let dev = run("dev", &["--fast-dev-run"]);
    assert_eq!((&dev["steps"], &dev["after"]["n"]), (&1.into(), &50.into()));
    let overfit = run("overfit", &["--overfit-batches", "2", "--epochs", "40"]);
    assert_eq!(overfit["steps"], 80);
    let epochs = history(&folder.path().join("overfit"));
    let last = epochs.iter().rfind(|line| line["event"] == "epoch").unwrap();
    assert_eq!(
        (&last["validation"]["n"], &last["validation"]["accuracy"]),
        (&100.into(), &1.0.into())
    );
}

//! A run that was left off or killed ends with the bits of one that never stopped.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use taper_runner::checkpoint::Checkpoints;
use taper_runner::{RunnerError, TrainingError};
use tempfile::tempdir;

use crate::program::{arg, json, stderr, taper};
use crate::small::{LeaveOff, begin, go_on, history, model, plan, resume};

/// Leaves a run off after each of the steps, goes on, and compares it with one that never stopped.
fn check_exact(settings: &[(&str, &str)], steps: &[u64]) {
    let folder = tempdir().unwrap();
    let whole = folder.path().join("whole");
    let outcome = begin(settings, &whole, Vec::new()).unwrap();
    assert!(outcome.results.trained.steps > *steps.last().unwrap(), "{settings:?}");
    let parts = folder.path().join("parts");
    for (i, step) in steps.iter().enumerate() {
        let leave: Vec<Box<dyn taper_runner::observe::Listener>> = vec![Box::new(LeaveOff(*step))];
        let left = match i {
            0 => begin(settings, &parts, leave),
            _ => go_on(settings, &parts, leave),
        };
        match left {
            Err(RunnerError::Training(TrainingError::Suspended { step: left, .. })) => {
                assert_eq!(left, *step)
            }
            other => panic!("{settings:?} step {step}: {:?}", other.map(|o| o.results.trained)),
        }
    }
    let resumed = go_on(settings, &parts, Vec::new()).unwrap();
    assert!(model(&whole) == model(&parts), "{settings:?}");
    assert_eq!(history(&whole), history(&parts), "{settings:?}");
    assert_eq!(outcome.results.before, resumed.results.before);
    assert_eq!(outcome.results.after, resumed.results.after);
    assert_eq!(outcome.results.trained.images, resumed.results.trained.images);
}

#[test]
fn resuming_is_exact_for_every_optimizer() {
    for optimizer in ["sgd", "adadelta", "adagrad", "rmsprop", "adam", "adamw"] {
        for preset in [optimizer.to_string(), format!("{optimizer}-keras")] {
            // In an epoch, at the end of one, at the start of one.
            check_exact(&[("optimizer", &preset)], &[3, 6, 7]);
        }
    }
    check_exact(
        &[("optimizer", "sgd"), ("optimizer.momentum", "0.9"), ("train.clip_norm", "0.1")],
        &[1, 16],
    );
}

#[test]
fn resuming_is_exact_for_every_schedule() {
    for kind in [
        "{ name = \"constant\" }",
        "{ name = \"linear\" }",
        "{ name = \"step\", every = 5, factor = 0.5 }",
        "{ name = \"exponential\", factor = 0.9 }",
        "{ name = \"cosine\" }",
        "{ name = \"one-cycle\" }",
    ] {
        check_exact(&[("schedule.kind", kind), ("schedule.warmup_steps", "4")], &[2, 11]);
    }
}

#[test]
fn resuming_is_exact_for_every_average_and_listener_and_within_an_accumulation() {
    let cases: [&[(&str, &str)]; 13] = [
        &[("train.pieces", "4"), ("average.name", "ema")],
        &[("train.pieces", "2"), ("train.accumulate", "2"), ("train.epochs", "6")],
        &[("train.balance", "sampling")],
        &[("train.balance", "loss"), ("image.fit_normalization", "true")],
        &[("train.recompute", "true"), ("train.accumulate", "2"), ("train.epochs", "6")],
        &[("log.tensorboard", "true"), ("calibration.temperature", "true")],
        &[("average.name", "ema"), ("average.decay", "0.9")],
        &[("average.name", "swa"), ("average.start", "0.3"), ("average.every", "2")],
        &[("train.accumulate", "4"), ("train.epochs", "6")],
        &[("select.best", "true"), ("select.metric", "accuracy"), ("average.name", "ema")],
        &[("plateau.factor", "0.5"), ("plateau.patience", "0"), ("train.epochs", "5")],
        &[("early_stopping.patience", "2"), ("early_stopping.min_delta", "0.5")],
        &[("train.max_steps", "14"), ("schedule.kind", "{ name = \"cosine\" }")],
    ];
    for settings in cases {
        check_exact(settings, &[2, 9, 11]);
    }
}

#[test]
fn resuming_is_exact_for_every_method() {
    let cases: [&[(&str, &str)]; 7] = [
        &[("method", "head")],
        &[("method", "head"), ("method.cache", "disk"), ("average.name", "ema")],
        &[("method", "head"), ("method.cache", "off")],
        &[("method", "last-1"), ("method.layer_decay", "0.5")],
        &[("method", "gradual"), ("optimizer", "adam")],
        &[("method", "gradual"), ("method.blocks_per_epoch", "1"), ("train.accumulate", "2")],
        &[("method.layer_decay", "0.5"), ("model.freeze_statistics", "true")],
    ];
    for settings in cases {
        // Six batches an epoch, three updates where two batches make one.
        check_exact(settings, &[2, 6, 7]);
    }
}

#[test]
fn resuming_is_exact_with_augmentation() {
    for settings in [
        &[("augment", "digits"), ("augment.noise", "0.1"), ("augment.mixup", "0.4")][..],
        &[("augment.resized_crop", "[0.5, 1]"), ("augment.cutmix", "1"), ("train.accumulate", "2")],
        &[("augment.mixup", "1"), ("train.pieces", "2")],
    ] {
        check_exact(settings, &[2, 7, 8]);
    }
}

#[test]
fn resuming_is_exact_with_adapters() {
    let folder = tempdir().unwrap();
    let base = folder.path().join("base");
    begin(&[], &base, Vec::new()).unwrap();
    let base = arg(&base).to_string();
    let lora = [("model.weights", base.as_str()), ("method", "lora"), ("method.rank", "2")];
    let more = [("method.dropout", "0.5"), ("method.merge", "true"), ("optimizer", "adam")];
    check_exact(&[&lora[..], &more].concat(), &[2, 6, 7]);
}

#[test]
fn resuming_is_exact_after_steps_were_skipped() {
    // The faulty net counts its steps from its building: the run is left off after whole cycles.
    let settings = [("model.net", "faulty"), ("guard.non_finite", "skip"), ("optimizer", "adam")];
    check_exact(&settings, &[5, 15]);
}

/// The files of a folder and of those in it, with their bytes.
fn files(folder: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files.extend(self::files(&path)),
            false => files.push((path.clone(), std::fs::read(path).unwrap())),
        }
    }
    files.sort();
    files
}

#[test]
fn a_forced_resume_that_fails_leaves_every_file_as_it_was() {
    let folder = tempdir().unwrap();
    let (finished, unfinished) = (folder.path().join("finished"), folder.path().join("unfinished"));
    begin(&[], &finished, Vec::new()).unwrap();
    taper_report::complete(&finished).unwrap();
    begin(&[], &unfinished, vec![Box::new(LeaveOff(9))]).unwrap_err();
    for run in [&finished, &unfinished] {
        let before = files(run);
        for other in
            [("model.net", "logistic"), ("optimizer", "adadelta"), ("data.source", "three-stripes")]
        {
            let settings = [("train.epochs", "4"), ("log.tensorboard", "true"), other];
            plan(&settings).unwrap();
            let failed = resume(&settings, run, true, Vec::new());
            assert!(failed.is_err(), "{other:?}");
            assert!(files(run) == before, "{other:?}");
        }
    }
    // What fits goes on.
    resume(&[("train.epochs", "4")], &finished, true, Vec::new()).unwrap();
}

#[test]
fn a_finished_run_that_cannot_go_on_says_why_at_once() {
    let folder = tempdir().unwrap();
    let said = |name: &str, settings: &[(&str, &str)], other: &[(&str, &str)]| {
        let out = folder.path().join(name);
        begin(settings, &out, Vec::new()).unwrap();
        let other = [settings, other].concat();
        let both = [false, true]
            .map(|force| resume(&other, &out, force, Vec::new()).unwrap_err().to_string());
        assert_eq!(both[0], both[1]);
        both[0].clone()
    };
    let clip = [("train.clip_norm", "0.5")];
    let error = said("epochs", &[], &clip);
    assert!(error.contains("finished after 3 epochs; set `train.epochs` higher"), "{error}");
    let error = said("steps", &[("train.max_steps", "7")], &clip);
    assert!(error.contains("finished after 7 updates; set `train.max_steps` higher"), "{error}");
    let error = said("none", &[("checkpoint.enabled", "false")], &clip);
    assert!(error.contains("is finished and has no checkpoint"), "{error}");
}

const RUN: &[&str] = &[
    "train",
    "--data",
    "digits",
    "--net",
    "mlp",
    "--batch-size",
    "64",
    "--quiet",
    "--set",
    "checkpoint.every_steps=7",
    "--resume",
];

pub fn command(epochs: &str, out: &Path) -> Command {
    let mut command = taper(RUN);
    command.args(["--epochs", epochs, "--out", arg(out)]);
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

/// Runs to the end, and gives the bytes of the model.
fn complete(epochs: &str, out: &Path) -> Vec<u8> {
    let output = command(epochs, out).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    model(out)
}

/// Kills a command at moments from its first to its last, so also before its folder is there and while it writes the
/// page, and gives it again. `TAPER_KILLS` says how many times; default 6.
#[test]
fn a_command_that_was_killed_at_any_moment_ends_as_one_that_was_not_when_it_is_given_again() {
    let kills: u32 = std::env::var("TAPER_KILLS").map_or(6, |text| text.parse().unwrap());
    let folder = tempdir().unwrap();
    let whole = folder.path().join("whole");
    let began = Instant::now();
    let expected = complete("1", &whole);
    let duration = began.elapsed();
    // Times and the place of the run aside, a file has the same bytes.
    let names = |run: &Path| {
        let names = std::fs::read_dir(run).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    };
    let bytes = |run: &Path, name: &str| std::fs::read(run.join(name)).unwrap();
    let (mut killed, mut no_folder, mut finished, mut n) = (0, 0, 0, 0u32);
    while killed < kills {
        n += 1;
        let out = folder.path().join(format!("killed-{n}"));
        let mut child = command("1", &out).spawn().unwrap();
        // Spread over the whole of it and a little more, each time a fraction of a step later.
        let share = f64::from(n % kills.max(7)) + f64::from(n / kills.max(7)) / 7.0;
        std::thread::sleep(duration.mul_f64(1.2 * share / f64::from(kills.max(7))));
        child.kill().unwrap();
        if child.wait_with_output().unwrap().status.success() {
            std::fs::remove_dir_all(&out).unwrap();
            continue;
        }
        killed += 1;
        no_folder += u32::from(!out.exists());
        finished += u32::from(out.join("metrics.json").exists());
        assert!(complete("1", &out) == expected, "kill {n}: another model");
        assert_eq!(names(&out), names(&whole), "kill {n}");
        for name in ["recipe.toml", "config.json"] {
            assert_eq!(bytes(&out, name), bytes(&whole, name), "kill {n}: {name}");
        }
        assert_eq!(history(&out), history(&whole), "kill {n}");
        std::fs::remove_dir_all(&out).unwrap();
    }
    println!(
        "{killed} kills ({no_folder} before there was a folder, {finished} after the results): same bytes"
    );
}

/// Kills runs, at random moments and at every stage of a save, resuming each time. `TAPER_KILLS`
/// says how many times; default 6.
#[test]
fn a_run_that_is_killed_again_and_again_ends_with_the_bits_of_one_that_was_not() {
    let kills: u32 = std::env::var("TAPER_KILLS").map_or(6, |text| text.parse().unwrap());
    let folder = tempdir().unwrap();
    let epochs = "4";
    let began = Instant::now();
    let expected = complete(epochs, &folder.path().join("whole"));
    let duration = began.elapsed().as_millis() as u64;

    let mut random = 1u64;
    let mut next = |below: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (random >> 33) % below
    };
    let (mut killed, mut in_a_save, mut runs) = (0, 0, 0);
    while killed < kills {
        let out = folder.path().join(format!("killed-{runs}"));
        runs += 1;
        // The last run is completed when the kills are used up.
        while killed < kills && !out.join("metrics.json").exists() {
            let mut command = command(epochs, &out);
            let in_save = next(2) == 0;
            let mut child = if in_save {
                let stage = ["write", "sync", "rename", "prune"][next(4) as usize];
                let at = format!("{stage}:{}", 1 + next(4));
                command.env("TAPER_TEST_DIE", at).spawn().unwrap()
            } else {
                command.spawn().unwrap()
            };
            if !in_save {
                std::thread::sleep(Duration::from_millis(next(duration)));
                child.kill().unwrap();
            }
            let output = child.wait_with_output().unwrap();
            if !output.status.success() {
                assert_eq!(output.status.code(), None, "{}", stderr(&output));
                killed += 1;
                in_a_save += u32::from(in_save);
            }
            // Whenever it was, what has a checkpoint's name is whole.
            let newest = Checkpoints::newest(&out.join("checkpoints")).unwrap();
            assert!(newest.broken.is_empty(), "{:?}", newest.broken);
        }
        assert!(complete_or_done(epochs, &out) == expected, "{}", out.display());
        std::fs::remove_dir_all(&out).unwrap();
    }
    println!("{killed} kills ({in_a_save} of them within a save) over {runs} runs: same bytes");
}

fn complete_or_done(epochs: &str, out: &Path) -> Vec<u8> {
    if out.join("metrics.json").exists() { model(out) } else { complete(epochs, out) }
}

#[test]
fn a_run_resumed_with_another_number_of_threads_ends_with_the_same_bits() {
    let folder = tempdir().unwrap();
    let expected = complete("2", &folder.path().join("whole"));
    let out = folder.path().join("run");
    let mut one = command("2", &out);
    let died = one.env("RAYON_NUM_THREADS", "1").env("TAPER_TEST_DIE", "prune:2").output().unwrap();
    assert!(!died.status.success());
    let three = command("2", &out).env("RAYON_NUM_THREADS", "3").output().unwrap();
    assert!(three.status.success(), "{}", stderr(&three));
    assert!(model(&out) == expected);
}

#[cfg(unix)]
#[test]
fn a_signal_ends_a_run_in_order_and_resume_finishes_it() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let folder = tempdir().unwrap();
        let out = folder.path().join("run");
        let child = command("200", &out).spawn().unwrap();
        let checkpoints = out.join("checkpoints");
        wait_for(|| std::fs::read_dir(&checkpoints).is_ok_and(|files| files.count() > 0));
        let kill = Command::new("kill").args(["-s", signal, &child.id().to_string()]).status();
        assert!(kill.unwrap().success());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
        let text = stderr(&output);
        assert!(text.starts_with("stopped after step ") && text.contains("`resume "), "{text}");
        assert_eq!(text.lines().count(), 1, "{text}");
        let newest = Checkpoints::newest(&checkpoints).unwrap().found.unwrap().1;
        assert!(text.contains(&format!("after step {};", newest.header.position.step)), "{text}");
    }
}

#[cfg(unix)]
fn wait_for(condition: impl Fn() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < Duration::from_secs(120), "nothing happens");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_last_batch_of_one_image_goes_into_the_one_before_where_a_batch_norm_needs_it() {
    // 26 images in batches of 5.
    let over = ("data.limit", "26");
    check_exact(&[over], &[3, 5, 6]);
    check_exact(&[over, ("train.accumulate", "2")], &[3, 5]);
    check_exact(&[over, ("train.pieces", "2")], &[3, 5]);
    check_exact(&[over, ("train.balance", "sampling"), ("augment.mixup", "0.4")], &[5, 9]);
    let folder = tempdir().unwrap();
    let trained = |name: &str, settings: &[(&str, &str)]| {
        let settings = [&[over][..], settings].concat();
        let outcome = begin(&settings, &folder.path().join(name), Vec::new()).unwrap();
        let told = outcome.notes.iter().any(|note| note.starts_with("the last batch of an epoch"));
        (outcome.results.trained.steps, outcome.results.trained.images, told)
    };
    assert_eq!(trained("all", &[]), (15, 78, true));
    assert_eq!(trained("sizes", &[("train.batch_size", "6")]), (15, 78, false));
    // Nothing is changed where no batch norm is trained.
    assert_eq!(trained("head", &[("method", "head")]), (18, 78, false));
    assert_eq!(trained("frozen", &[("model.freeze_statistics", "true")]), (18, 78, false));
    let alone = |settings: &[(&str, &str)]| {
        begin(settings, &folder.path().join("alone"), Vec::new()).unwrap_err().to_string()
    };
    let error = alone(&[("train.batch_size", "1")]);
    assert!(
        error.contains("batch norm `norm`") && error.contains("`train.batch_size` is 1"),
        "{error}"
    );
    let error = alone(&[("train.batch_size", "4"), ("train.pieces", "4")]);
    assert!(error.contains("cut into `train.pieces` of 1"), "{error}");
    let error = alone(&[("data.limit", "1")]);
    assert!(error.contains("there is one image to train on"), "{error}");
    assert!(!folder.path().join("alone").exists());
}

#[test]
fn the_command_resume_finishes_a_run_and_says_when_it_is_finished() {
    let folder = tempdir().unwrap();
    let out = folder.path().join("run");
    let died = command("2", &out).env("TAPER_TEST_DIE", "prune:3").output().unwrap();
    assert!(!died.status.success());
    let result = json(&["resume", arg(&out), "--quiet"]);
    assert_eq!(result["steps"], 46);
    let output = taper(&["resume", arg(&out)]).output().unwrap();
    assert!(output.status.success());
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(said, format!("{} is finished; there is nothing to resume\n", out.display()));
}

/// A file may not grow beyond half a megabyte: the disk is full, as far as the program can tell.
#[cfg(unix)]
#[test]
fn a_full_disk_ends_in_one_line_and_leaves_the_last_checkpoint_whole() {
    let folder = tempdir().unwrap();
    let expected = complete("2", &folder.path().join("whole"));
    let out = folder.path().join("run");
    let died = command("2", &out).env("TAPER_TEST_DIE", "prune:2").output().unwrap();
    assert!(!died.status.success());

    let full = command("2", &out);
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' XFSZ; ulimit -f 1000; exec \"$0\" \"$@\""]);
    shell.arg(full.get_program()).args(full.get_args());
    let output = shell.output().unwrap();
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.contains("File too large") && text.contains("go on from "), "{text}");
    let newest = Checkpoints::newest(&out.join("checkpoints")).unwrap();
    assert!(newest.broken.is_empty() && newest.found.is_some());
    assert!(complete("2", &out) == expected);
}

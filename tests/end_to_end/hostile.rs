//! What an attacker, an accident or a limit of the machine does to the program: an answer, or an error in a line.

use std::collections::HashMap;
use std::process::{Command, Stdio};

use candle_core::{Device, Tensor};
use tempfile::tempdir;

use crate::program::{arg, error, image_folder, json, stderr, taper};
use crate::small::begin;

/// The program with arguments, after a line of the shell that limits it.
#[cfg(unix)]
fn limited(limit: &str, args: &[&str]) -> Command {
    let mut command = Command::new("bash");
    command.args(["-c", &format!("{limit}; exec \"$0\" \"$@\"")]);
    command.arg(taper(&[]).get_program()).args(args);
    command
}

#[cfg(unix)]
#[test]
fn a_run_of_twenty_thousand_classes_ends_with_its_metrics_table_and_page() {
    let folder = tempdir().unwrap();
    let (data, run) = (folder.path().join("many.safetensors"), folder.path().join("run"));
    let labels: Vec<i64> = (0..40_000).map(|n| n / 2).collect();
    let pixels: Vec<u8> = (0..40_000 * 64).map(|n| (n % 251) as u8).collect();
    let images = Tensor::from_vec(pixels, (40_000, 8, 8), &Device::Cpu).unwrap();
    let labels = Tensor::from_vec(labels, 40_000, &Device::Cpu).unwrap();
    let tensors = HashMap::from([("images", images), ("labels", labels)]);
    candle_core::safetensors::save(&tensors, &data).unwrap();
    // A table of all pairs of classes would have 3.2 GB.
    let args = ["train", "--data", arg(&data), "--net", "lenet5", "--max-steps", "2"];
    let more = ["--set", "data.test_fraction=0.01", "-q", "--out", arg(&run)];
    let output = limited("ulimit -v 3000000", &[&args[..], &more].concat()).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(String::from_utf8_lossy(&output.stdout).lines().count() > 20_000);
    let size = |name: &str| std::fs::metadata(run.join(name)).unwrap().len();
    assert!(size("metrics.json") < 10 << 20 && size("report.html") < 20 << 20);
    let output = limited("ulimit -v 3000000", &["report", arg(&run)]).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
}

#[cfg(target_os = "linux")]
#[test]
fn threads_that_the_system_denies_are_an_error_in_a_line() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let folder = tempdir().unwrap();
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o777)).unwrap();
    let run = folder.path().join("run");
    let train = ["train", "--data", "digits", "--net", "mlp", "--epochs", "1", "-q", "--out"];
    let mut command = limited("ulimit -u 2", &[&train[..], &[arg(&run)]].concat());
    if std::fs::metadata("/proc/self").unwrap().uid() == 0 {
        // The limit is none for the system's administrator.
        let mut other = Command::new("setpriv");
        other.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]);
        other.arg(command.get_program()).args(command.get_args());
        command = other;
    }
    let output = command.current_dir(folder.path()).output().unwrap();
    let told = stderr(&output);
    assert_eq!((output.status.code(), told.lines().count()), (Some(1), 1), "{told}");
    assert!(told.starts_with("error: ") && told.contains("thread"), "{told}");
    assert!(!run.exists());
}

#[test]
fn of_resumes_at_once_one_finishes_the_run_and_the_others_say_so() {
    let folder = tempdir().unwrap();
    let out = folder.path().join("run");
    let died = crate::resume::command("2", &out).env("TAPER_TEST_DIE", "prune:3").output().unwrap();
    assert!(!died.status.success());
    let resume = |n: u64| {
        std::thread::sleep(std::time::Duration::from_millis(40 * n));
        let mut command = taper(&["resume", arg(&out)]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let children: Vec<_> = [0, 0, 1, 1, 1, 2, 2, 3, 4, 5].into_iter().map(resume).collect();
    let mut trained = 0;
    for child in children {
        let output = child.wait_with_output().unwrap();
        let (told, said) = (stderr(&output), String::from_utf8_lossy(&output.stdout).into_owned());
        match output.status.code() {
            Some(0) if said.contains("is finished; there is nothing to resume") => {}
            Some(0) => trained += 1,
            _ => assert!(told.contains("another process is at work on this run"), "{told}"),
        }
    }
    assert_eq!(trained, 1);
    let history = std::fs::read_to_string(out.join("history.jsonl")).unwrap();
    assert_eq!(history.matches("\"finished\"").count(), 1, "{history}");
}

#[test]
fn nothing_that_is_read_is_written_over() {
    let folder = tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (a, b) = (at("a"), at("b"));
    for run in [&a, &b] {
        begin(&[("train.epochs", "1")], run, Vec::new()).unwrap();
    }
    for name in ["model.safetensors", "recipe.toml", "history.jsonl", "metrics.json", "SHA256SUMS"]
    {
        let before = std::fs::read(a.join(name)).unwrap();
        error(&["report", arg(&a), arg(&b), "--out", arg(&a.join(name))]);
        assert!(before == std::fs::read(a.join(name)).unwrap(), "{name}");
    }
    // Pictures that are read, by their names and by another.
    let data = image_folder(folder.path(), 3);
    let picture = data.join("cat/0.png");
    let before = std::fs::read(&picture).unwrap();
    let other = data.join("dog/../cat/0.png");
    for place in [&picture, &other] {
        let told = error(&["read", arg(&picture), "--annotated", arg(place)]);
        assert!(told.contains("is the picture that is read"), "{told}");
    }
    assert!(before == std::fs::read(&picture).unwrap());
    // Images that are looked at, among which pictures would be images.
    for out in [data.clone(), data.join("cat"), data.join("new/folder")] {
        let told = error(&["inspect", "--data", arg(&data), "--out", arg(&out), "-q"]);
        assert!(told.contains("is in the data that is looked at; choose another folder"), "{told}");
    }
    assert_eq!(std::fs::read_dir(&data).unwrap().count(), 2);
    // A folder with a recipe of one's own is no run.
    let mine = at("mine");
    std::fs::create_dir_all(mine.join("transformers")).unwrap();
    std::fs::write(mine.join("recipe.toml"), "seed = 1\n").unwrap();
    std::fs::write(mine.join("transformers/notes"), "mine").unwrap();
    let recipe = mine.join("recipe.toml");
    let train = ["train", "--recipe", arg(&recipe), "--data", "digits", "--fast-dev-run", "-q"];
    let told = error(&[&train[..], &["--out", arg(&mine), "--overwrite"]].concat());
    assert!(told.contains("is not empty and holds no run"), "{told}");
    assert!(mine.join("transformers/notes").exists());
}

#[cfg(unix)]
#[test]
fn a_page_takes_the_place_of_no_device_and_no_pipe() {
    let folder = tempdir().unwrap();
    let (a, pipe) = (folder.path().join("a"), folder.path().join("pipe"));
    begin(&[("train.epochs", "1")], &a, Vec::new()).unwrap();
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let device = folder.path().join("device");
    std::os::unix::fs::symlink("/dev/null", &device).unwrap();
    for (place, what) in [(&pipe, "a pipe"), (&device, "a device")] {
        let told = error(&["report", arg(&a), arg(&a), "--out", arg(place)]);
        assert!(told.ends_with(&format!("it is {what}, expected a file")), "{told}");
    }
    assert!(device.is_symlink());
}

#[cfg(unix)]
#[test]
fn links_that_lead_in_a_circle_give_one_answer_to_an_image() {
    let folder = tempdir().unwrap();
    let run = folder.path().join("run");
    let train = ["train", "--data", "digits", "--net", "lenet5", "--fast-dev-run", "-q", "--out"];
    json(&[&train[..], &[arg(&run)]].concat());
    let data = image_folder(folder.path(), 1);
    for (link, to) in [("x", "."), ("y", "."), ("cat/up", ".."), ("dog/cat", "../cat")] {
        std::os::unix::fs::symlink(to, data.join(link)).unwrap();
    }
    let args = ["predict", "--run", arg(&run), arg(&data), "--format", "jsonl"];
    let output = taper(&args).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!((output.status.code(), said.lines().count()), (Some(0), 2), "{said}");
}

#[test]
fn a_file_of_results_that_contradicts_itself_is_an_error() {
    let folder = tempdir().unwrap();
    let run = folder.path().join("run");
    begin(&[("train.epochs", "1")], &run, Vec::new()).unwrap();
    std::fs::remove_file(run.join("SHA256SUMS")).unwrap();
    let path = run.join("metrics.json");
    let right: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    for (table, key) in
        [("data", "class_names"), ("data", "train"), ("data", "test"), ("report", "classes")]
    {
        let mut wrong = right.clone();
        wrong[table][key].as_array_mut().unwrap().truncate(1);
        std::fs::write(&path, wrong.to_string()).unwrap();
        let told = error(&["report", arg(&run)]);
        let expected = format!("{table}.{key} has 1 classes, the confusion matrix 2");
        assert!(told.ends_with(&expected), "{told}");
    }
}

#[test]
fn numbers_that_nobody_can_mean_are_refused_before_the_first_step() {
    let folder = tempdir().unwrap();
    let out = folder.path().join("run");
    let huge = "9223372036854775807";
    let train = ["--data", "digits", "--net", "mlp", "-q", "--out", arg(&out)];
    for (key, most) in [
        ("train.epochs", "at most 250000"),
        ("guard.skip_limit", "at most 250000"),
        ("checkpoint.keep_best", "at most 8192"),
    ] {
        let set = format!("{key}={huge}");
        let told = error(&[&["train"][..], &train, &["--set", &set]].concat());
        assert!(told.contains(key) && told.contains(most), "{told}");
    }
    let told = error(&[&["lr-find"][..], &train, &["--steps", huge]].concat());
    assert!(told.contains("expected 10 to 1000000"), "{told}");
    let file = folder.path().join("search.toml");
    let text = format!("[search]\ntrials = {huge}\n[space]\n\"seed\" = {{ choices = [1, 2] }}\n");
    std::fs::write(&file, text).unwrap();
    let told = error(&[&["search", arg(&file)][..], &train].concat());
    assert!(told.contains("search.trials") && told.contains("at most 100000"), "{told}");
    assert!(!out.exists());
    // One that records each of very many steps.
    let more = ["--epochs", "250000", "--batch-size", "1", "--set", "log.every_steps=1"];
    let told = error(&[&["train"][..], &train, &more].concat());
    assert!(told.contains("log.every_steps"), "{told}");
    json(&[&["train"][..], &train, &["--fast-dev-run"]].concat());
}

#[test]
fn a_recipe_that_could_not_be_read_again_is_refused() {
    let folder = tempdir().unwrap();
    let (recipe, out) = (folder.path().join("mine.toml"), folder.path().join("run"));
    // As large as may be, and the run's has all other settings, too.
    let text = format!("[card]\nlicense = '{}'\n", "x".repeat(1_048_000));
    std::fs::write(&recipe, text).unwrap();
    let train = ["train", "--recipe", arg(&recipe), "--data", "digits", "--net", "mlp"];
    let told = error(&[&train[..], &["--fast-dev-run", "-q", "--out", arg(&out)]].concat());
    assert!(told.contains("the limit of what can be read again is 1048576"), "{told}");
    assert!(!out.join("metrics.json").exists());
}

#[test]
fn an_adapter_whose_description_contradicts_its_tensors_is_an_error() {
    let folder = tempdir().unwrap();
    let run = folder.path().join("run");
    let finetune =
        ["finetune", "--method", "lora", "--fast-dev-run", "--limit", "60", "-q", "--out"];
    json(&[&finetune[..], &[arg(&run)]].concat());
    std::fs::remove_file(run.join("SHA256SUMS")).unwrap();
    let path = run.join("adapter_config.json");
    let right: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let targets = right["target_modules"].as_array().unwrap();
    let more = [&targets[..], &["nowhere".into()]].concat();
    for (key, value) in [
        ("r", 1.into()),
        ("lora_alpha", 3.into()),
        ("target_modules", targets[1..].into()),
        ("target_modules", more.into()),
        ("bias", "all".into()),
        ("fan_in_fan_out", true.into()),
        ("modules_to_save", serde_json::Value::Null),
    ] {
        let mut wrong = right.clone();
        wrong[key] = value;
        std::fs::write(&path, wrong.to_string()).unwrap();
        let told = error(&["evaluate", "--run", arg(&run)]);
        assert!(told.contains("adapter_config.json") && told.contains(key), "{key}: {told}");
    }
    std::fs::write(&path, right.to_string()).unwrap();
    json(&["evaluate", "--run", arg(&run)]);
}

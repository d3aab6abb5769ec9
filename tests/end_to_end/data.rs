//! Data as people have it: the same images from every kind of source, parts of them, broken ones.

use std::path::{Path, PathBuf};

use tempfile::tempdir;

use crate::program::{arg, error, idx_folder, image_folder, json, stderr, taper};

/// Trains a little and gives the bytes of the model.
fn train(folder: &Path, out: &str, data: &str, settings: &[&str]) -> Vec<u8> {
    let out = folder.join(out);
    let mut command = taper(&["train", "--net", "mlp", "--epochs", "1", "--quiet"]);
    command.args(["--data", data, "--out", arg(&out), "--batch-size", "4"]).args(settings);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    std::fs::read(out.join("model.safetensors")).unwrap()
}

#[test]
fn the_same_images_give_the_same_weights_from_a_folder_and_from_a_list() {
    let folder = tempdir().unwrap();
    let data = image_folder(folder.path(), 12);
    let mut csv = "label,path\n".to_string();
    let mut lines = String::new();
    // In another order than the folder's: by class and name it is the same.
    for class in ["dog", "cat"] {
        let mut names: Vec<String> = (0..12).map(|i| format!("{i}.png")).collect();
        names.sort();
        for name in names {
            csv += &format!("{class},data/{class}/{name}\n");
            lines += &format!("{{\"path\": \"data/{class}/{name}\", \"label\": \"{class}\"}}\n");
        }
    }
    std::fs::write(folder.path().join("list.csv"), csv).unwrap();
    std::fs::write(folder.path().join("list.jsonl"), lines).unwrap();
    let whole = train(folder.path(), "a", arg(&data), &[]);
    for (out, list) in [("b", "list.csv"), ("c", "list.jsonl")] {
        let list = folder.path().join(list);
        assert!(whole == train(folder.path(), out, arg(&list), &[]), "{out}");
    }
    // Whether images are kept in memory changes nothing either.
    assert!(whole == train(folder.path(), "d", arg(&data), &["--set", "data.cache_mib=0"]));
    assert!(whole != train(folder.path(), "e", arg(&data), &["--augment", "light"]));
}

#[test]
fn a_resized_crop_is_taken_from_the_images_as_they_are() {
    let folder = tempdir().unwrap();
    let data = image_folder(folder.path(), 12);
    let crop = ["--set", "augment.resized_crop=[0.3, 1]"];
    let kept = train(folder.path(), "a", arg(&data), &crop);
    let again = [&crop[..], &["--set", "data.cache_mib=0"]].concat();
    assert!(kept == train(folder.path(), "b", arg(&data), &again));
}

#[test]
fn parts_of_the_data_are_what_the_flags_say() {
    let folder = tempdir().unwrap();
    let out = folder.path().join("run");
    let run = json(&[
        "train",
        "--net",
        "mlp",
        "--epochs",
        "1",
        "--quiet",
        "--data",
        "digits",
        "--classes",
        "7,1",
        "--per-class",
        "20",
        "--out",
        arg(&out),
    ]);
    let config = std::fs::read_to_string(out.join("config.json")).unwrap();
    let config: serde_json::Value = serde_json::from_str(&config).unwrap();
    assert_eq!(config["label_names"], serde_json::json!(["7", "1"]), "{run}");
    let history = std::fs::read_to_string(out.join("history.jsonl")).unwrap();
    let first: serde_json::Value = serde_json::from_str(history.lines().next().unwrap()).unwrap();
    assert_eq!(first["images"], 40, "{first}");
    let line = error(&["train", "--data", "digits", "--classes", "seven", "--quiet"]);
    assert!(line.contains("there is no class `seven`; there are 0, 1, 2, …, 9"), "{line}");
}

#[test]
fn broken_images_are_all_listed_or_left_out() {
    let folder = tempdir().unwrap();
    let data = image_folder(folder.path(), 12);
    for name in ["cat/3.png", "dog/7.png"] {
        std::fs::write(data.join(name), "no image").unwrap();
    }
    let out = folder.path().join("run");
    let args = ["train", "--net", "mlp", "--epochs", "1", "--quiet", "--data", arg(&data)];
    for cache in ["data.cache_mib=0", "data.cache_mib=1024"] {
        let output = taper(&args).args(["--set", cache, "--out", arg(&out)]).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        let text = stderr(&output);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{text}");
        assert!(lines[0].starts_with("error: 2 of "), "{text}");
        assert!(lines[1].contains("3.png is not a readable image"), "{text}");
        assert!(lines[2].contains("7.png is not a readable image"), "{text}");
        assert!(!out.join("model.safetensors").exists());
    }
    let skip = ["--set", "data.broken=skip", "--out", arg(&out)];
    let loud = args.into_iter().filter(|arg| *arg != "--quiet").collect::<Vec<_>>();
    let output = taper(&loud).args(skip).output().unwrap();
    let text = stderr(&output);
    assert!(output.status.success(), "{text}");
    assert!(text.starts_with("train leaves out 2 images that cannot be read\n  "), "{text}");
    assert_eq!(text.matches(".png is not a readable image").count(), 2, "{text}");
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("seed 0), left out: 2 images that cannot be read\n"), "{said}");
    let history = std::fs::read_to_string(out.join("history.jsonl")).unwrap();
    let first: serde_json::Value = serde_json::from_str(history.lines().next().unwrap()).unwrap();
    assert_eq!(first["event"], "left_out", "{first}");
    assert_eq!(first["counts"], serde_json::json!({ "images that cannot be read": 2 }));
    assert!(first["faults"][0].as_str().unwrap().contains("3.png is not a readable"), "{first}");

    std::fs::remove_file(data.join("cat/3.png")).unwrap();
    let line = error(&[&args[..], &["--out", arg(&folder.path().join("one"))]].concat());
    assert!(line.contains("7.png is not a readable image"), "{line}");
    assert!(line.ends_with("or leave it out with data.broken=skip"), "{line}");
}

#[test]
fn what_is_not_taken_is_told_wherever_a_run_tells_of_its_data() {
    let folder = tempdir().unwrap();
    let data = image_folder(folder.path(), 6);
    std::fs::create_dir_all(data.join("cat/2024")).unwrap();
    std::fs::rename(data.join("cat/0.png"), data.join("cat/2024/0.JPE")).unwrap();
    for name in ["cat/a.heic", "dog/b.heic", "dog/2024.txt", ".x.png"] {
        std::fs::write(data.join(name), "no image").unwrap();
    }
    let out = folder.path().join("run");
    let run = ["train", "--net", "mlp", "--epochs", "1", "--quiet", "--data", arg(&data)];
    let run = json(&[&run[..], &["--out", arg(&out)]].concat());
    let counts =
        serde_json::json!({ ".heic files": 2, ".txt files": 1, "hidden images or folders": 1 });
    assert_eq!(run["left_out"], counts);
    let line = run["data"].as_str().unwrap();
    assert!(line.contains("2 classes, 10 images to train on, 2 held out"), "{line}");
    let told = ", left out: 2 .heic files, 1 .txt files, 1 hidden images or folders";
    assert!(line.ends_with(told), "{line}");
    let history = std::fs::read_to_string(out.join("history.jsonl")).unwrap();
    let first: serde_json::Value = serde_json::from_str(history.lines().next().unwrap()).unwrap();
    assert_eq!((&first["event"], &first["counts"]), (&"left_out".into(), &counts), "{first}");
}

#[test]
fn classes_without_an_image_to_train_on_are_named() {
    let folder = tempdir().unwrap();
    let data = image_folder(folder.path(), 6);
    std::fs::create_dir(data.join("owl")).unwrap();
    std::fs::write(data.join("owl/0.png"), "no image").unwrap();
    let out = folder.path().join("run");
    let train = ["train", "--net", "mlp", "--epochs", "1", "--quiet", "--out", arg(&out)];
    let skip = ["--data", arg(&data), "--set", "data.broken=skip"];
    let run = json(&[&train[..], &skip].concat());
    let warning = "1 of 3 classes have no image to train on (owl): the net will never see them";
    assert_eq!(run["warnings"][0], warning);
    // The only image of a class is not held out.
    std::fs::copy(data.join("cat/0.png"), data.join("owl/0.png")).unwrap();
    let run = json(&[&train[..], &skip, &["--overwrite"]].concat());
    assert_eq!(run["warnings"], serde_json::json!([]));
}

#[test]
fn without_a_held_out_part_it_is_said_what_is_scored() {
    let folder = tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::rename(image_folder(folder.path(), 6), folder.path().join("train")).unwrap();
    std::fs::create_dir(&data).unwrap();
    std::fs::rename(folder.path().join("train"), data.join("train")).unwrap();
    let out = folder.path().join("run");
    let train = |data: &Path, more: &[&str]| {
        let run = ["train", "--net", "mlp", "--epochs", "1", "--quiet", "--data", arg(data)];
        let output = taper(&run).args(["--overwrite", "--out", arg(&out)]).args(more).output();
        let output = output.unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        let card = std::fs::read_to_string(out.join("README.md")).unwrap();
        (String::from_utf8(output.stdout).unwrap(), card)
    };
    let nothing = ["--set", "data.test_fraction=0"];
    let (text, card) = train(&data.join("train"), &nothing);
    let line = "12 images to train on, none held out: the images trained on are scored\n";
    assert!(text.contains(line) && text.contains("\nOn 12 training images"), "{text}");
    assert!(card.contains("split: train\n"), "{card}");
    assert!(card.contains("On 12 training images, the same that were trained on"), "{card}");

    let _ = std::fs::create_dir(data.join("val"));
    for class in ["cat", "dog"] {
        std::fs::create_dir(data.join("val").join(class)).unwrap();
        let from = data.join("train").join(class).join("0.png");
        std::fs::rename(from, data.join("val").join(class).join("0.png")).unwrap();
    }
    for more in [&[][..], &nothing] {
        let (text, card) = train(&data, more);
        let line = "10 images to train on, 2 for validation, none held out: the validation images \
                    are scored\n";
        assert!(text.contains(line) && text.contains("\nOn 2 validation images"), "{text}");
        assert!(card.contains("split: validation\n"), "{card}");
    }
}

#[test]
fn images_that_are_not_asked_for_are_not_opened() {
    let folder = tempdir().unwrap();
    let data = image_folder(folder.path(), 12);
    let out = folder.path().join("run");
    let run = ["train", "--net", "mlp", "--epochs", "1", "--quiet", "--data", arg(&data)];
    let limit = ["--overwrite", "--out", arg(&out), "--limit"];
    // With every image broken in turn, a run on two of each part stops for four of them.
    let stops = |name: &str| {
        let path = data.join(name);
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, "no image").unwrap();
        let output = taper(&run).args(limit).arg("2").output().unwrap();
        std::fs::write(&path, whole).unwrap();
        !output.status.success()
    };
    let names = (0..12).flat_map(|i| [format!("cat/{i}.png"), format!("dog/{i}.png")]);
    assert_eq!(names.filter(|name| stops(name)).count(), 4);
}

#[test]
fn images_that_are_not_asked_for_are_not_looked_at_for_faults_either() {
    let folder = tempdir().unwrap();
    let data = image_folder(folder.path(), 12);
    let out = folder.path().join("run");
    let skip = ["--set", "data.broken=skip", "--quiet", "--data", arg(&data)];
    let run = [&["train", "--net", "mlp", "--epochs", "1", "--out", arg(&out)][..], &skip].concat();
    let left_out =
        |said: &serde_json::Value| said["left_out"]["images that cannot be read"].as_u64();
    for class in ["cat", "dog"] {
        (0..12).for_each(|i| std::fs::write(data.join(format!("{class}/{i}.png")), "no").unwrap());
    }
    let line = error(&run);
    assert!(line.contains("none of ") && line.contains(".png is not a readable image"), "{line}");
    let again = image_folder(&folder.path().join("again"), 12);
    std::fs::remove_dir_all(&data).unwrap();
    std::fs::rename(again, &data).unwrap();
    // Of two images of each part, one that is broken in each is left out.
    let mut broken = Vec::new();
    for name in (0..12).flat_map(|i| [format!("cat/{i}.png"), format!("dog/{i}.png")]) {
        let whole = std::fs::read(data.join(&name)).unwrap();
        std::fs::write(data.join(&name), "no image").unwrap();
        let said = json(&[&run[..], &["--overwrite", "--limit", "2"]].concat());
        broken.extend(left_out(&said).map(|count| (name.clone(), count)));
        std::fs::write(data.join(&name), whole).unwrap();
    }
    assert_eq!(broken.iter().map(|(_, count)| *count).collect::<Vec<_>>(), [1; 4], "{broken:?}");

    // What is trained on is not looked at when the rest is scored, which is divided as it was.
    json(&[&run[..], &["--overwrite"]].concat());
    let score = ["evaluate", "--run", arg(&out)];
    let before = json(&score);
    let held_out = before["n"].as_u64();
    let mut fewer = 0;
    for name in (0..12).flat_map(|i| [format!("cat/{i}.png"), format!("dog/{i}.png")]) {
        let whole = std::fs::read(data.join(&name)).unwrap();
        std::fs::write(data.join(&name), "no image").unwrap();
        let now = json(&score);
        std::fs::write(data.join(&name), whole).unwrap();
        let images = now["n"].as_u64();
        let warnings = now["warnings"].to_string();
        if images != held_out {
            fewer += 1;
            assert!(warnings.contains("1 images cannot be read and are left out: "), "{now}");
        } else {
            assert_eq!(now["warnings"], serde_json::json!([]), "{now}");
        }
    }
    assert_eq!(Some(fewer), held_out);
}

#[test]
fn images_that_are_left_out_stay_part_of_the_data_that_a_run_had() {
    let folder = tempdir().unwrap();
    let data = image_folder(folder.path(), 12);
    let out = folder.path().join("run");
    let names: Vec<String> =
        (0..12).flat_map(|i| [format!("cat/{i}.png"), format!("dog/{i}.png")]).collect();
    let skip = ["--set", "data.broken=skip", "--quiet", "--data", arg(&data), "--out", arg(&out)];
    let run = [&["train", "--net", "mlp", "--epochs", "1"][..], &skip, &["--overwrite"]].concat();
    let warned = || json(&["evaluate", "--run", arg(&out)])["warnings"].to_string();
    let is_told = |warnings: &str| warnings.contains("the run's data is not what it was");
    // One that is trained on and validated on is one image that is left out.
    let overfit = [&run[..], &["--overfit-batches", "1", "--batch-size", "16"]].concat();
    let is_left_out_twice = |name: &String| {
        let whole = std::fs::read(data.join(name)).unwrap();
        std::fs::write(data.join(name), "no image").unwrap();
        let said = json(&overfit);
        let warnings = warned();
        assert!(!is_told(&warnings), "{name}: {warnings}");
        std::fs::write(data.join(name), whole).unwrap();
        said["data"].as_str().unwrap().contains("15 images to train on, 15 for validation")
    };
    assert!(names.iter().any(is_left_out_twice));
    // It says nothing of the others, whose classes may have changed.
    std::fs::write(data.join("cat/3.png"), "no image").unwrap();
    json(&run);
    assert!(!is_told(&warned()));
    std::fs::rename(data.join("cat/5.png"), data.join("dog/12.png")).unwrap();
    let warnings = warned();
    assert!(is_told(&warnings), "{warnings}");
}

#[test]
fn columns_are_named_by_settings() {
    let folder = tempdir().unwrap();
    let data = image_folder(folder.path(), 6);
    let list = folder.path().join("list.csv");
    let mut text = "kind,photo\n".to_string();
    for item in 0..6 {
        text += &format!("cat,data/cat/{item}.png\ndog,data/dog/{item}.png\n");
    }
    std::fs::write(&list, text).unwrap();
    let line = error(&["train", "--data", arg(&list), "--quiet"]);
    assert!(line.contains("neither an image (there is no `kind`)"), "{line}");
    let columns = ["--set", "data.image_column=photo", "--set", "data.label_column=kind"];
    let named = train(folder.path(), "a", arg(&list), &columns);
    // Without folder and ending, which other settings give.
    let text = std::fs::read_to_string(&list).unwrap().replace("data/", "").replace(".png", "");
    std::fs::write(&list, text).unwrap();
    let more = ["--set", "data.image_folder=data", "--set", "data.image_suffix=.png"];
    assert!(named == train(folder.path(), "c", arg(&list), &[columns, more].concat()));
    assert!(named == train(folder.path(), "b", arg(&data), &[]));
}

#[test]
fn a_list_of_ids_says_where_their_images_are() {
    let folder = tempdir().unwrap();
    image_folder(folder.path(), 3);
    std::fs::rename(folder.path().join("data/cat"), folder.path().join("train")).unwrap();
    std::fs::write(folder.path().join("list.csv"), "file,label\n0,a\n1,b\n2,b\n").unwrap();
    let mut command = taper(&["train", "--data", "list.csv", "--quiet"]);
    let text = stderr(&command.current_dir(folder.path()).output().unwrap());
    let hint = "`train/0.png` is there: set data.image_folder=train and data.image_suffix=.png\n";
    assert!(text.ends_with(hint), "{text}");
}

#[test]
fn several_looks_at_an_image_are_averaged() {
    let folder = tempdir().unwrap();
    let data = idx_folder(folder.path(), 40);
    train(folder.path(), "run", arg(&data), &["--augment", "digits"]);
    let run = folder.path().join("run");
    let score = |tta: &str| {
        json(&["evaluate", "--run", arg(&run), "--quiet", "--tta", tta])["loss"].as_f64().unwrap()
    };
    let (one, many) = (score("1"), score("4"));
    assert!(one != many && (one - many).abs() < 1.0, "{one} {many}");
    assert_eq!(many, score("4"));
    let output = taper(&["evaluate", "--run", arg(&run), "--quiet", "--tta", "4", "--limit", "3"])
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("Views     4 of each image, averaged"), "{text}");
    assert!(text.contains("% of 3 images"), "{text}");
    let picture = folder.path().join("a.png");
    image::GrayImage::from_pixel(28, 28, image::Luma([200])).save(&picture).unwrap();
    let answer = json(&[
        "predict",
        "--run",
        arg(&run),
        arg(&picture),
        "--quiet",
        "--tta",
        "3",
        "--top-k",
        "10",
    ]);
    let classes = answer["predictions"][0]["classes"].as_array().unwrap().clone();
    let total: f64 = classes.iter().map(|class| class["probability"].as_f64().unwrap()).sum();
    // Ten roundings of f32.
    assert!((total - 1.0).abs() < 1e-5, "{total}");
}

/// A folder of grey PNG images of 28x28, of two classes: bright above, bright below.
fn halves(folder: &Path, classes: [&str; 2]) -> PathBuf {
    for (below, class) in classes.into_iter().enumerate() {
        let class = folder.join(class);
        std::fs::create_dir_all(&class).unwrap();
        for i in 0..10 {
            let bright = |y: u32| if (y >= 14) == (below == 1) { 200 + i as u8 * 5 } else { 0 };
            let image = image::GrayImage::from_fn(28, 28, |_, y| image::Luma([bright(y)]));
            image.save(class.join(format!("{i}.png"))).unwrap();
        }
    }
    folder.to_path_buf()
}

#[test]
fn the_classes_of_weights_and_data_are_told_apart_by_name() {
    let folder = tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let data = halves(&at("data"), ["above", "below"]);
    let run = at("run");
    let short = ["--data", arg(&data), "--epochs", "8", "--batch-size", "4", "-q"];
    json(&[&["train", "--net", "mlp", "--out", arg(&run)], &short[..]].concat());
    let accuracy = |data: &Path| {
        json(&["evaluate", "--run", arg(&run), "--data", arg(data), "--part", "all"])["accuracy"]
            .clone()
    };
    assert_eq!(accuracy(&data), 1.0);

    // Others of as many classes: no score, and a new head.
    let others = halves(&at("others"), ["cat", "dog"]);
    let message = error(&["evaluate", "--run", arg(&run), "--data", arg(&others)]);
    let expected = "are cat, dog, those of the model above, below;";
    assert!(message.contains(expected), "{message}");
    let finetune = |data: &str, out: &str, more: &[&str]| {
        let command = ["finetune", "--weights", arg(&run), "--data", data, "--epochs", "1", "-q"];
        json(&[&command[..], &["--out", arg(&at(out))], more].concat())
    };
    let report = &finetune(arg(&others), "anew", &[])["load_report"];
    assert_eq!(report["initialized"].as_array().unwrap().len(), 2);
    let note = "head replaced: the file's classes are above, below";
    assert_eq!(report["initialized"][0]["note"], note);

    // The same in another order: its rows move.
    let turned = finetune(arg(&data), "turned", &["--classes", "below,above"]);
    assert_eq!(turned["load_report"]["adapted"].as_array().unwrap().len(), 2);
    assert_eq!(turned["before"]["accuracy"], 1.0);

    // Numbers are no names.
    let numbers = halves(&at("numbers"), ["0", "1"]);
    assert_eq!(accuracy(&numbers), 1.0);

    // A head that is made anew cannot be frozen.
    let command = ["finetune", "--weights", arg(&run), "--data", arg(&others), "--freeze", "fc3.*"];
    let message = error(&[&command[..], &["--out", arg(&at("frozen"))]].concat());
    assert!(
        message.contains("`model.freeze` freezes `fc3.bias`, which the weights do not"),
        "{message}"
    );
}

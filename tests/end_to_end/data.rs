//! Data as people have it: the same images from every kind of source, parts of them, broken ones.

use std::path::Path;

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
    assert!(line.contains("classes is seven, expected different names out of 0, 1, 2"), "{line}");
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
        assert!(lines[1].contains("3.png is no readable image"), "{text}");
        assert!(lines[2].contains("7.png is no readable image"), "{text}");
        assert!(!out.join("model.safetensors").exists());
    }
    let skip = ["--set", "data.broken=skip", "--out", arg(&out)];
    let output = taper(&args).args(skip).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
}

#[test]
fn a_data_set_is_looked_at() {
    let folder = tempdir().unwrap();
    let data = image_folder(folder.path(), 5);
    std::fs::copy(data.join("cat/1.png"), data.join("dog/9.png")).unwrap();
    std::fs::write(data.join("dog/8.png"), "no image").unwrap();
    let out = folder.path().join("look");
    let look = json(&[
        "inspect",
        "--data",
        arg(&data),
        "--augment",
        "light",
        "--out",
        arg(&out),
        "--quiet",
    ]);
    let inspection = &look["inspection"];
    assert_eq!(inspection["parts"][0]["description"]["count"], 11, "{look}");
    assert_eq!(inspection["conflicts"], 1);
    assert_eq!(inspection["parts"][0]["faults"].as_array().unwrap().len(), 1);
    assert_eq!(inspection["smallest_class"], serde_json::json!(["cat", 5]));
    for name in ["index.html", "sheet.png", "augmented.png"] {
        assert!(out.join(name).metadata().unwrap().len() > 100, "{name}");
    }
    let page = std::fs::read_to_string(out.join("index.html")).unwrap();
    assert!(page.contains("data:image/png;base64,") && !page.contains("http"), "{page}");
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

//! Looking at data: `inspect`.

use tempfile::tempdir;

use crate::program::{arg, image_folder, json, stderr, taper};

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
    // In the parts that training would have.
    let count = |part: usize| inspection["parts"][part]["description"]["count"].as_u64().unwrap();
    let faults = |part: usize| inspection["parts"][part]["faults"].as_array().unwrap().len();
    assert_eq!((count(0) + count(1), faults(0) + faults(1)), (11, 1), "{look}");
    assert_eq!(inspection["parts"][1]["name"], "test");
    assert_eq!(count(1) as usize + faults(1), 2, "{look}");
    assert_eq!(inspection["conflicts"], 1);
    assert_eq!(inspection["parts"][0]["stored"], serde_json::json!({ "grey": count(0) }));
    for name in ["index.html", "sheet.png", "augmented.png"] {
        assert!(out.join(name).metadata().unwrap().len() > 100, "{name}");
    }
    let page = std::fs::read_to_string(out.join("index.html")).unwrap();
    assert!(page.contains("data:image/png;base64,") && !page.contains("://"), "{page}");
}

#[test]
fn what_is_looked_at_is_what_the_flags_leave() {
    let folder = tempdir().unwrap();
    let data = image_folder(folder.path(), 10);
    for name in ["cat/3.png", "dog/7.png"] {
        std::fs::write(data.join(name), "no image").unwrap();
    }
    let out = folder.path().join("look");
    let look = ["inspect", "--data", arg(&data), "--out", arg(&out), "--quiet"];
    let text = |more: &[&str]| {
        let output = taper(&[&look[..], more].concat()).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    let whole = text(&["--set", "data.test_fraction=0"]);
    assert!(whole.contains("items   18\n") && whole.contains("broken  2 of 20\n"), "{whole}");
    assert!(whole.contains("stored  18 grey\n"), "{whole}");
    let skipped = text(&["--set", "data.broken=skip"]);
    assert!(skipped.contains("left out: 2, which cannot be read\n"), "{skipped}");

    let some = json(&[&look[..], &["--limit", "3", "--classes", "dog,cat"]].concat());
    let parts = &some["inspection"]["parts"];
    for (part, name) in ["train", "test"].into_iter().enumerate() {
        let description = &parts[part]["description"];
        let faults = parts[part]["faults"].as_array().unwrap().len();
        assert_eq!(parts[part]["name"], name);
        assert_eq!(description["count"].as_u64().unwrap() as usize + faults, 3, "{some}");
        assert_eq!(description["classes"][0][0], "dog");
    }
    let few = json(&[&look[..], &["--per-class", "2"]].concat());
    let classes = &few["inspection"]["parts"][0]["description"]["classes"];
    assert!(classes[0][1].as_u64().unwrap() <= 2, "{few}");
    for flag in ["--limit", "--per-class"] {
        let output = taper(&[&look[..], &[flag, "0"]].concat()).output().unwrap();
        assert!(output.status.code() == Some(2) && stderr(&output).contains("1.."), "{flag}");
    }
}

#[test]
fn images_are_shown_as_they_are_mixed() {
    let folder = tempdir().unwrap();
    let data = image_folder(folder.path(), 5);
    let sheet = |name: &str, set: &str| {
        let out = folder.path().join(name);
        json(&["inspect", "--data", arg(&data), "--set", set, "--out", arg(&out), "--quiet"]);
        std::fs::read(out.join("augmented.png"))
    };
    assert!(sheet("none", "seed=1").is_err());
    let (mixup, cutmix) = (sheet("a", "augment.mixup=0.4"), sheet("b", "augment.cutmix=1"));
    let mixup = image::load_from_memory(&mixup.unwrap()).unwrap().into_rgb8();
    // A grey that neither class has, in the rows of both.
    let between = |row: u32| (0..12).any(|c| (60..190).contains(&mixup[(c * 65 + 32, row)][0]));
    assert!(between(32) && between(97));
    assert!(cutmix.unwrap().len() > 100);
}

#[test]
fn of_many_classes_it_is_said_which_are_shown() {
    let folder = tempdir().unwrap();
    let data = folder.path().join("data");
    for class in 0..41 {
        let class = data.join(format!("{class:02}"));
        std::fs::create_dir_all(&class).unwrap();
        image::GrayImage::new(2, 2).save(class.join("0.png")).unwrap();
    }
    let out = folder.path().join("look");
    let look = ["inspect", "--data", arg(&data), "--out", arg(&out), "--quiet"];
    let output = taper(&look).args(["--set", "data.test_fraction=0"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("the pictures show the first 40 of 41 classes"), "{text}");
}

//! What somebody gets who names little: refusals that help, and settings that fit.

use std::path::{Path, PathBuf};

use tempfile::tempdir;

use crate::program::{arg, error, image_folder, json, stderr, taper};

/// Colour photos, as far as a program can tell.
fn photos(folder: &Path) -> PathBuf {
    let data = folder.join("photos");
    for (class, color) in [("green", [40, 160, 60]), ("red", [190, 40, 50])] {
        std::fs::create_dir_all(data.join(class)).unwrap();
        for i in 0..10 {
            let mut photo = image::RgbImage::from_pixel(40 + i, 36, image::Rgb([200, 190, 180]));
            (5..20).for_each(|x| (5..20).for_each(|y| photo.put_pixel(x, y, image::Rgb(color))));
            photo.save(data.join(class).join(format!("{i}.png"))).unwrap();
        }
    }
    data
}

#[test]
fn colour_photos_become_grey_digits_for_nobody_who_has_not_asked() {
    let folder = tempdir().unwrap();
    let data = photos(folder.path());
    let out = folder.path().join("run");
    let line = error(&["train", "--data", arg(&data), "--out", arg(&out)]);
    for part in
        ["colour images", "28x28 grey", "`finetune --recipe photos`", "`train --net resnet18`"]
    {
        assert!(line.contains(part), "{line}");
    }
    assert!(!out.exists());
    for (name, asked) in [("a", ["--set", "image.channels=1"]), ("b", ["--net", "keras-cnn"])] {
        let out = folder.path().join(name);
        json(
            &[
                &["train", "--data", arg(&data), "--fast-dev-run", "-q", "--out", arg(&out)],
                &asked[..],
            ]
            .concat(),
        );
    }
    // What is set of the images besides is no such wish, and who names a net is warned.
    let out = folder.path().join("asked");
    let start = ["train", "--data", arg(&data), "--out", arg(&out), "--fast-dev-run", "-q"];
    let line = error(&[&start[..], &["--set", "image.height=32"]].concat());
    assert!(line.contains("32x28 grey") || line.contains("28x32 grey"), "{line}");
    let output = taper(&[&start[..], &["--net", "mlp"]].concat()).output().unwrap();
    let text = stderr(&output);
    assert!(output.status.success() && text.contains("warning: "), "{text}");
    assert!(text.contains("colour images"), "{text}");
    // Grey images may be digits.
    let grey = image_folder(folder.path(), 6);
    json(&[
        "finetune",
        "--data",
        arg(&grey),
        "--fast-dev-run",
        "-q",
        "--out",
        arg(&folder.path().join("c")),
    ]);
}

#[test]
fn the_images_choose_weights_for_photos_or_for_digits_which_the_first_line_says() {
    let folder = tempdir().unwrap();
    let (data, grey) = (photos(folder.path()), image_folder(folder.path(), 6));
    let small =
        ["--limit", "4", "--epochs", "1", "--set", "image.height=28", "--set", "image.width=28"];
    let start = |command: &str, data: &Path, more: &[&str]| {
        let out = folder.path().join(format!("{command}{}", more.concat().replace('.', "")));
        let all = [&[command, "--data", arg(data), "--out", arg(&out)], &small[..], more].concat();
        let output = taper(&all).output().unwrap();
        let text = stderr(&output);
        assert!(output.status.success(), "{text}");
        let recipe = std::fs::read_to_string(out.join("recipe.toml")).unwrap_or_default();
        (text.lines().next().unwrap_or_default().to_string(), recipe)
    };
    let net = "net = \"tf_efficientnet_lite0\"";
    let (line, recipe) = start("finetune", &data, &[]);
    for part in
        ["photos: ", "in colour (40x36 pixels)", "tf_efficientnet_lite0", "--recipe photos-fast"]
    {
        assert!(line.contains(part), "{line}");
    }
    assert!(recipe.contains(net) && recipe.contains("name = \"full\""), "{recipe}");
    let (line, _) = start("lr-find", &data, &["--steps", "10"]);
    assert!(line.starts_with("photos: "), "{line}");
    // What is named is taken, and nothing is said of a choice.
    for (more, part) in [
        (&["--recipe", "photos-fast"][..], "name = \"head\""),
        (&["--net", "tf_efficientnet_lite0"], net),
        (&["--weights", "tf_efficientnet_lite0"], net),
    ] {
        let (line, recipe) = start("finetune", &data, more);
        assert!(recipe.contains(part), "{recipe}");
        assert!(recipe.contains("weights = \"tf_efficientnet_lite0\""), "{recipe}");
        assert!(!line.starts_with("photos: "), "{line}");
    }
    // Grey images, and coloured ones that are asked for in grey.
    let (line, recipe) = start("finetune", &grey, &["--seed", "1"]);
    assert!(line.starts_with("digits: the images are "), "{line}");
    assert!(line.contains("--recipe photos "), "{line}");
    assert!(recipe.contains("net = \"keras-cnn\""), "{recipe}");
    let (_, recipe) = start("finetune", &data, &["--set", "image.channels=1"]);
    assert!(recipe.contains("net = \"keras-cnn\""), "{recipe}");
}

#[test]
fn a_net_for_photos_is_trained_with_what_is_usual_for_it_which_the_first_line_says() {
    let folder = tempdir().unwrap();
    let (data, out) = (photos(folder.path()), folder.path().join("run"));
    let args = [
        "train",
        "--net",
        "cifar_resnet20",
        "--data",
        arg(&data),
        "--fast-dev-run",
        "--out",
        arg(&out),
    ];
    let output = taper(&args).output().unwrap();
    let text = stderr(&output);
    assert!(output.status.success(), "{text}");
    let first = text.lines().next().unwrap();
    assert!(first.starts_with("cifar_resnet20: no recipe is named"), "{text}");
    assert!(first.contains("3x32x32 (stretch), adamw at 1e-3, cosine"), "{text}");
    let recipe = std::fs::read_to_string(out.join("recipe.toml")).unwrap();
    for line in ["mean = [0.485, 0.456, 0.406]", "warmup_ratio = 0.1", "batch_size = 32"] {
        assert!(recipe.contains(line), "{recipe}");
    }
    // A recipe, and a net for digits, are as before.
    for more in [&["--recipe", "keras-mnist", "--net", "cifar_resnet20"][..], &["--net", "mlp"]] {
        let args = [
            &["train", "--data", arg(&data), "--fast-dev-run", "--overwrite", "--out", arg(&out)],
            more,
        ]
        .concat();
        let output = taper(&args).output().unwrap();
        assert!(!stderr(&output).contains("no recipe is named"), "{}", stderr(&output));
        let recipe = std::fs::read_to_string(out.join("recipe.toml")).unwrap();
        assert!(recipe.contains("mean = [0.0]"), "{recipe}");
    }
}

#[cfg(unix)]
#[test]
fn no_name_steers_the_terminal() {
    let folder = tempdir().unwrap();
    let data = image_folder(folder.path(), 6);
    let escape = "\u{1b}]0;title\u{7}\u{1b}[31m\u{9b}2J\u{202e}";
    let renamed = data.join(format!("a{escape}"));
    std::fs::rename(data.join("cat"), &renamed).unwrap();
    std::fs::rename(renamed.join("0.png"), renamed.join(format!("x{escape}.png"))).unwrap();
    std::fs::write(renamed.join(format!("broken{escape}.png")), "no image").unwrap();
    let (run, pages) = (folder.path().join("run"), folder.path().join("pages"));
    let broken = renamed.join(format!("broken{escape}.png"));
    let skip = ["--set", "data.broken=skip"];
    for args in
        [
            vec![
                "train",
                "--net",
                "mlp",
                "--epochs",
                "1",
                "--data",
                arg(&data),
                "--out",
                arg(&run),
            ],
            [
                &[
                    "train",
                    "--net",
                    "mlp",
                    "--epochs",
                    "1",
                    "--data",
                    arg(&data),
                    "--out",
                    arg(&run),
                ][..],
                &skip,
            ]
            .concat(),
            vec!["inspect", "--data", arg(&data), "--out", arg(&pages)],
            [&["inspect", "--data", arg(&data), "--out", arg(&pages)][..], &skip].concat(),
            vec!["predict", "--run", arg(&run), arg(&data)],
            vec!["predict", "--run", arg(&run), arg(&broken)],
            vec!["predict", "--run", arg(&run), arg(&broken), "--format", "table", escape],
            vec!["evaluate", "--run", arg(&run)],
            vec!["train", "--net", escape],
            vec!["train", "--data", escape],
            vec!["train", "--set", "data.classes=[\"\\u001b[2J\"]"],
            vec!["train", escape],
            vec!["report", escape],
            vec!["summary", escape],
        ]
    {
        let output = taper(&args).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &stderr(&output);
        let steers = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!text.contains(steers), "{args:?}: {text:?}");
        assert!(!text.is_empty());
    }
}

#[test]
fn columns_are_as_wide_as_names_are_shown() {
    let folder = tempdir().unwrap();
    let data = image_folder(folder.path(), 6);
    std::fs::rename(data.join("cat"), data.join("七八九十の猫")).unwrap();
    std::fs::rename(data.join("dog"), data.join("e\u{301}🦊")).unwrap();
    let (run, pages) = (folder.path().join("run"), folder.path().join("pages"));
    let output = |args: &[&str]| {
        let output = taper(args).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    let text = output(&["inspect", "--data", arg(&data), "--out", arg(&pages)]);
    // A character of two columns is one of `str`'s, an accent on its own one of none.
    let line = |name: &str| text.lines().find(|line| line.starts_with(name)).unwrap().to_string();
    assert_eq!(line("七").chars().count() + 6, line("class").chars().count());
    assert_eq!(line("e").chars().count(), line("class").chars().count());
    output(&[
        "train",
        "--net",
        "mlp",
        "--epochs",
        "1",
        "-q",
        "--data",
        arg(&data),
        "--out",
        arg(&run),
    ]);
    let text = output(&["predict", "--run", arg(&run), arg(&data)]);
    let answers = text.lines().map(|line| {
        let (file, _) = line.split_once(".png").unwrap();
        let wide = file.chars().filter(|c| "七八九十の猫🦊".contains(*c)).count();
        let flat = file.chars().filter(|c| *c == '\u{301}').count();
        let start = line.find(".png").unwrap() + 4;
        let blanks = line[start..].chars().take_while(|c| *c == ' ').count();
        file.chars().count() + wide - flat + 4 + blanks
    });
    let columns: Vec<usize> = answers.collect();
    assert!(columns.windows(2).all(|pair| pair[0] == pair[1]), "{columns:?}\n{text}");
}

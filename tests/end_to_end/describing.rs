//! What describes the command line and the recipe, and how an error ends.

use serde_json::Value;

use crate::program::{error, json, stderr, taper};

fn printed(args: &[&str]) -> String {
    let output = taper(args).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", stderr(&output));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_key_is_explained_with_its_default_and_its_flag_and_in_the_same_words_by_keys() {
    let text = printed(&["recipe", "--explain", "train.epochs"]);
    assert_eq!(text, "train.epochs = 12\n    Passes over the training part.\n    Flag: --epochs\n");
    assert_eq!(printed(&["keys", "train.epochs"]), text);
    let schedule = printed(&["recipe", "--explain", "schedule"]);
    assert!(schedule.contains("schedule.kind.final_divisor\n    Of `one-cycle`:"), "{schedule}");
    let keys = json(&["recipe", "--explain", "optimizer.momentum"]);
    assert!(keys[0]["doc"].as_str().unwrap().starts_with("Of `sgd`, `rmsprop`:"), "{keys}");
    assert_eq!(
        error(&["recipe", "--explain", "epochs"]),
        "error: unknown key `epochs`; did you mean `train.epochs`?"
    );
}

#[test]
fn a_recipe_is_shown_with_all_its_keys_and_can_be_trained_by() {
    let text = printed(&["recipe", "keras-mnist", "--set", "train.epochs=3"]);
    assert!(text.contains("epochs = 3\n") && text.contains("name = \"adadelta\"\n"), "{text}");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.toml");
    std::fs::write(&path, &text).unwrap();
    assert_eq!(printed(&["recipe", path.to_str().unwrap()]), text);
    assert_eq!(json(&["recipe"])["train"]["epochs"], 12);
}

#[test]
fn every_shell_gets_completions_and_man_a_page_with_every_command() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = printed(&["completions", shell]);
        let both = ["finetune", "overfit-batches"];
        assert!(both.iter().all(|word| script.contains(word)), "{shell}");
    }
    let page = printed(&["man"]);
    assert!(page.starts_with(".ie") || page.contains(".TH taper"), "{}", &page[..200]);
    for word in ["TAPER FINETUNE", "TAPER COMPLETIONS", "Exit codes", "overfit"] {
        assert!(page.contains(word), "{word}");
    }
}

#[test]
fn with_json_an_error_is_one_object_on_stdout_with_the_exit_code() {
    let end = |args: &[&str]| {
        let output = taper(args).output().unwrap();
        let text = String::from_utf8(output.stdout.clone()).unwrap();
        assert_eq!(text.lines().count(), 1, "{text}");
        let object: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(object["exit_code"], output.status.code().unwrap());
        (object["error"].as_str().unwrap().to_string(), stderr(&output))
    };
    let (told, line) = end(&["train", "--data", "no/such", "--json"]);
    assert!(told.contains("no/such"), "{told}");
    assert_eq!(line.trim_end(), format!("error: {told}"));
    let (told, _) = end(&["--json", "train", "--epochs", "many"]);
    assert!(told.starts_with("invalid value 'many' for '--epochs <N>'"), "{told}");
    let plain = taper(&["train", "--data", "--json"]).output().unwrap();
    assert_eq!(plain.status.code(), Some(2));
}

//! The page and the card of a run whose folder was made by hand: nothing else is needed for them.

use std::collections::BTreeMap;
use std::path::Path;

use taper_dataset::Image;
use taper_dataset::sheet::to_png;
use taper_metrics::{ConfusionMatrix, ZeroDivision, calibration};
use taper_run_folder::{
    Answer, Better, DataResults, Epoch, Event, FolderLock, LoadReportText, Machine, Mistake,
    NetSummary, OwnScore, ParameterCounts, Results, RunFolder, ScoredPart, Scores, StartingWeights,
    Step, TrainingSummary,
};

const RECIPE: &str = r#"taper_version = "0.1.0"
seed = 7

[data]
source = "photos/pets"

[image]
channels = 1
height = 28
width = 28

[model]
net = "vit_tiny_patch16_224"
weights = "hub:timm/vit@abc"

[method]
name = "lora"
merge = false

[train]
epochs = 1
batch_size = 32

[optimizer]
name = "adamw"
learning_rate = 0.001

[log]
report = true
"#;

/// A finished run with two classes, one of which has a name that would be markup.
fn run(folder: &Path, recipe: &str) -> RunFolder {
    let run = FolderLock::take(folder).unwrap().begin(recipe).unwrap();
    let names = ["<b>cat</b>".to_string(), "dog".to_string()];
    let (labels, probabilities) = ([0, 1, 1], [0.75f32, 0.25, 0.25, 0.75, 0.75, 0.25]);
    let mut confusion = ConfusionMatrix::new(2).unwrap();
    confusion.add_batch(&labels, &[0, 1, 0]).unwrap();
    let scores = Scores::of(&labels, &probabilities, 2).unwrap();

    let value = OwnScore { value: 1.25, better: Better::Less };
    let own = BTreeMap::from([("mean_cost".to_string(), value)]);
    let validation = Some(Scores { own: own.clone(), ..scores.clone() });
    let epoch = Epoch {
        epoch: 0,
        step: 2,
        loss: 0.5,
        learning_rate: 1e-3,
        validation,
        seconds: 1.0,
        images_per_second: 3.0,
        data_wait: 0.25,
    };
    let step = |step, loss| Step {
        epoch: 0,
        step,
        loss,
        learning_rate: 1e-3,
        gradient_norm: 1.0,
        images: 3,
    };
    let events = [Event::Step(step(1, 0.7)), Event::Step(step(2, f64::NAN)), Event::Epoch(epoch)];
    let lines = events.map(|event| serde_json::to_string(&event).unwrap() + "\n");
    std::fs::write(run.history(), lines.concat()).unwrap();

    std::fs::create_dir(run.mistakes()).unwrap();
    let picture = |name: &str| {
        std::fs::write(run.mistakes().join(name), to_png(&Image::black(2, 2, 1))).unwrap();
        name.to_string()
    };
    let mistake = Mistake {
        item: "pets/<3>.png".to_string(),
        height: 2,
        width: 2,
        picture: picture("01.png"),
        saliency: picture("01-saliency.png"),
        truth: 1,
        answers: vec![
            Answer { class: 0, probability: 0.75 },
            Answer { class: 1, probability: 0.25 },
        ],
        truth_probability: 0.25,
    };
    Mistake::write_all(&run, &[mistake]).unwrap();

    let results = Results {
        before: scores.clone(),
        after: Scores { own, ..scores },
        validation: None,
        extended: None,
        report: confusion.report(&names, ZeroDivision::Zero).unwrap(),
        confusion,
        calibration: calibration(&labels, &probabilities, 2, 15).unwrap(),
        evaluation_seconds: 0.1,
        trained: TrainingSummary {
            steps: 2,
            images: 6,
            seconds: 1.0,
            skipped: 0,
            stopped: Some("it is late".to_string()),
        },
        data: DataResults {
            description: "pets: 2 classes".to_string(),
            path: None,
            class_names: names.to_vec(),
            train: vec![2, 3],
            validation: Vec::new(),
            test: vec![1, 2],
            scored: ScoredPart::Test,
            left_out: BTreeMap::new(),
            unreadable: Vec::new(),
        },
        parameters: ParameterCounts { trainable: 10, frozen: 90, buffers: 0 },
        net: NetSummary { description: "a small net".to_string(), in_timm: true, fixed_size: true },
        start: StartingWeights { is_folder: false, seen_data: vec!["imagenet".to_string()] },
        load_report: serde_json::json!({}),
        load_text: LoadReportText {
            summary: "loaded 1 tensor".to_string(),
            tensors: "head.weight".to_string(),
        },
        mistakes_error: None,
        warnings: vec!["two classes are <matched> by number".to_string()],
        machine: Machine::default(),
    };
    results.write(&run).unwrap();
    run
}

#[test]
fn a_folder_alone_gives_a_page_on_which_no_name_is_markup() {
    let folder = tempfile::tempdir().unwrap();
    let run = run(folder.path(), RECIPE);
    taper_report::complete(run.path()).unwrap();
    let page = std::fs::read_to_string(run.report()).unwrap();
    for content in [
        "Confusion matrix",
        "&lt;b&gt;cat&lt;/b&gt;",
        "pets/&lt;3&gt;.png",
        "data:image/png;base64,iVBOR",
        "loaded 1 tensor",
        "it is late",
        "<b>Warning:</b> two classes are &lt;matched&gt; by number",
        ", on 3 held-out images",
        "<th>Held out</th>",
        "taper_version = &quot;0.1.0&quot;",
    ] {
        assert!(page.contains(content), "{content}");
    }
    assert!(!page.contains("<b>cat") && !page.contains("<3>"), "{page}");
    let card = std::fs::read_to_string(run.card()).unwrap();
    assert!(card.contains("**Warning:** two classes are \\<matched\\> by number"), "{card}");
}

#[test]
fn scores_of_another_part_are_not_called_held_out() {
    let folder = tempfile::tempdir().unwrap();
    let run = run(folder.path(), RECIPE);
    let mut results = Results::read(&run).unwrap();
    results.data.scored = ScoredPart::Train;
    results.write(&run).unwrap();
    taper_report::complete(run.path()).unwrap();
    let compared = folder.path().join("compared.html");
    taper_report::compare(&[run.path().to_path_buf()], &compared).unwrap();
    for (page, content) in [(run.report(), "<th>Training</th>"), (compared, "<td>3 training</td>")]
    {
        let page = std::fs::read_to_string(page).unwrap();
        assert!(page.contains(content) && !page.contains("<th>Held out</th>"), "{page}");
    }
}

#[test]
fn what_could_not_be_recorded_is_said_on_the_page() {
    let folder = tempfile::tempdir().unwrap();
    let run = run(folder.path(), RECIPE);
    let mut results = Results::read(&run).unwrap();
    results.mistakes_error = Some("no memory for <x>".to_string());
    // As in a file of an older version.
    results.load_text = LoadReportText::default();
    results.load_report = serde_json::json!({ "loaded": ["head.weight"] });
    results.write(&run).unwrap();
    taper_report::complete(run.path()).unwrap();
    let page = std::fs::read_to_string(run.report()).unwrap();
    assert!(page.contains("They cannot be shown: no memory for &lt;x&gt;"), "{page}");
    assert!(page.contains("head.weight"), "{page}");
}

#[test]
fn a_picture_that_is_gone_is_left_out_of_the_page() {
    let folder = tempfile::tempdir().unwrap();
    let run = run(folder.path(), RECIPE);
    std::fs::remove_file(run.mistakes().join("01.png")).unwrap();
    taper_report::complete(run.path()).unwrap();
    let page = std::fs::read_to_string(run.report()).unwrap();
    assert!(page.contains("pets/&lt;3&gt;.png"), "{page}");
}

#[test]
fn the_card_says_how_python_opens_the_adapter_and_on_what_weights() {
    let folder = tempfile::tempdir().unwrap();
    let run = run(folder.path(), RECIPE);
    taper_report::complete(run.path()).unwrap();
    let card = std::fs::read_to_string(run.card()).unwrap();
    for content in [
        "library_name: peft\n",
        "base_model: \"timm/vit\"\nbase_model_relation: adapter\n",
        "# vit_tiny_patch16_224 fine-tuned on pets\n",
        "| Method | `lora`: 10 trainable parameters, 10.00 % |",
        "1 epoch, 2 updates (it is late), batches of 32, `adamw` at 1e-3, seed 7",
        "were trained on: imagenet.",
        "timm.create_model(\"hf-hub:timm/vit\", pretrained=True, num_classes=2, \
         img_size=(28, 28), in_chans=1)",
        "seed = 7\n",
    ] {
        assert!(card.contains(content), "{content}\n{card}");
    }
}

#[test]
fn what_is_there_stays_and_a_page_is_written_only_where_the_recipe_asks_for_one() {
    let folder = tempfile::tempdir().unwrap();
    let run = run(folder.path(), &RECIPE.replace("report = true", "report = false"));
    std::fs::write(run.card(), "mine").unwrap();
    taper_report::complete(run.path()).unwrap();
    assert_eq!(std::fs::read_to_string(run.card()).unwrap(), "mine");
    assert!(!run.report().exists());
    assert_eq!(taper_report::report(run.path()).unwrap(), run.report());
    assert!(run.report().exists());
}

#[test]
fn a_run_that_is_not_finished_or_has_another_recipe_is_an_error_that_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let run = run(folder.path(), "seed = 7\n");
    let error = taper_report::complete(run.path()).unwrap_err().to_string();
    assert!(error.ends_with("recipe.toml: there is no key `taper_version`"), "{error}");
    std::fs::remove_file(run.metrics()).unwrap();
    let error = taper_report::report(run.path()).unwrap_err().to_string();
    assert!(error.ends_with("holds no run: metrics.json is missing"), "{error}");
}

#[test]
fn a_metric_of_a_program_s_own_stands_on_the_page_and_in_the_card() {
    let folder = tempfile::tempdir().unwrap();
    let run = run(&folder.path().join("run"), RECIPE);
    taper_report::complete(run.path()).unwrap();
    let page = std::fs::read_to_string(run.report()).unwrap();
    for part in ["mean_cost", "1.2500", "<figcaption>Validation: mean_cost"] {
        assert!(page.contains(part), "{part}");
    }
    let card = std::fs::read_to_string(run.card()).unwrap();
    for part in [
        "    - type: \"mean_cost\"\n      value: 1.250000\n",
        "| macro F1 | loss | mean_cost |\n| --- | --- | --- | --- | --- | --- | --- |\n",
        " | NaN |\n| after | 66.67 % |",
        " | 1.2500 |\n",
    ] {
        assert!(card.contains(part), "{part} is not in\n{card}");
    }
}

#[test]
fn a_loss_of_a_program_s_own_and_the_cross_entropy_are_not_drawn_in_one_chart() {
    let folder = tempfile::tempdir().unwrap();
    let page = |name: &str, more: &str| {
        let run = run(&folder.path().join(name), &format!("{RECIPE}{more}"));
        taper_report::complete(run.path()).unwrap();
        std::fs::read_to_string(run.report()).unwrap()
    };
    let plain = page("plain", "\n[loss]\nname = \"cross-entropy\"\n");
    assert!(plain.contains("<figcaption>Loss"));
    let focal = page("focal", "\n[loss]\nname = \"focal\"\ngamma = 2.0\n");
    assert!(focal.contains("<figcaption>Training loss: focal"));
    assert!(focal.contains("<figcaption>Validation loss: cross-entropy"));
    assert!(!focal.contains("<figcaption>Loss"));
    let runs = ["plain", "focal"].map(|name| folder.path().join(name));
    taper_report::compare(&runs, &folder.path().join("both.html")).unwrap();
    let both = std::fs::read_to_string(folder.path().join("both.html")).unwrap();
    assert!(both.contains("<figcaption>Training loss: cross-entropy, focal"));
}

#[test]
fn the_card_names_the_command_that_repeats_the_run() {
    for (weights, command) in [("hub:timm/vit@abc", "finetune"), ("", "train")] {
        let folder = tempfile::tempdir().unwrap();
        let run = run(folder.path(), &RECIPE.replace("hub:timm/vit@abc", weights));
        taper_report::complete(run.path()).unwrap();
        let card = std::fs::read_to_string(run.card()).unwrap();
        let line = format!("`taper {command} --recipe recipe.toml` repeats the run");
        assert!(card.contains(&line), "{card}");
    }
}

#[test]
fn the_page_of_a_run_by_an_older_version_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let run = run(folder.path(), RECIPE);
    let kept = run.path().join(taper_report::KEPT_PAGE);
    std::fs::write(run.report(), "of this version").unwrap();
    taper_report::report(run.path()).unwrap();
    assert!(!kept.exists());
    let mut results = Results::read(&run).unwrap();
    results.load_text = LoadReportText::default();
    results.write(&run).unwrap();
    std::fs::write(run.report(), "with mistakes").unwrap();
    for _ in 0..2 {
        taper_report::report(run.path()).unwrap();
        assert_eq!(std::fs::read_to_string(&kept).unwrap(), "with mistakes");
        assert!(std::fs::read_to_string(run.report()).unwrap().contains("Confusion matrix"));
    }
}

#[test]
fn a_thousand_classes_make_neither_a_long_page_nor_large_metrics() {
    let folder = tempfile::tempdir().unwrap();
    let run = run(folder.path(), RECIPE);
    let k = 1000;
    let names: Vec<String> = (0..k).map(|class| format!("class {class:03}")).collect();
    let labels: Vec<u32> = (0..10 * k).map(|i| i % k).collect();
    let answers: Vec<u32> = labels.iter().map(|label| label * label % k).collect();
    let mut results = Results::read(&run).unwrap();
    results.confusion = ConfusionMatrix::new(k as usize).unwrap();
    results.confusion.add_batch(&labels, &answers).unwrap();
    results.report = results.confusion.report(&names, ZeroDivision::Zero).unwrap();
    results.data.class_names = names;
    (results.data.train, results.data.test) = ((0..k as usize).collect(), vec![10; k as usize]);
    results.write(&run).unwrap();
    assert_eq!(Results::read(&run).unwrap().confusion, results.confusion);
    let size = std::fs::metadata(run.metrics()).unwrap().len();
    assert!(size < 600_000, "{size}");
    let page = std::fs::read_to_string(taper_report::report(run.path()).unwrap()).unwrap();
    // What is folded away has no height.
    let shown = page.split("<details>").map(|part| part.split("</details>").last().unwrap());
    let rows: usize = shown.map(|part| part.matches("<tr>").count()).sum();
    assert!(rows < 100, "{rows}");
    assert_eq!(page.matches("<td>class 999</td>").count(), 4);
    assert!(page.len() < 1 << 20, "{}", page.len());
}

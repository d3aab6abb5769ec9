//! The model card: what the Hub shows of a model, filled from the run.

use std::fmt::Write;

use taper_run_folder::{ParameterCounts, ScoredPart, TrainingSummary};

use crate::record::Record;

/// What is not known of a licence.
const UNKNOWN: &str = "unknown";

/// The text of `README.md`: no time, no path but those that the recipe has.
pub(crate) fn model_card(record: &Record) -> String {
    front_matter(record) + &body(record)
}

/// The licence of the data sets that come with Taper, by their ids on the Hub.
fn license_of_data(name: &str) -> &'static str {
    match name {
        "digits" => "cc-by-4.0",
        "mnist-sample" => "cc-by-sa-3.0",
        _ => UNKNOWN,
    }
}

fn or_unknown(text: &str) -> &str {
    if text.is_empty() { UNKNOWN } else { text }
}

fn data_license(record: &Record) -> &str {
    match record.recipe.card.data_license.as_str() {
        "" => license_of_data(&record.recipe.data.source),
        license => license,
    }
}

/// The repository of the Hub that the weights are from.
fn base(record: &Record) -> Option<&str> {
    let id = record.recipe.model.weights.strip_prefix("hub:")?;
    Some(id.split_once('@').map_or(id, |(name, _)| name))
}

/// The last part of the data's path, which says less of the machine.
fn data_name(record: &Record) -> &str {
    let source = record.recipe.data.source.trim_end_matches(['/', '\\']);
    source.rsplit(['/', '\\']).next().unwrap_or(source)
}

fn title(record: &Record) -> String {
    let what = if record.recipe.model.weights.is_empty() { "trained" } else { "fine-tuned" };
    format!("{} {what} on {}", record.recipe.model.net, data_name(record))
}

/// A YAML string; JSON's are a part of YAML's.
fn quoted(text: &str) -> String {
    serde_json::Value::String(text.to_string()).to_string()
}

fn front_matter(record: &Record) -> String {
    let license = or_unknown(&record.recipe.card.license);
    let library = if record.results.net.in_timm { "timm" } else { "taper" };
    let adapter = record.recipe.saves_an_adapter();
    // An adapter of another net is one of ours: its layers have other names in Python.
    let library = if adapter && record.results.net.in_timm { "peft" } else { library };
    let mut yaml = format!("---\nlicense: {}\nlibrary_name: {library}\n", quoted(license));
    yaml += "pipeline_tag: image-classification\ntags:\n- image-classification\n- taper\n";
    if let Some(data) = record.recipe.data.source.strip_prefix("hub:") {
        let mut parts = data.split('@').next().unwrap_or(data).split('/');
        let (owner, name) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        yaml += &format!("datasets:\n- {}\n", quoted(&format!("{owner}/{name}")));
    }
    if let Some(base) = base(record) {
        let relation = if adapter { "adapter" } else { "finetune" };
        yaml += &format!("base_model: {}\nbase_model_relation: {relation}\n", quoted(base));
    }
    let (name, data) = (quoted(&title(record)), quoted(data_name(record)));
    let split = match record.results.data.scored {
        ScoredPart::Test => "held out",
        ScoredPart::Validation => "validation",
        ScoredPart::Train => "train",
    };
    yaml += &format!(
        "model-index:\n- name: {name}\n  results:\n  - task:\n      type: image-classification\n    \
         dataset:\n      name: {data}\n      type: {data}\n      split: {split}\n    metrics:\n"
    );
    let after = &record.results.after;
    for (metric, value) in [
        ("accuracy", after.accuracy),
        ("f1", after.macro_f1),
        ("precision", after.macro_precision),
        ("recall", after.macro_recall),
    ] {
        yaml += &format!("    - type: {metric}\n      value: {value:.6}\n");
        if metric != "accuracy" {
            yaml += &format!("      name: macro {metric}\n");
        }
    }
    yaml + "---\n"
}

fn body(record: &Record) -> String {
    let (recipe, results) = (&record.recipe, &record.results);
    let (net, image) = (&recipe.model.net, &recipe.image);
    let weights = match recipe.model.weights.as_str() {
        "" => "random, from the seed".to_string(),
        weights => format!("`{weights}`"),
    };
    let command = if recipe.model.weights.is_empty() { "train" } else { "finetune" };
    let method = &recipe.method.name;
    let TrainingSummary { steps, stopped, .. } = &results.trained;
    let ParameterCounts { trainable, frozen, .. } = results.parameters;
    let all = trainable + frozen;
    let share = 100.0 * trainable as f64 / all.max(1) as f64;
    let stopped = stopped.as_ref().map_or(String::new(), |why| format!(" ({why})"));
    let seen = match results.start.seen_data.as_slice() {
        [] => String::new(),
        seen => format!("\nThe weights it started from were trained on: {}.\n", seen.join(", ")),
    };

    let mut text = format!("\n# {}\n\n", title(record));
    text += &format!(
        "An image classifier: {}, for {} classes. Made with Taper {}.\n\n",
        net,
        results.data.class_names.len(),
        recipe.taper_version
    );
    text += "| | |\n| --- | --- |\n";
    let rows = [
        ("Net", format!("`{net}`, {}", results.net.description)),
        ("Parameters", format!("{all}")),
        (
            "Images",
            format!(
                "{} x {} x {} (channels, height, width)",
                image.channels, image.height, image.width
            ),
        ),
        ("Started from", weights),
        ("Licence of the model", or_unknown(&recipe.card.license).to_string()),
        ("Data", results.data.description.clone()),
        ("Licence of the data", data_license(record).to_string()),
        ("Method", format!("`{method}`: {trainable} trainable parameters, {share:.2} %")),
        (
            "Training",
            format!(
                "{} epoch{}, {steps} updates{stopped}, batches of {}, `{}` at {:e}, seed {}",
                recipe.train.epochs,
                if recipe.train.epochs == 1 { "" } else { "s" },
                recipe.train.batch_size,
                recipe.optimizer.name,
                recipe.optimizer.learning_rate,
                recipe.seed
            ),
        ),
    ];
    for (key, value) in rows {
        text += &format!("| {key} | {} |\n", value.replace('|', "\\|"));
    }
    text += &seen;

    let (before, after) = (&results.before, &results.after);
    let (images, scored) = (after.n, results.data.scored);
    let (unseen, limits) = match scored {
        ScoredPart::Test => (
            ", which training has not seen",
            "The held-out images come from the same source as those that were trained on; the scores \
             say nothing of images from elsewhere.",
        ),
        ScoredPart::Validation => (
            ", which steered the run, as far as it was steered",
            "Nothing was held out: of images that steered nothing the scores may be lower.",
        ),
        ScoredPart::Train => (
            ", the same that were trained on",
            "Nothing was held out: the scores say nothing of other images.",
        ),
    };
    // Writing to a string cannot fail.
    let _ = write!(
        text,
        "\n## Scores\n\nOn {images} {scored} images{unseen}:\n\n\
         | | accuracy | macro precision | macro recall | macro F1 | loss |\n\
         | --- | --- | --- | --- | --- | --- |\n"
    );
    for (name, scores) in [("before", before), ("after", after)] {
        text += &format!(
            "| {name} | {:.2} % | {:.4} | {:.4} | {:.4} | {:.4} |\n",
            100.0 * scores.accuracy,
            scores.macro_precision,
            scores.macro_recall,
            scores.macro_f1,
            scores.loss
        );
    }
    text += &format!("\n```text\n{}\n```\n", results.report.to_string().trim_end());
    text += &format!("\n{limits}\n");
    for warning in &results.warnings {
        text += &format!("\n**Warning:** {warning}\n");
    }

    text +=
        "\n## Use\n\nWith Taper, on this folder:\n\n```sh\ntaper predict --run . photo.png\n```\n";
    text += &python(record);
    text += &format!(
        "\n## Recipe\n\n`recipe.toml`, complete: `taper {command} --recipe recipe.toml` repeats the \
         run.\n\n<details>\n\n```toml\n{}\n```\n\n</details>\n",
        record.recipe_text.trim_end()
    );
    text
}

/// How Python opens the folder.
fn python(record: &Record) -> String {
    let (recipe, facts) = (&record.recipe, &record.results.net);
    let (net, classes) = (&recipe.model.net, record.results.data.class_names.len());
    let (adapter, image) = (recipe.saves_an_adapter(), &recipe.image);
    match (adapter, facts.in_timm) {
        (true, false) => format!(
            "\nThe adapter is for Taper's names of the layers of `{net}`, which no library of Python has: `peft` \
             cannot load it. A run with `method.merge = true` saves the whole net.\n"
        ),
        (false, false) => String::new(),
        (true, true) => {
            let weights = recipe.model.weights.as_str();
            let mut more = format!("num_classes={classes}");
            if facts.fixed_size {
                more += &format!(", img_size=({}, {})", image.height, image.width);
            }
            if image.channels != 3 {
                more += &format!(", in_chans={}", image.channels);
            }
            let create = match base(record) {
                Some(base) => format!("\"hf-hub:{base}\", pretrained=True"),
                None if record.results.start.is_folder => {
                    format!("{}, pretrained=True", quoted(&format!("local-dir:{weights}")))
                }
                None => format!(
                    "\"{net}\", pretrained=True, pretrained_cfg_overlay={{\"file\": {}}}",
                    quoted(weights)
                ),
            };
            format!(
                "\nIn Python, on the weights that it started from:\n\n```python\nimport timm\n\
                 from peft import PeftModel\n\nnet = timm.create_model({create}, {more})\n\
                 net = PeftModel.from_pretrained(net, \".\").eval()\n```\n"
            )
        }
        (false, true) => "\nIn Python:\n\n```python\nimport timm\n\n\
              net = timm.create_model(\"local-dir:.\", pretrained=True).eval()\n\
              config = timm.data.resolve_data_config(model=net)\n\
              prepare = timm.data.create_transform(**config)\n```\n"
            .to_string(),
    }
}

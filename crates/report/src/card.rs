//! The model card: what the Hub shows of a model, filled from the run.

use std::fmt::Write;

use taper_metrics::text::printable;
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

/// Text of others within Markdown: shown as it is, whatever it says.
fn plain(text: &str) -> String {
    let text = printable(text);
    let mut escaped = String::with_capacity(text.len());
    let mut before = None;
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let is_of_word = |other: Option<char>| other.is_some_and(char::is_alphanumeric);
        // Within a word it is none of Markdown's.
        let plain =
            character == '_' && is_of_word(before) && is_of_word(characters.peek().copied());
        if "\\`*_{}[]<>#|~&!@:".contains(character) && !plain {
            escaped.push('\\');
        }
        escaped.push(character);
        before = Some(character);
    }
    // What a page makes a link of by itself.
    escaped.replace("www.", "www\\.")
}

/// The same as code within a line, or within a cell of a table.
fn code(text: &str) -> String {
    let text = printable(text);
    match longest_run(&text) {
        0 => format!("`{text}`"),
        // A blank beside each, which is not shown, keeps them apart from backticks of the text.
        run => {
            let ticks = "`".repeat(run + 1);
            format!("{ticks} {text} {ticks}")
        }
    }
}

/// The same in lines of its own.
fn fenced(language: &str, text: &str) -> String {
    let ticks = "`".repeat((longest_run(text) + 1).max(3));
    format!("{ticks}{language}\n{}\n{ticks}\n", text.trim_end())
}

/// The most backticks in a row.
fn longest_run(text: &str) -> usize {
    text.split(|character| character != '`').map(str::len).max().unwrap_or(0)
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
    for (name, score) in after.own.iter().filter(|(_, score)| score.value.is_finite()) {
        yaml += &format!("    - type: {}\n      value: {:.6}\n", quoted(name), score.value);
    }
    yaml + "---\n"
}

fn body(record: &Record) -> String {
    let (recipe, results) = (&record.recipe, &record.results);
    let (net, image) = (&recipe.model.net, &recipe.image);
    let weights = match recipe.model.weights.as_str() {
        "" => "random, from the seed".to_string(),
        weights => code(weights),
    };
    let command = if recipe.model.weights.is_empty() { "train" } else { "finetune" };
    let method = &recipe.method.name;
    let TrainingSummary { steps, stopped, .. } = &results.trained;
    let ParameterCounts { trainable, frozen, .. } = results.parameters;
    let all = trainable + frozen;
    let share = 100.0 * trainable as f64 / all.max(1) as f64;
    let stopped = stopped.as_ref().map_or(String::new(), |why| format!(" ({})", plain(why)));
    let seen = match results.start.seen_data.as_slice() {
        [] => String::new(),
        seen => {
            let seen = plain(&seen.join(", "));
            format!("\nThe weights it started from were trained on: {seen}.\n")
        }
    };

    let mut text = format!("\n# {}\n\n", plain(&title(record)));
    text += &format!(
        "An image classifier: {}, for {} classes. Made with Taper {}.\n\n",
        plain(net),
        results.data.class_names.len(),
        plain(&recipe.taper_version)
    );
    text += "| | |\n| --- | --- |\n";
    let rows = [
        ("Net", format!("{}, {}", code(net), plain(&results.net.description))),
        ("Parameters", format!("{all}")),
        (
            "Images",
            format!(
                "{} x {} x {} (channels, height, width)",
                image.channels, image.height, image.width
            ),
        ),
        ("Started from", weights),
        ("Licence of the model", plain(or_unknown(&recipe.card.license))),
        ("Data", plain(&results.data.description)),
        ("Licence of the data", plain(data_license(record))),
        ("Method", format!("{}: {trainable} trainable parameters, {share:.2} %", code(method))),
        (
            "Training",
            format!(
                "{} epoch{}, {steps} updates{stopped}, batches of {}, {}{}, seed {}",
                recipe.train.epochs,
                if recipe.train.epochs == 1 { "" } else { "s" },
                recipe.train.batch_size,
                code(&recipe.optimizer.name),
                recipe
                    .optimizer
                    .learning_rate
                    .map_or(String::new(), |rate| format!(" at {rate:e}")),
                recipe.seed
            ),
        ),
    ];
    for (key, value) in rows {
        // In code alone one may still be plain.
        let value = value.replace("\\|", "|").replace('|', "\\|");
        text += &format!("| {key} | {value} |\n");
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
    let own = || after.own.keys();
    let names: String = own().map(|name| format!(" {} |", plain(name))).collect();
    // Writing to a string cannot fail.
    let _ = write!(
        text,
        "\n## Scores\n\nOn {images} {scored} images{unseen}:\n\n\
         | | accuracy | macro precision | macro recall | macro F1 | loss |{names}\n\
         | --- | --- | --- | --- | --- | --- |{}\n",
        " --- |".repeat(after.own.len())
    );
    for (name, scores) in [("before", before), ("after", after)] {
        let value = |name| scores.own.get(name).map_or(f64::NAN, |score| score.value);
        let more: String = own().map(|name| format!(" {:.4} |", value(name))).collect();
        text += &format!(
            "| {name} | {:.2} % | {:.4} | {:.4} | {:.4} | {:.4} |{more}\n",
            100.0 * scores.accuracy,
            scores.macro_precision,
            scores.macro_recall,
            scores.macro_f1,
            scores.loss
        );
    }
    text += &format!("\n{}", fenced("text", &results.report.to_string()));
    text += &format!("\n{limits}\n");
    for warning in &results.warnings {
        text += &format!("\n**Warning:** {}\n", plain(warning));
    }

    text +=
        "\n## Use\n\nWith Taper, on this folder:\n\n```sh\ntaper predict --run . photo.png\n```\n";
    text += &python(record);
    text += &format!(
        "\n## Recipe\n\n`recipe.toml`, complete: `taper {command} --recipe recipe.toml` repeats the \
         run.\n\n<details>\n\n{}\n</details>\n",
        fenced("toml", &record.recipe_text)
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
            "\nThe adapter is for Taper's names of the layers of {}, which no library of Python has: `peft` \
             cannot load it. A run with `method.merge = true` saves the whole net.\n",
            code(net)
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
                Some(base) => {
                    format!("{}, pretrained=True", quoted(&format!("hf-hub:{base}")))
                }
                None if record.results.start.is_folder => {
                    format!("{}, pretrained=True", quoted(&format!("local-dir:{weights}")))
                }
                None => format!(
                    "{}, pretrained=True, pretrained_cfg_overlay={{\"file\": {}}}",
                    quoted(net),
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

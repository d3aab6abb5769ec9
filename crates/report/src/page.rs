//! `report.html`: one page that shows how a run went.

use taper_run_folder::{Results, bytes};

use crate::classes::{confusion, samples, table};
use crate::curves::learning;
use crate::html::{duration, escape, facts, folded, page, percent, section, tiles};
use crate::mistakes::cards;
use crate::record::Record;
use crate::reliability::reliability;

/// The page of a run.
pub(crate) fn run_page(record: &Record) -> String {
    let Record { name, recipe, results, .. } = record;
    let mut body = format!(
        "<header><h1>{}</h1><p class=\"lead\">{} on {}</p></header>\n",
        escape(name),
        escape(&recipe.model.net),
        escape(&results.data.description)
    );
    for warning in &results.warnings {
        body += &format!("<p class=\"note\"><b>Warning:</b> {}</p>\n", escape(warning));
    }
    let (before, after) = (&results.before, &results.after);
    let trained = &results.trained;
    let speed = trained.images as f64 / trained.seconds.max(1e-9);
    let mut scores = vec![
        (
            "Accuracy",
            percent(after.accuracy),
            format!(
                "was {}, on {} {} images",
                percent(before.accuracy),
                after.n,
                results.data.scored
            ),
        ),
        ("Macro F1", format!("{:.4}", after.macro_f1), format!("was {:.4}", before.macro_f1)),
        ("Loss", format!("{:.4}", after.loss), format!("was {:.4}", before.loss)),
        (
            "Calibration error",
            percent(results.calibration.expected_error),
            "expected, 15 bins".to_string(),
        ),
    ];
    for (name, score) in &after.own {
        let was = before.own.get(name).map_or(f64::NAN, |score| score.value);
        scores.push((&**name, format!("{:.4}", score.value), format!("was {was:.4}")));
    }
    scores.push(("Training", duration(trained.seconds), format!("{speed:.0} images/s")));
    body += &tiles(&scores);
    body += &section("Learning", &learning(record));
    let names = &results.data.class_names;
    body += &section("Confusion matrix", &confusion(&results.confusion, names));
    body += &section("Classes", &table(&results.report, results.data.scored));
    body += &section("Most confident mistakes", &cards(record));
    let diagram = reliability(&results.calibration);
    body += &section("Reliability", &format!("<div class=\"narrow\">{diagram}</div>"));
    body += &section("Images of each class", &class_counts(record));
    body += &section("Weights", &weights(record));
    body += &section("Machine and time", &machine(record));
    body += &section("Recipe", &folded("recipe.toml", &record.recipe_text));
    page(&format!("{name} · Taper"), &body)
}

fn class_counts(record: &Record) -> String {
    let data = &record.results.data;
    let parts =
        [("train", &data.train[..]), ("validation", &data.validation), ("held out", &data.test)];
    samples(&data.class_names, &parts)
}

fn weights(record: &Record) -> String {
    let source = match record.recipe.model.weights.as_str() {
        "" => "drawn from the seed".to_string(),
        source => source.to_string(),
    };
    let counts = &record.results.parameters;
    let rows = facts(&[
        ("Net", record.recipe.model.net.clone()),
        ("Started from", source),
        ("Trained", format!("{} parameters", counts.trainable)),
        ("Frozen", format!("{} parameters", counts.frozen)),
        ("Running statistics", format!("{} elements", counts.buffers)),
    ]);
    let Results { load_text: text, load_report, .. } = &record.results;
    if record.results.is_older() {
        return rows + &folded("load report", &format!("{load_report:#}"));
    }
    rows + &format!("<pre>{}</pre>", escape(&text.summary)) + &folded("every tensor", &text.tensors)
}

fn machine(record: &Record) -> String {
    let Record { results, recipe, epochs, .. } = record;
    let machine = &results.machine;
    let memory = |amount: Option<u64>| amount.map_or("unknown".to_string(), bytes);
    let trained = &results.trained;
    let waited: f64 = epochs.iter().map(|epoch| epoch.data_wait * epoch.seconds).sum();
    let seconds: f64 = epochs.iter().map(|epoch| epoch.seconds).sum();
    let mut rows = vec![
        ("Processor", format!("{}, {} threads", machine.processor, machine.threads)),
        ("GPU", machine.gpu.clone().unwrap_or_else(|| "none used".to_string())),
        ("System", machine.system.clone()),
        (
            "Memory",
            format!("{}, at most {} used", memory(machine.memory), memory(machine.peak_memory)),
        ),
        ("Taper", recipe.taper_version.clone()),
        ("Seed", recipe.seed.to_string()),
        (
            "Training",
            format!(
                "{} steps, {} images in {}",
                trained.steps,
                trained.images,
                duration(trained.seconds)
            ),
        ),
        ("Waited for data", percent(waited / seconds.max(1e-9))),
        (
            "Evaluation",
            format!("{} images in {}", results.after.n, duration(results.evaluation_seconds)),
        ),
    ];
    if trained.skipped > 0 {
        rows.push(("Skipped", format!("{} updates that were not finite", trained.skipped)));
    }
    if let Some(reason) = &trained.stopped {
        rows.push(("Ended early", reason.clone()));
    }
    facts(&rows)
}

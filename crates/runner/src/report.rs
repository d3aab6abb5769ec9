//! `report.html`: one page that shows how a run went, or several runs side by side.
//!
//! The page holds all it shows, asks for nothing from outside and needs no script. It is written at
//! the end of a run, and anew by [`of_run`]; [`of_runs`] compares several. Drawing is done here, as
//! SVG; a page is a few hundred kilobytes at most.

mod classes;
mod compare;
mod curves;
pub(crate) mod html;
mod mistakes;
mod picture;
mod record;
pub(crate) mod svg;

use std::path::{Path, PathBuf};

use crate::data::Data;
use crate::error::RunnerError;
use crate::evaluate::open_run;
use crate::plan::Plan;
use crate::recipe::Recipe;
use crate::registry::Registry;
use html::{duration, facts, folded, page, percent, section, tiles};
use mistakes::Mistake;
use record::Record;
use taper_classifier::{Classifier, DeviceChoice, Evaluation};
use taper_model::nets::Net;
use taper_run_folder::{RunFolder, bytes, write_whole};

/// Writes `report.html` of a finished run; the mistakes of `evaluation`, of the held-out part.
pub(crate) fn write(
    folder: &RunFolder,
    plan: &Plan,
    net: &Net,
    evaluation: &Evaluation,
) -> Result<(), RunnerError> {
    let mistakes = mistakes::most_confident(net, &plan.data.test, evaluation, &plan.device)?;
    let text = one(&Record::read(folder.path())?, Ok(&mistakes));
    Ok(write_whole(&folder.report(), text.as_bytes())?)
}

/// Writes the report of a finished run anew; gives its path.
///
/// The model answers the held-out part once more, to show its mistakes; where the data is gone the
/// page says so, and shows the rest.
///
/// # Errors
/// The folder holds no finished run, or its files are not what they should be.
pub fn of_run(run: &Path, registry: &Registry) -> Result<PathBuf, RunnerError> {
    let record = Record::read(run)?;
    let (classifier, recipe) = open_run(run, &DeviceChoice::Auto.open()?, registry)?;
    let mistakes = answer(&classifier, &recipe, registry);
    let text = match &mistakes {
        Ok(mistakes) => one(&record, Ok(mistakes)),
        Err(error) => one(&record, Err(&error.to_string())),
    };
    let path = RunFolder::open(run)?.report();
    write_whole(&path, text.as_bytes())?;
    Ok(path)
}

fn answer(
    classifier: &Classifier,
    recipe: &Recipe,
    registry: &Registry,
) -> Result<Vec<Mistake>, RunnerError> {
    let data = Data::open(recipe, registry)?;
    let evaluation = classifier.evaluate(&data.test, recipe.train.eval_batch_size, |_| {})?;
    mistakes::most_confident(&classifier.net, &data.test, &evaluation, &classifier.device)
}

/// Writes a page that compares finished runs.
///
/// # Errors
/// A folder holds no finished run; the page cannot be written.
pub fn of_runs(runs: &[PathBuf], path: &Path) -> Result<(), RunnerError> {
    let records = runs.iter().map(|run| Record::read(run)).collect::<Result<Vec<_>, _>>()?;
    Ok(write_whole(path, compare::text(&records).as_bytes())?)
}

/// The page of one run; instead of its mistakes, why they cannot be shown.
fn one(record: &Record, mistakes: Result<&[Mistake], &str>) -> String {
    let Record { name, recipe, results, .. } = record;
    let mut body = format!(
        "<header><h1>{}</h1><p class=\"lead\">{} on {}</p></header>\n",
        html::escape(name),
        html::escape(&recipe.model.net),
        html::escape(&results.data.description)
    );
    let (before, after) = (&results.before, &results.after);
    let trained = &results.trained;
    let speed = trained.images as f64 / trained.seconds.max(1e-9);
    body += &tiles(&[
        ("Accuracy", percent(after.accuracy), format!("was {}", percent(before.accuracy))),
        ("Macro F1", format!("{:.4}", after.macro_f1), format!("was {:.4}", before.macro_f1)),
        ("Loss", format!("{:.4}", after.loss), format!("was {:.4}", before.loss)),
        (
            "Calibration error",
            percent(results.calibration.expected_error),
            "expected, 15 bins".to_string(),
        ),
        ("Training", duration(trained.seconds), format!("{speed:.0} images/s")),
    ]);
    body += &section("Learning", &curves::of(record));
    let names = &results.data.class_names;
    body += &section("Confusion matrix", &classes::confusion(&results.confusion, names));
    body += &section("Classes", &classes::table(&results.report));
    let mistaken = match mistakes {
        Ok(mistakes) => mistakes::cards(mistakes, names, after.n),
        Err(reason) => {
            format!("<p class=\"none\">They cannot be shown: {}.</p>", html::escape(reason))
        }
    };
    body += &section("Most confident mistakes", &mistaken);
    let reliability = classes::reliability(&results.calibration);
    body += &section("Reliability", &format!("<div class=\"narrow\">{reliability}</div>"));
    body += &section("Images of each class", &classes::samples(&results.data));
    body += &section("Weights", &weights(record));
    body += &section("Machine and time", &machine(record));
    body += &section("Recipe", &folded("recipe.toml", &record.recipe_text));
    page(&format!("{name} · Taper"), &body)
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
        ("Trained", format!("{} numbers", counts.trainable)),
        ("Frozen", format!("{} numbers", counts.frozen)),
        ("Running statistics", format!("{} numbers", counts.buffers)),
    ]);
    let text = &record.results.load_text;
    rows + &format!("<pre>{}</pre>", html::escape(&text.summary))
        + &folded("every tensor", &text.tensors)
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

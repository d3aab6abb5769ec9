//! Results as text and as JSON.

use std::fmt::Write;

use anyhow::Result;
use serde_json::{Value, json};
use taper_metrics::text::{left, no_formula, printable, width};
use taper_runner::{
    Evaluated, ExtendedScores, Metrics, Outcome, ParameterCounts, Plan, Prediction, Scores,
    judgement,
};

use crate::flags::Output;
use crate::print::{print, print_json};

/// Prints what a run came to.
pub(crate) fn print_outcome(
    plan: &Plan,
    outcome: &Outcome,
    scratch: Option<&Scores>,
    output: Output,
) -> Result<()> {
    match output.json {
        true => print_json(&outcome_json(plan, outcome, scratch)?),
        false => print(&outcome_text(plan, outcome, scratch)?),
    }
}

/// The result of `finetune` and `train`.
fn outcome_text(plan: &Plan, outcome: &Outcome, scratch: Option<&Scores>) -> Result<String> {
    let mut text = String::new();
    let images = outcome.results.after.n;
    let pretrained = !plan.recipe.model.weights.is_empty();
    writeln!(text, "\nData      {}", plan.data.describe())?;
    let weights = &outcome.results.load_text.summary;
    writeln!(text, "Weights   {}", indent(weights.trim_start_matches("weights ")))?;
    for note in &outcome.notes {
        writeln!(text, "Note      {note}")?;
    }
    let ParameterCounts { trainable, frozen, .. } = outcome.results.parameters;
    let method = plan.recipe.method.name();
    writeln!(text, "Method    {method}: {}", trained_share(trainable, frozen))?;
    let own: Vec<&String> = outcome.results.after.own.keys().collect();
    let space = |name: &str| width(name).max(8) + 2;
    let columns: String = own.iter().map(|name| format!("{name:>0$}", space(name))).collect();
    writeln!(
        text,
        "\n{:<28}{:>12}{:>10}{:>10}{columns}",
        format!("On {images} {} images", outcome.results.data.scored),
        "accuracy",
        "macro F1",
        "loss"
    )?;
    let mut row = |name: &str, scores: &Scores| {
        let score = |name: &str| scores.own.get(name).map_or(f64::NAN, |score| score.value);
        let columns = own.iter().map(|name| format!("{:>1$.4}", score(name), space(name)));
        writeln!(
            text,
            "  {name:<24}{:>12.2} %{:>10.4}{:>10.4}{}",
            100.0 * scores.accuracy,
            scores.macro_f1,
            scores.loss,
            columns.collect::<String>()
        )
    };
    row(if pretrained { "weights as loaded" } else { "before training" }, &outcome.results.before)?;
    row(if pretrained { "fine-tuned" } else { "trained" }, &outcome.results.after)?;
    if let Some(scratch) = scratch {
        row("from random weights", scratch)?;
    }
    writeln!(text, "\n{}", outcome.results.report)?;
    let trained = &outcome.results.trained;
    writeln!(
        text,
        "Training  {} steps in {:.1} s, {:.0} images/s",
        trained.steps,
        trained.seconds,
        images_per_second(trained.images, trained.seconds)
    )?;
    if let Some(calibration) = &outcome.calibration {
        write!(text, "Answers   temperature {:.3}", calibration.temperature)?;
        match &calibration.rejection {
            None => writeln!(text)?,
            Some(rejection) => writeln!(
                text,
                ", withheld below {:.4}: of the validation part {:.2} % are answered, {:.2} % of them right",
                rejection.threshold,
                100.0 * rejection.coverage,
                100.0 * rejection.precision
            )?,
        }
    }
    writeln!(text, "Run       {}", outcome.run.display())?;
    if plan.recipe.log.report {
        writeln!(text, "Report    {}", outcome.run.join("report.html").display())?;
    }
    Ok(text)
}

/// The result of `finetune` and `train` for programs.
fn outcome_json(plan: &Plan, outcome: &Outcome, scratch: Option<&Scores>) -> Result<Value> {
    let trained = &outcome.results.trained;
    let mut value = json!({
        "run": outcome.run,
        "data": plan.data.describe(),
        "left_out": outcome.results.data.left_out,
        "scored": outcome.results.data.scored,
        "before": outcome.results.before,
        "after": outcome.results.after,
        "report": outcome.results.report,
        "load_report": outcome.results.load_report,
        "notes": outcome.notes,
        "warnings": outcome.results.warnings,
        "calibration": outcome.calibration,
        "trained": {
            "method": plan.recipe.method.name(),
            "trainable": outcome.results.parameters.trainable,
            "parameters": outcome.results.parameters.trainable + outcome.results.parameters.frozen,
        },
        "steps": trained.steps,
        "seconds": trained.seconds,
        "images_per_second": images_per_second(trained.images, trained.seconds),
    });
    if let Some(scratch) = scratch {
        value["from_random_weights"] = serde_json::to_value(scratch)?;
    }
    Ok(value)
}

/// The result of `evaluate`.
pub(crate) fn evaluation(evaluated: &Evaluated, views: u64, metrics: &Metrics) -> Result<String> {
    let Evaluated { data, evaluation, .. } = evaluated;
    let judged = judgement(evaluation, metrics)?;
    let scores = &judged.scores;
    let n = scores.n;
    let mut text = String::new();
    writeln!(text, "Data      {data}")?;
    if views > 1 {
        writeln!(text, "Views     {views} of each image, averaged (test-time augmentation)")?;
    }
    writeln!(
        text,
        "Accuracy  {:.2} % of {n} images, macro F1 {:.4}, loss {:.4}",
        100.0 * scores.accuracy,
        scores.macro_f1,
        scores.loss
    )?;
    writeln!(text, "\n{}", judged.report)?;
    write!(text, "{}", extended(&judged.extended)?)?;
    for (name, score) in &scores.own {
        writeln!(text, "{name:<24}{:.4}", score.value)?;
    }
    writeln!(text, "Speed     {:.0} images/s", images_per_second(n, evaluation.seconds))?;
    Ok(text)
}

/// The result of `evaluate` for programs.
pub(crate) fn evaluation_json(
    evaluated: &Evaluated,
    views: u64,
    metrics: &Metrics,
) -> Result<Value> {
    let Evaluated { data, warnings, evaluation } = evaluated;
    let judged = judgement(evaluation, metrics)?;
    let mut value = serde_json::to_value(judged.scores)?;
    if let (Value::Object(all), Value::Object(more)) =
        (&mut value, serde_json::to_value(judged.extended)?)
    {
        all.extend(more);
    }
    value["report"] = serde_json::to_value(judged.report)?;
    value["data"] = data.clone().into();
    value["warnings"] = warnings.clone().into();
    value["tta"] = views.into();
    value["seconds"] = evaluation.seconds.into();
    value["images_per_second"] =
        images_per_second(evaluation.labels.len(), evaluation.seconds).into();
    Ok(value)
}

/// The result of `predict` as lines, the images' names in as many `columns`; those that could not
/// be read are left out.
pub(crate) fn predictions(predictions: &[Prediction], columns: usize) -> String {
    let mut text = String::new();
    for prediction in predictions.iter().filter(|prediction| prediction.error.is_none()) {
        let classes: Vec<_> = prediction
            .classes
            .iter()
            .map(|c| format!("{} {:.1} %", printable(&c.class_name), 100.0 * c.probability))
            .collect();
        let withheld = if prediction.withheld { "   (withheld: not sure enough)" } else { "" };
        let image = left(&printable(&prediction.image), columns);
        text += &format!("{image}  {}{withheld}\n", classes.join("   "));
    }
    text
}

/// The result of `predict` as CSV (RFC 4180, but for lines that end as elsewhere here): a line an
/// image, with a line of names before if `names`. Text that a table calculation would take for a formula has a `'`
/// before it.
pub(crate) fn csv(predictions: &[Prediction], top_k: usize, names: bool) -> Result<String> {
    let mut csv = csv::Writer::from_writer(Vec::new());
    if names {
        let ranks = (2..=top_k).flat_map(|n| [format!("class_{n}"), format!("probability_{n}")]);
        let first = ["image", "class", "probability"].map(str::to_string).into_iter();
        csv.write_record(first.chain(ranks).chain(["withheld".to_string(), "error".to_string()]))?;
    }
    for prediction in predictions {
        csv.write_field(&*no_formula(&prediction.image))?;
        for rank in 0..top_k {
            let class = prediction.classes.get(rank);
            csv.write_field(&*no_formula(class.map_or("", |class| &class.class_name)))?;
            // The form of JSON: short, and with an exponent where there would be many zeros.
            csv.write_field(
                class.map_or(String::new(), |class| format!("{:?}", class.probability)),
            )?;
        }
        let error = prediction.error.as_deref().unwrap_or_default();
        csv.write_record([&prediction.withheld.to_string(), &*no_formula(error)])?;
    }
    Ok(String::from_utf8(csv.into_inner().map_err(|error| error.into_error())?)?)
}

/// The result of `predict` as JSON, an object a line.
pub(crate) fn json_lines(predictions: &[Prediction]) -> Result<String> {
    let lines = predictions.iter().map(|prediction| Ok(serde_json::to_string(prediction)? + "\n"));
    lines.collect()
}

/// Two lines of scores; of those that the images leave undefined that is said.
fn extended(scores: &ExtendedScores) -> Result<String> {
    let top_5 = scores.top_5_accuracy.map(|share| format!("top-5 accuracy {:.2} %", 100.0 * share));
    let named = |name: &str, value: Option<f64>| value.map(|value| format!("{name} {value:.4}"));
    // Of a class without images there is no curve.
    let ranked = |name: &str, value: Option<f64>| match value {
        None => Some(format!("{name} undefined: not every class has images")),
        value => named(name, value),
    };
    let ranking = [
        top_5,
        ranked("macro ROC AUC", scores.macro_roc_auc),
        named("macro average precision", scores.macro_average_precision),
    ];
    let agreement = [
        named("Cohen's kappa", scores.cohen_kappa),
        named("Matthews", Some(scores.matthews)),
        named("Brier score", Some(scores.brier_score)),
    ];
    let mut text = String::new();
    for (title, scores) in [("Ranking", &ranking[..]), ("Agreement", &agreement[..])] {
        let scores: Vec<&str> = scores.iter().flatten().map(String::as_str).collect();
        if !scores.is_empty() {
            writeln!(text, "{title:<10}{}", scores.join(", "))?;
        }
    }
    Ok(text)
}

/// How many of a net's parameters are trained.
fn trained_share(trainable: usize, frozen: usize) -> String {
    let all = trainable + frozen;
    match frozen {
        0 => format!("all {} parameters trained", count(all)),
        _ => {
            let share = 100.0 * trainable as f64 / all as f64;
            format!("{} of {} parameters trained, {share:.2} %", count(trainable), count(all))
        }
    }
}

/// A number with the digits that matter.
pub(crate) fn count(n: usize) -> String {
    match n {
        0..10_000 => n.to_string(),
        10_000..1_000_000 => format!("{:.0} k", n as f64 / 1e3),
        _ => format!("{:.1} M", n as f64 / 1e6),
    }
}

fn images_per_second(images: usize, seconds: f64) -> f64 {
    images as f64 / seconds.max(1e-9)
}

/// Lines after the first stand under the first.
fn indent(text: &str) -> String {
    text.trim_end().replace('\n', "\n          ")
}

//! Learning curves and the learning rate.

use taper_run_folder::{Epoch, Scores};

use crate::html::grid;
use crate::record::Record;
use crate::svg::{Chart, Scale, Series};

/// Loss, validation scores, learning rate and gradient norm over the epochs of a run.
pub(crate) fn learning(record: &Record) -> String {
    let per_epoch = record.steps_per_epoch();
    let steps = || record.steps.iter().map(|step| (step.step as f64 / per_epoch, step));
    let series =
        |name: &str, color, faint, points| Series { name: name.to_string(), color, faint, points };

    let batches = steps().map(|(x, step)| (x, step.loss)).collect();
    let training = match record.recipe.train.label_smoothing {
        Some(smoothing) if smoothing > 0.0 => "training, labels smoothed",
        _ => "training",
    };
    let mut loss = vec![
        series("batches", 0, true, batches),
        series(training, 0, false, epochs(record, |epoch| Some(epoch.loss))),
    ];
    let validation = epochs(record, |epoch| Some(epoch.validation.as_ref()?.loss));
    let validation = series("validation", 1, false, validation);
    let score = |of: fn(&Scores) -> f64| {
        epochs(record, move |epoch| Some(100.0 * of(epoch.validation.as_ref()?)))
    };
    let scores = vec![
        series("accuracy", 0, false, score(|scores| scores.accuracy)),
        series("macro F1", 2, false, score(|scores| scores.macro_f1)),
    ];
    let rate = match record.steps.is_empty() {
        true => epochs(record, |epoch| Some(epoch.learning_rate)),
        false => steps().map(|(x, step)| (x, step.learning_rate)).collect(),
    };
    let norm: Vec<_> = steps().map(|(x, step)| (x, step.gradient_norm)).collect();

    let chart = |title: &str, series, y_scale| {
        let (x_label, x_scale) = ("epochs", Scale::Linear);
        Chart { title, x_label, x_scale, y_scale, series, marks: Vec::new() }.figure()
    };
    // Another loss than that of the scores has an axis of its own: the two cannot be compared.
    let mut figures = match record.recipe.own_loss() {
        None => {
            loss.push(validation);
            vec![chart("Loss", loss, Scale::Linear)]
        }
        Some(name) => vec![
            chart(&format!("Training loss: {name}"), loss, Scale::Linear),
            chart("Validation loss: cross-entropy", vec![validation], Scale::Linear),
        ],
    };
    if record.epochs.iter().any(|epoch| epoch.validation.is_some()) {
        figures.push(chart("Validation, %", scores, Scale::Linear));
    }
    for name in record.results.after.own.keys() {
        let score = |epoch: &Epoch| Some(epoch.validation.as_ref()?.own.get(name)?.value);
        let points = epochs(record, score);
        if !points.is_empty() {
            let title = format!("Validation: {name}");
            figures.push(chart(&title, vec![series(name, 1, false, points)], Scale::Linear));
        }
    }
    figures.push(chart("Learning rate", vec![series("rate", 0, false, rate)], Scale::Linear));
    let scale = scale_of(&norm);
    figures.push(chart("Gradient norm", vec![series("before clipping", 0, false, norm)], scale));
    let speed = epochs(record, |epoch| Some(epoch.images_per_second));
    figures.push(chart(
        "Images a second",
        vec![series("training", 0, false, speed)],
        Scale::Linear,
    ));
    let told = match record.broken_lines {
        0 => String::new(),
        lines => format!(
            "<p class=\"note\">{lines} lines of history.jsonl cannot be read, and are left out here.</p>"
        ),
    };
    let thinned = match record.every {
        1 => String::new(),
        every => format!("<p class=\"note\">Of the recorded steps one in {every} is drawn.</p>"),
    };
    told + &thinned + &grid(&figures)
}

/// By powers of ten where the values go over several.
pub(crate) fn scale_of(points: &[(f64, f64)]) -> Scale {
    let values = || points.iter().map(|point| point.1).filter(|value| *value > 0.0);
    let (low, high) = (values().fold(f64::INFINITY, f64::min), values().fold(0.0, f64::max));
    if high > 100.0 * low { Scale::Log } else { Scale::Linear }
}

/// A value of each epoch, over the number of epochs that were done by then.
pub(crate) fn epochs(record: &Record, value: impl Fn(&Epoch) -> Option<f64>) -> Vec<(f64, f64)> {
    let points = record.epochs.iter();
    points.filter_map(|epoch| Some(((epoch.epoch + 1) as f64, value(epoch)?))).collect()
}

//! A sweep of learning rates with its page.

use std::path::Path;

use taper_report::{html, svg};
use taper_run_folder::{RunFolderError, write_json, write_whole};
use taper_runner::observe::Listener;
use taper_runner::{Plan, Sweep, SweepConfig, SweepPoint, Training, load, sweep};

use crate::error::TuneError;

/// Sweeps the learning rates of a plan's run and writes `lr-find.json` and `lr-find.html`, with the
/// plot, to a folder; nothing is trained by it.
///
/// # Errors
/// As [`sweep()`]; a folder that cannot be written.
pub fn lr_find(
    plan: &Plan,
    config: &SweepConfig,
    out: &Path,
    mut listeners: Vec<Box<dyn Listener>>,
) -> Result<Sweep, TuneError> {
    listeners.extend(plan.listeners());
    let loaded = load(plan)?;
    let sweep = sweep(Training::new(plan, &loaded)?, config, &mut listeners)?;
    std::fs::create_dir_all(out).map_err(RunFolderError::io(out))?;
    write_json(&out.join("lr-find.json"), &sweep)?;
    write_whole(&out.join("lr-find.html"), page(plan, &sweep).as_bytes())?;
    Ok(sweep)
}

fn page(plan: &Plan, sweep: &Sweep) -> String {
    let points = |value: fn(&SweepPoint) -> f64| {
        sweep.points.iter().map(|point| (point.learning_rate, value(point))).collect()
    };
    let line =
        |name: &str, faint, points| svg::Series { name: name.to_string(), color: 0, faint, points };
    let marks = sweep.suggestion.map(|rate| (rate, format!("suggestion {}", svg::short(rate))));
    let chart = svg::Chart {
        title: "Loss by learning rate",
        x_label: "learning rate",
        x_scale: svg::Scale::Log,
        y_scale: svg::Scale::Linear,
        series: vec![
            line("batches", true, points(|point| point.loss)),
            line("smoothed", false, points(|point| point.smoothed)),
        ],
        marks: marks.into_iter().collect(),
    };
    let rate = |rate: Option<f64>| rate.map_or("–".to_string(), svg::short);
    let tiles = html::tiles(&[
        ("Suggestion", rate(sweep.suggestion), "a third of the valley's centre".to_string()),
        ("Lowest loss", rate(sweep.lowest), "higher rates diverge".to_string()),
        ("Exploded", rate(sweep.exploded), "4 times the lowest loss".to_string()),
    ]);
    let body = format!(
        "<header><h1>Learning rate</h1><p class=\"lead\">{} on {}</p></header>\n{tiles}{}",
        html::escape(&plan.recipe.model.net),
        html::escape(&plan.data.describe()),
        html::section("Sweep", &chart.figure())
    );
    html::page("Learning rate · Taper", &body)
}

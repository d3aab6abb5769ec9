//! `lr-find`: a sweep of learning rates, with a plot and a suggestion.

use std::fmt::Write;
use std::io::ErrorKind;

use anyhow::{Result, ensure};
use taper_runner::{Existing, Plan, Registry, Sweep, SweepConfig, SweepPoint};
use taper_tune::lr_find;

use super::finetune::recipe_of;
use crate::flags::{LrFindFlags, Output};
use crate::launch::{listeners, run_error, take_out};
use crate::print::{print, print_json};
use crate::signals;

pub(super) fn run(flags: &LrFindFlags, output: Output, registry: &Registry) -> Result<()> {
    ensure!(flags.steps >= 10, "--steps is {}, expected 10 or more", flags.steps);
    ensure!(
        flags.low > 0.0 && flags.low < flags.high && flags.high.is_finite(),
        "--low is {:?} and --high {:?}, expected two rising numbers above 0",
        flags.low,
        flags.high
    );
    let (_, recipe) = recipe_of(&flags.finetune, &[], output, registry)?;
    let shared = &flags.finetune.recipe;
    let folder = take_out(&shared.out, "lr-find", &recipe.data.source)?;
    ensure!(
        !shared.resume && !shared.force,
        "a sweep is not resumed: --resume and --force are for runs"
    );
    if holds_a_sweep(folder.path())? {
        ensure!(
            shared.overwrite,
            "{} holds a sweep already; choose another folder or overwrite it with --overwrite",
            folder.path().display()
        );
        SWEEP.iter().try_for_each(|name| match std::fs::remove_file(folder.path().join(name)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        })?;
    }
    let existing = if shared.overwrite { Existing::Overwrite } else { Existing::Refuse };
    existing.run_in(&folder)?;
    let out = folder.path();
    let plan = Plan::new(recipe, registry)?;
    let config = SweepConfig { low: flags.low, high: flags.high, steps: flags.steps };
    signals::catch()?;
    let sweep = lr_find(&plan, &config, out, listeners("lr-find", output)).map_err(run_error)?;
    match output.json {
        true => {
            let mut value = serde_json::to_value(&sweep)?;
            value["out"] = serde_json::to_value(out)?;
            value["warnings"] = serde_json::to_value(&plan.warnings)?;
            value["left_out"] = serde_json::to_value(&plan.data.left_out.0)?;
            print_json(&value)
        }
        false => print(&text(&plan, &sweep, out)?),
    }
}

/// What a sweep leaves.
const SWEEP: [&str; 2] = ["lr-find.json", "lr-find.html"];

/// Whether a folder holds a sweep and nothing else.
fn holds_a_sweep(folder: &std::path::Path) -> std::io::Result<bool> {
    let names: Vec<_> = std::fs::read_dir(folder)?
        .map(|entry| Ok(entry?.file_name()))
        .collect::<std::io::Result<_>>()?;
    Ok(!names.is_empty() && names.iter().all(|name| SWEEP.iter().any(|sweep| name == sweep)))
}

fn text(plan: &Plan, sweep: &Sweep, out: &std::path::Path) -> Result<String> {
    let mut text = String::new();
    writeln!(text, "Data      {}", plan.data.describe())?;
    writeln!(text, "\n{:>12}{:>10}", "rate", "loss")?;
    let every = sweep.points.len().div_ceil(16).max(1);
    let losses = || sweep.points.iter().map(|point| point.smoothed);
    let (low, high) = (losses().fold(f64::INFINITY, f64::min), losses().fold(0.0, f64::max));
    let rows = || sweep.points.iter().step_by(every);
    let nearest = sweep.suggestion.and_then(|rate| {
        let off = |point: &SweepPoint| (point.learning_rate / rate).ln().abs();
        let rows = rows().enumerate();
        rows.min_by(|a, b| off(a.1).total_cmp(&off(b.1))).map(|(place, _)| place)
    });
    for (place, point) in rows().enumerate() {
        let bar = (30.0 * (point.smoothed - low) / (high - low).max(1e-12)).round() as usize;
        let mark = if nearest == Some(place) { " <- suggestion" } else { "" };
        writeln!(
            text,
            "{:>12.2e}{:>10.4}  {}{mark}",
            point.learning_rate,
            point.smoothed,
            "█".repeat(bar + 1)
        )?;
    }
    if let Some(rate) = sweep.exploded {
        writeln!(text, "\nThe loss diverged at {rate:.2e}.")?;
    }
    match (sweep.suggestion, sweep.lowest) {
        (Some(rate), Some(lowest)) => writeln!(
            text,
            "\nSuggestion  --learning-rate {rate:.2e}: a third of the centre of the valley of the loss, which is lowest at \
             {lowest:.2e}."
        )?,
        _ => writeln!(
            text,
            "\nNo suggestion: the loss falls nowhere. Try other rates with --low and --high, or more \
             --steps."
        )?,
    }
    writeln!(text, "Plot        {}", out.join("lr-find.html").display())?;
    Ok(text)
}

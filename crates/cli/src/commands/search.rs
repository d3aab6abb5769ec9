//! `search`: random settings, or successive halving, with one table at the end.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use anyhow::Result;
use taper_metrics::text::{printable, right, width};
use taper_runner::{Existing, Registry};
use taper_tune::{SearchFile, Searched, Trial, search, search_trial};

use super::finetune;
use crate::flags::{Output, SearchFlags};
use crate::launch::{listeners, run_error, take_shared};
use crate::print::{print, print_json};
use crate::signals;

pub(super) fn run(flags: &SearchFlags, output: Output, registry: &Registry) -> Result<()> {
    let shared = &flags.finetune.recipe;
    let file = SearchFile::read(&flags.file)?;
    let stem = flags.file.file_stem().map_or("search".into(), |stem| stem.to_string_lossy());
    let (out, _lock) = take_shared(shared, flags.trial.is_some(), "search", &stem)?;
    signals::catch()?;
    let keys = |settings: &BTreeMap<String, toml::Value>| -> Vec<_> {
        settings.iter().map(|(key, value)| (key.clone(), value.to_string())).collect()
    };
    let overrides = |settings: &_| [flags.finetune.overrides(), keys(settings)].concat();
    let first = file.draw(0);
    let (base, _) = finetune::recipe_of(&flags.finetune, &keys(&first), output, registry)?;
    let recipe = |settings: &BTreeMap<String, toml::Value>| {
        finetune::recipe(&flags.finetune, base.as_deref(), &overrides(settings), registry)
    };
    let follow = |name: &str| listeners(name, output);
    if let Some(number) = flags.trial {
        let trial =
            search_trial(&file, number, recipe, registry, &out, follow).map_err(run_error)?;
        return match output.json {
            true => print_json(&serde_json::to_value(&trial)?),
            false => print(&format!("{}\n", trial.run.display())),
        };
    }
    let found = search(&file, recipe, registry, &out, Existing::Resume { force: false }, follow)
        .map_err(run_error)?;
    match output.json {
        true => print_json(&serde_json::to_value(&found)?),
        false => print(&text(&found, &out)?),
    }
}

fn text(found: &Searched, out: &Path) -> Result<String> {
    let mut text = String::new();
    let keys: Vec<&String> =
        found.trials.first().map(|trial| trial.settings.keys().collect()).unwrap_or_default();
    let value = |trial: &Trial, key: &str| {
        trial.settings.get(key).map_or(String::new(), |value| printable(&value.to_string()))
    };
    let columns = |key: &&String| {
        let values = found.trials.iter().map(|trial| width(&value(trial, key)));
        values.max().unwrap_or(0).max(width(key)).max(10) + 2
    };
    let widths: Vec<usize> = keys.iter().map(columns).collect();
    write!(text, "{:>5}{:>8}{:>17}{:>10}", "trial", "epochs", found.metric.to_string(), "loss")?;
    for (key, width) in keys.iter().zip(&widths) {
        text += &right(key, *width);
    }
    writeln!(text)?;
    for trial in &found.trials {
        write!(text, "{:>5}{:>8}", trial.number, trial.epochs)?;
        match &trial.validation {
            Some(scores) => {
                write!(text, "{:>17.4}{:>10.4}", found.metric.of(scores), scores.loss)?;
            }
            None => write!(text, "{:>17}{:>10}", "failed", "")?,
        }
        for (key, width) in keys.iter().zip(&widths) {
            text += &right(&value(trial, key), *width);
        }
        writeln!(text)?;
    }
    match found.best() {
        Some(best) => {
            writeln!(text, "\nBest      {}", best.run.display())?;
            writeln!(text, "Recipe    {}", out.join("best.toml").display())?;
        }
        None => writeln!(text, "\nEvery trial failed.")?,
    }
    Ok(text)
}

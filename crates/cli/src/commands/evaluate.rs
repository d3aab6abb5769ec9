//! `evaluate`: scores of a finished model on labelled images.

use anyhow::Result;
use taper_dataset::split::Split;
use taper_runner::observe::Counter;
use taper_runner::{EvaluationParts, EvaluationSet, Registry, evaluate_on};
use toml::{Table, Value};

use crate::flags::{EvaluateFlags, Output, Part};
use crate::print::{note, print, print_json};
use crate::{model, table};

pub(super) fn run(flags: &EvaluateFlags, output: Output, registry: &Registry) -> Result<()> {
    let EvaluateFlags { model, settings, device, .. } = flags;
    let tables = ["augment", "data", "train"];
    let (classifier, run) = model::open(model, settings, &tables, device, flags.tta, registry)?;
    let source = flags.data.as_ref().map(|data| Value::from(data.as_str()).to_string());
    let source = source.map(|source| ("data.source".to_string(), source));
    let subset = source.into_iter().chain(flags.subset.overrides.iter().cloned());
    let set = settings.set.iter().flat_map(|(key, value)| keys_of(key, value));
    let set = set.filter(|(key, _)| key.starts_with("data.") || key.starts_with("train."));
    let parts = match flags.part {
        None => EvaluationParts::HeldOut,
        Some(Part::Train) => EvaluationParts::One(Split::Train),
        Some(Part::Validation) => EvaluationParts::One(Split::Validation),
        Some(Part::Test) => EvaluationParts::One(Split::Test),
        Some(Part::All) => EvaluationParts::All,
    };
    let trained_on = run.as_ref().map(|_| model::data_of(model)).transpose()?.flatten();
    let set = EvaluationSet { overrides: subset.chain(set).collect(), parts, trained_on };
    let mut counter = None;
    let progress = |images, total| {
        let new = || Counter::new(!output.quiet && !output.json, "evaluate", total);
        counter.get_or_insert_with(new).set(images);
        if images == total {
            counter = None;
        }
    };
    let evaluated = evaluate_on(&classifier, run.as_ref(), &set, registry, progress)?;
    if output.json {
        return print_json(&table::evaluation_json(&evaluated, flags.tta, registry.metrics())?);
    }
    print(&table::evaluation(&evaluated, flags.tta, registry.metrics())?)?;
    // Last, so that it stands below the scores.
    evaluated.warnings.iter().for_each(|warning| note(&format!("warning: {warning}")));
    Ok(())
}

/// A key with its value; of a table each of its keys.
fn keys_of(key: &str, value: &str) -> Vec<(String, String)> {
    match format!("value = {value}").parse::<Table>().map(|mut table| table.remove("value")) {
        Ok(Some(Value::Table(table))) => {
            let keys = table.into_iter();
            keys.flat_map(|(name, value)| keys_of(&format!("{key}.{name}"), &value.to_string()))
                .collect()
        }
        _ => vec![(key.to_string(), value.to_string())],
    }
}

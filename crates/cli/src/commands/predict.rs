//! `predict`: the class of image files.

use std::io::IsTerminal;

use anyhow::{Result, bail, ensure};
use taper_metrics::text::{printable, width};
use taper_runner::observe::Counter;
use taper_runner::{Prediction, Registry};

use crate::flags::{Output, PredictFlags, PredictionFormat};
use crate::print::{note, print, print_data, print_json};
use crate::{model, table};

pub(super) fn run(flags: &PredictFlags, output: Output, registry: &Registry) -> Result<()> {
    // clap sees this only where both stand behind the command.
    ensure!(
        !output.json || flags.format == PredictionFormat::Table,
        "--json and --format exclude each other"
    );
    let PredictFlags { model, settings, device, .. } = flags;
    let (mut model, _) = model::open(model, settings, &["augment"], device, flags.tta, registry)?;
    // On a terminal the answers themselves show how far it is.
    let streams = !output.json && std::io::stdout().is_terminal();
    model.inverts = flags.invert;
    let top_k = (flags.top_k as usize).min(model.config.num_classes);
    let mut predictions = model.predictions(&flags.images, top_k)?;
    let names: Vec<usize> =
        predictions.paths().iter().map(|path| width(&printable(&path.to_string_lossy()))).collect();
    let (count, columns) = (names.len(), names.into_iter().max().unwrap_or(0));
    let counter = Counter::new(!output.quiet && !output.json && !streams, "predict", count);
    let mut answered = 0;
    let mut all: Vec<Prediction> = Vec::new();
    let mut faults = Vec::new();
    for (batch, some) in predictions.by_ref().enumerate() {
        let some = some?;
        answered += some.len();
        counter.set(answered);
        faults.extend(some.iter().filter_map(|prediction| prediction.error.clone()));
        match flags.format {
            _ if output.json => all.extend(some),
            PredictionFormat::Table => print(&table::predictions(&some, columns))?,
            PredictionFormat::Csv => print_data(&table::csv(&some, top_k, batch == 0)?)?,
            PredictionFormat::Jsonl => print_data(&table::json_lines(&some)?)?,
        }
    }
    drop(counter);
    if output.json {
        print_json(&serde_json::json!({ "predictions": all }))?;
    }
    if predictions.unlike() > 0 {
        let (dark, light) = match model.border_brightness() {
            Some(brightness) if brightness > 0.5 => ("light", "dark"),
            _ => ("dark", "light"),
        };
        note(&format!(
            "warning: {} of {count} images are {light} at the border, and those that the model was \
             trained on are {dark}; if these are their negatives, such as dark ink on paper, {}",
            predictions.unlike(),
            if flags.invert { "leave --invert out" } else { "give --invert" },
        ));
    }
    match &faults[..] {
        [] => Ok(()),
        [only] if count == 1 => bail!("{only}"),
        faults => {
            bail!("{} of {count} images cannot be read:\n  {}", faults.len(), faults.join("\n  "))
        }
    }
}

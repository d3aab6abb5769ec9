//! Scores of a CSV file whose first two columns are label and prediction, any words:
//! `cargo run --release -p taper-metrics --example csv_scores -- answers.csv`. Without a file, of a few lines here.

use std::collections::BTreeSet;
use std::error::Error;

use taper_metrics::{ConfusionMatrix, ZeroDivision};

const SAMPLE: &str = "label,prediction\ncat,cat\ncat,dog\ndog,dog\nbird,bird\nbird,cat\n";

fn main() -> Result<(), Box<dyn Error>> {
    let text = match std::env::args().nth(1) {
        Some(path) => std::fs::read_to_string(path)?,
        None => SAMPLE.to_string(),
    };
    let mut rows = Vec::new();
    for (at, line) in text.lines().enumerate().skip(1) {
        let mut cells = line.split(',').map(str::trim);
        match (cells.next(), cells.next()) {
            (Some(label), Some(prediction)) => rows.push((label, prediction)),
            _ => return Err(format!("line {}: expected label,prediction", at + 1).into()),
        }
    }
    let names: BTreeSet<&str> = rows.iter().flat_map(|(a, b)| [*a, *b]).collect();
    let names: Vec<&str> = names.into_iter().collect();
    let number = |name: &str| names.binary_search(&name).map_or(0, |at| at as u32);
    let labels: Vec<u32> = rows.iter().map(|(label, _)| number(label)).collect();
    let predictions: Vec<u32> = rows.iter().map(|(_, prediction)| number(prediction)).collect();

    let mut matrix = ConfusionMatrix::new(names.len())?;
    matrix.add_batch(&labels, &predictions)?;
    println!("{}", matrix.report(&names, ZeroDivision::Zero)?);
    println!("accuracy {:.4}", matrix.accuracy()?);
    Ok(())
}

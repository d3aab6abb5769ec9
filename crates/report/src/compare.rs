//! Several runs on one page.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use taper_run_folder::{Epoch, write_whole};
use toml::{Table, Value};

use crate::classes::class_table;
use crate::curves::{epochs, scale_of};
use crate::error::ReportError;
use crate::html::{COLORS, duration, escape, grid, page, percent, section};
use crate::record::Record;
use crate::svg::{Chart, Scale, Series};

/// Writes a page that compares finished runs.
///
/// # Errors
/// A folder holds no finished run; the page cannot be written.
pub fn compare(runs: &[PathBuf], path: &Path) -> Result<(), ReportError> {
    let records = runs.iter().map(|run| Record::read(run)).collect::<Result<Vec<_>, _>>()?;
    Ok(write_whole(path, text(&records).as_bytes())?)
}

/// The page that compares runs.
fn text(records: &[Record]) -> String {
    let names = names(records);
    let body = format!(
        "<header><h1>{} runs</h1><p class=\"lead\">side by side</p></header>\n",
        records.len()
    ) + &section("Results", &results(records, &names))
        + &section("Learning", &curves(records, &names))
        + &section("F1 of each class", &classes(records, &names))
        + &section("What differs in the recipes", &recipes(records, &names));
    page(&format!("{} runs · Taper", records.len()), &body)
}

/// The folders' names; with the folder that they are in where two are the same, and numbered where
/// that is the same too.
fn names(records: &[Record]) -> Vec<String> {
    let once = |same: &dyn Fn(&Record) -> bool| records.iter().filter(|r| same(r)).count() == 1;
    let named = records.iter().enumerate().map(|(i, record)| {
        if once(&|other| other.name == record.name) {
            record.name.clone()
        } else if once(&|other| other.long_name == record.long_name) {
            record.long_name.clone()
        } else {
            format!("{} ({})", record.long_name, i + 1)
        }
    });
    named.collect()
}

/// A run's name with its color, as a cell.
fn name_cell(i: usize, name: &str) -> String {
    format!("<td><i class=\"key c{}\"></i>{}</td>", i % COLORS, escape(name))
}

fn results(records: &[Record], names: &[String]) -> String {
    type Cell = (&'static str, fn(&Record) -> f64, fn(f64) -> String, bool);
    let columns: [Cell; 6] = [
        ("Accuracy", |r| r.results.after.accuracy, percent, true),
        ("Macro F1", |r| r.results.after.macro_f1, |v| format!("{v:.4}"), true),
        ("Loss", |r| r.results.after.loss, |v| format!("{v:.4}"), false),
        ("Calibration error", |r| r.results.calibration.expected_error, percent, false),
        ("Training", |r| r.results.trained.seconds, duration, false),
        (
            "Images/s",
            |r| r.results.trained.images as f64 / r.results.trained.seconds.max(1e-9),
            |v| format!("{v:.0}"),
            true,
        ),
    ];
    let mut html = String::new();
    let held_out: Vec<&str> = records.iter().map(|r| r.results.data.description.as_str()).collect();
    if held_out.windows(2).any(|pair| pair[0] != pair[1]) {
        html += "<p class=\"note\">The runs have different data: their scores are not of the same \
                 images.</p>";
    }
    html += "<div class=\"scroll\"><table class=\"wide\"><thead><tr><th>Run</th><th>Net</th>";
    for (name, ..) in &columns {
        let _ = write!(html, "<th>{name}</th>");
    }
    html += "<th>Scored images</th></tr></thead><tbody>";
    for (i, record) in records.iter().enumerate() {
        let _ = write!(
            html,
            "<tr>{}<td>{}</td>",
            name_cell(i, &names[i]),
            escape(&record.recipe.model.net)
        );
        for (_, value, text, more) in &columns {
            let all = records.iter().map(value);
            let best = match more {
                true => all.fold(f64::NEG_INFINITY, f64::max),
                false => all.fold(f64::INFINITY, f64::min),
            };
            let value = value(record);
            let class = if value == best && records.len() > 1 { " class=\"best\"" } else { "" };
            let _ = write!(html, "<td{class}>{}</td>", text(value));
        }
        let (n, part) = (record.results.after.n, record.results.data.scored);
        let _ = write!(html, "<td>{n} {part}</td></tr>");
    }
    html + "</tbody></table></div>"
}

fn curves(records: &[Record], names: &[String]) -> String {
    let chart = |title: &str, value: fn(&Epoch) -> Option<f64>| {
        let series = records.iter().enumerate().map(|(color, record)| Series {
            name: names[color].clone(),
            color,
            faint: false,
            points: epochs(record, value),
        });
        let series: Vec<Series> = series.collect();
        let points: Vec<_> = series.iter().flat_map(|series| series.points.clone()).collect();
        let (x_scale, y_scale, marks) = (Scale::Linear, scale_of(&points), Vec::new());
        Chart { title, x_label: "epochs", x_scale, y_scale, series, marks }.figure()
    };
    // Of losses that cannot be compared each is named.
    let mut losses: Vec<&str> =
        records.iter().map(|r| r.recipe.own_loss().unwrap_or("cross-entropy")).collect();
    losses.dedup();
    let title = match losses[..] {
        ["cross-entropy"] => "Training loss".to_string(),
        _ => format!("Training loss: {}", losses.join(", ")),
    };
    let mut figures = vec![chart(&title, |epoch| Some(epoch.loss))];
    if records.iter().any(|r| r.epochs.iter().any(|epoch| epoch.validation.is_some())) {
        figures.push(chart("Validation loss", |epoch| Some(epoch.validation.as_ref()?.loss)));
        figures.push(chart("Validation accuracy, %", |epoch| {
            Some(100.0 * epoch.validation.as_ref()?.accuracy)
        }));
    }
    figures.push(chart("Learning rate", |epoch| Some(epoch.learning_rate)));
    grid(&figures)
}

fn classes(records: &[Record], names: &[String]) -> String {
    let first = &records[0].results.data.class_names;
    if records.iter().any(|record| record.results.data.class_names != *first) {
        return "<p class=\"none\">The runs have different classes.</p>".to_string();
    }
    let mut head = "<th>Class</th>".to_string();
    for (i, name) in names.iter().enumerate() {
        let _ = write!(head, "<th><i class=\"key c{}\"></i>{}</th>", i % COLORS, escape(name));
    }
    let f1 = |record: &Record, class: usize| {
        let class = &record.results.report.classes[class];
        (!class.is_absent()).then_some(class.scores.f1)
    };
    let ends = |class: usize| {
        let values = records.iter().filter_map(|record| f1(record, class));
        values
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), f1| (low.min(f1), high.max(f1)))
    };
    let row = |(class, name): (usize, &String)| {
        let cells = records.iter().map(|record| match f1(record, class) {
            None => "<td>–</td>".to_string(),
            Some(f1) if f1 == ends(class).1 => format!("<td class=\"best\">{f1:.4}</td>"),
            Some(f1) => format!("<td>{f1:.4}</td>"),
        });
        format!("<tr><td>{}</td>{}</tr>", escape(name), cells.collect::<String>())
    };
    let rows: Vec<String> = first.iter().enumerate().map(row).collect();
    let difference = |class: usize| {
        let (low, high) = ends(class);
        (low <= high).then_some(high - low)
    };
    class_table(&head, &rows, "", "difference", difference)
}

fn recipes(records: &[Record], names: &[String]) -> String {
    let flat: Vec<Vec<(String, String)>> = records
        .iter()
        .map(|record| {
            let mut keys = Vec::new();
            let table = record.recipe_text.parse::<Table>().unwrap_or_default();
            flatten("", &Value::Table(table), &mut keys);
            keys
        })
        .collect();
    let mut keys: Vec<&String> = flat.iter().flatten().map(|(key, _)| key).collect();
    keys.sort();
    keys.dedup();
    let value = |run: &[(String, String)], key: &str| {
        run.iter().find(|(k, _)| k == key).map_or("–".to_string(), |(_, value)| value.clone())
    };
    let mut rows = String::new();
    for key in keys {
        let values: Vec<String> = flat.iter().map(|run| value(run, key)).collect();
        if values.windows(2).any(|pair| pair[0] != pair[1]) {
            let cells: String =
                values.iter().map(|value| format!("<td>{}</td>", escape(value))).collect();
            let _ = write!(rows, "<tr><td>{}</td>{cells}</tr>", escape(key));
        }
    }
    if rows.is_empty() {
        return "<p class=\"none\">Nothing.</p>".to_string();
    }
    let heads: String = names.iter().map(|name| format!("<th>{}</th>", escape(name))).collect();
    format!(
        "<div class=\"scroll\"><table class=\"wide\"><thead><tr><th>Key</th>{heads}</tr></thead><tbody>{rows}\
         </tbody></table></div>"
    )
}

/// Every key of a table with its dotted name.
fn flatten(key: &str, value: &Value, into: &mut Vec<(String, String)>) {
    match value {
        Value::Table(table) => {
            for (name, value) in table {
                let key = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
                flatten(&key, value, into);
            }
        }
        value => into.push((key.to_string(), value.to_string())),
    }
}

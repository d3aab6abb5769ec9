//! `bench --backbones`: every net with published weights, as a table that helps to choose one.

use std::fmt::Write;

use taper_model::nets::{self, NetInfo};

use super::peers::OURS;
use super::results::Results;
use super::work::{Task, Work};

/// Images of a step: what fits everywhere.
const BATCH: usize = 8;

/// The side beyond which nothing is measured: a net for larger images is fine-tuned at this one, too.
const SIDE: usize = 224;

/// Training, evaluation and memory of each net.
pub fn works() -> Vec<Work> {
    nets::all().iter().filter(|net| net.published.is_some()).flat_map(of_net).collect()
}

fn of_net(info: &NetInfo) -> [Work; 3] {
    let (net, side, batch) = (info.name.to_string(), info.default_input.1.min(SIDE), BATCH);
    let images = 4 * batch;
    let work = |what: &str, task| {
        let name = format!("backbone/{}/{what}", info.name);
        Work { group: name.clone(), name, count: 1, task }
    };
    [
        work("train", Task::Train { net: net.clone(), side, batch, images }),
        work("evaluate", Task::Evaluate { net: net.clone(), side, batch }),
        work("memory", Task::Memory { net, side, batch, images, steps: 3 }),
    ]
}

/// The table in Markdown, by the time that training takes; a peer's column says how much longer its training and
/// evaluation take.
pub fn table(results: &Results, works: &[Work], sides: &[&str]) -> String {
    let peers: Vec<&str> = sides.iter().copied().filter(|side| *side != OURS).collect();
    let mut rows = Vec::new();
    for info in nets::all() {
        let (Some(published), Some(size)) = (&info.published, info.size) else { continue };
        let median = |what: &str, metric: &str, side: &str| {
            let name = format!("backbone/{}/{what}", info.name);
            let work = works.iter().find(|work| work.name == name)?;
            results.median(work, metric, side)
        };
        let Some(train) = median("train", "step", OURS) else { continue };
        let number = |value: Option<f64>, digits: usize| {
            value.map_or("".to_string(), |value| format!("{value:.digits$}"))
        };
        let rate = |seconds: f64| BATCH as f64 / seconds;
        let evaluate = median("evaluate", "step", OURS).map(rate);
        let memory = median("memory", "memory", OURS).map(|bytes| bytes / 1e6);
        let mut row = format!(
            "| `{}` | {:.1} | {:.2} | {} | {} | {} | {} | {} | `{}` |",
            info.name,
            size.parameters as f64 / 1e6,
            size.multiply_adds as f64 / 1e9,
            number(Some(rate(train)), 1),
            number(evaluate, 1),
            number(memory, 0),
            number(published.top1, 1),
            published.license,
            published.hub,
        );
        for peer in &peers {
            let ratio = |what| Some(median(what, "step", peer)? / median(what, "step", OURS)?);
            let (train, evaluate) = (number(ratio("train"), 2), number(ratio("evaluate"), 2));
            let _ = write!(row, " {train} / {evaluate} |");
        }
        rows.push((train, row));
    }
    rows.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    let mut out = String::from(
        "| net | parameters, 10⁶ | multiply-adds, 10⁹ | training, images/s | evaluation, images/s | memory, MB | \
         ImageNet top-1, % | licence | weights on the Hub |",
    );
    for peer in &peers {
        let _ = write!(out, " {peer}: time of training / evaluation |");
    }
    let columns = 9 + peers.len();
    let _ = write!(out, "\n|{}\n", " --- |".repeat(columns));
    for (_, row) in &rows {
        let _ = writeln!(out, "{row}");
    }
    out
}

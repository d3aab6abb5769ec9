//! Results as text.

use std::fmt::Write;

use super::peak::Peak;
use super::peers::OURS;
use super::results::{Results, metrics};
use super::work::Work;

/// The machine's line.
pub fn peak(peak: &Peak) -> String {
    format!(
        "multiply-add peak, f32, {}: {:.0} GFLOP/s with one thread, {:.0} with {}\n",
        peak.instructions, peak.one_thread, peak.all_threads, peak.threads
    )
}

/// One line a value: ours, then how many times as long each peer takes.
pub fn results(results: &Results, works: &[Work], sides: &[&str], peak: f64) -> String {
    let mut out = String::new();
    let rows = results.rows(works, sides, peak);
    let name_width = works.iter().map(|work| work.name.len()).max().unwrap_or(0);
    for work in works {
        for metric in metrics(&work.task) {
            let of_value =
                |row: &&super::results::Row| row.work == work.name && row.metric == *metric;
            let found: Vec<_> = rows.iter().filter(of_value).collect();
            if found.is_empty() {
                continue;
            }
            let _ = write!(out, "{:name_width$}  {metric:<16}", work.name);
            for row in found {
                let value = quantity(row.median, metric);
                match (row.side == OURS, row.images_per_second, row.share_of_peak) {
                    (true, Some(images), _) => {
                        let _ = write!(out, " {value}  {images:.0} images/s");
                    }
                    (true, None, Some(share)) => {
                        let gflops = row.gflops.unwrap_or(0.0);
                        let _ =
                            write!(out, " {value} {gflops:5.0} GFLOP/s {:4.0} %", 100.0 * share);
                    }
                    (true, None, None) => {
                        let _ = write!(out, " {value}");
                    }
                    (false, _, _) => {
                        let _ = write!(out, "  {} {value}", row.side);
                        if let Some(ratio) = row.ratio {
                            let _ = write!(out, " ({ratio:.2}x)");
                        }
                    }
                }
            }
            out.push('\n');
        }
    }
    out
}

/// One line a group: forward and backward of all its kernels, each as often as the net does it.
pub fn sums(results: &Results, works: &[Work], sides: &[&str]) -> String {
    let sums = results.sums(works, sides);
    let width = sums.iter().map(|sum| sum.group.len()).max().unwrap_or(0);
    let mut out = String::new();
    let mut last = "";
    for sum in &sums {
        if sum.group != last {
            let separator = if last.is_empty() { "" } else { "\n" };
            let _ = write!(out, "{separator}{:width$}", sum.group);
            last = &sum.group;
        }
        let _ = write!(out, "  {} {}", sum.side, quantity(sum.seconds, "forward").trim_start());
        if let Some(ratio) = sum.ratio.filter(|_| sum.side != OURS) {
            let _ = write!(out, " ({ratio:.2}x)");
        }
    }
    out.push('\n');
    out
}

fn quantity(value: f64, metric: &str) -> String {
    match metric {
        "memory" | "memory_anonymous" => format!("{:6.1} MiB", value / 1024.0 / 1024.0),
        "start" => format!("{value:6.2} s"),
        _ => format!("{:8.3} ms", 1e3 * value),
    }
}

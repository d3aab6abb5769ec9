//! What was measured, round by round, and what it comes to.

use std::collections::BTreeMap;

use serde::Serialize;

use super::peers::OURS;
use super::serve::median;
use super::work::{Task, Work};

/// One value of one side in all rounds.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// The work's name.
    pub work: String,
    /// What was measured: `step`, `forward`, `backward`, `start` (seconds), `memory`,
    /// `memory_anonymous` (bytes).
    pub metric: String,
    /// Who was measured.
    pub side: String,
    /// The value of each round.
    pub rounds: Vec<f64>,
    /// Their median.
    pub median: f64,
    /// Images a second, for whole nets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub images_per_second: Option<f64>,
    /// Rate of multiply-adds, counted as a direct convolution's, for products.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gflops: Option<f64>,
    /// `gflops` as a share of the machine's peak.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share_of_peak: Option<f64>,
    /// This side's median divided by ours: above 1 ours is ahead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio: Option<f64>,
}

/// The times of a group of kernels, forward and backward, each as often as its net does it.
#[derive(Debug, Clone, Serialize)]
pub struct Sum {
    /// The group's name.
    pub group: String,
    /// Who was measured.
    pub side: String,
    /// Seconds.
    pub seconds: f64,
    /// This side's seconds divided by ours: above 1 ours is ahead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio: Option<f64>,
}

/// All values.
#[derive(Debug, Default)]
pub struct Results {
    values: BTreeMap<(String, String, String), Vec<f64>>,
}

impl Results {
    /// Takes note of one value of a round.
    pub fn add(&mut self, work: &Work, metric: &str, side: &str, value: f64) {
        let key = (work.name.clone(), metric.to_string(), side.to_string());
        self.values.entry(key).or_default().push(value);
    }

    /// The median over the rounds.
    pub fn median(&self, work: &Work, metric: &str, side: &str) -> Option<f64> {
        let key = (work.name.clone(), metric.to_string(), side.to_string());
        self.values.get(&key).map(|rounds| median(rounds.clone()))
    }

    /// One row a value, in the order of the works; `peak` is the machine's in GFLOP/s, infinite where it is unknown.
    pub fn rows(&self, works: &[Work], sides: &[&str], peak: f64) -> Vec<Row> {
        let mut rows = Vec::new();
        for work in works {
            for metric in metrics(&work.task) {
                for side in sides {
                    rows.extend(self.row(work, metric, side, peak));
                }
            }
        }
        rows
    }

    fn row(&self, work: &Work, metric: &str, side: &str, peak: f64) -> Option<Row> {
        let key = (work.name.clone(), metric.to_string(), side.to_string());
        let rounds = self.values.get(&key)?.clone();
        let median = median(rounds.clone());
        let operations = work.task.operations().and_then(|(forward, backward)| match metric {
            "forward" => Some(forward),
            "backward" => Some(backward),
            _ => None,
        });
        let gflops = operations.map(|operations| operations / median / 1e9);
        let images = work.task.images().filter(|_| metric == "step");
        Some(Row {
            work: work.name.clone(),
            metric: metric.to_string(),
            side: side.to_string(),
            images_per_second: images.map(|images| images as f64 / median),
            gflops,
            share_of_peak: gflops.filter(|_| peak.is_finite()).map(|gflops| gflops / peak),
            ratio: self.median(work, metric, OURS).map(|ours| median / ours),
            rounds,
            median,
        })
    }

    /// The groups' sums for every side that did all of a group's works.
    pub fn sums(&self, works: &[Work], sides: &[&str]) -> Vec<Sum> {
        let mut groups: Vec<&str> = Vec::new();
        for work in works {
            if work.task.images().is_none()
                && !work.task.is_whole_process()
                && !groups.contains(&work.group.as_str())
            {
                groups.push(&work.group);
            }
        }
        let mut sums = Vec::new();
        for group in groups {
            let seconds = |side: &str| -> Option<f64> {
                let of_group = works.iter().filter(|work| work.group == group);
                of_group
                    .map(|work| {
                        let forward = self.median(work, "forward", side)?;
                        let backward = self.median(work, "backward", side)?;
                        Some(work.count as f64 * (forward + backward))
                    })
                    .sum()
            };
            let ours = seconds(OURS);
            for side in sides {
                let Some(seconds) = seconds(side) else { continue };
                let ratio = ours.map(|ours| seconds / ours);
                sums.push(Sum { group: group.to_string(), side: side.to_string(), seconds, ratio });
            }
        }
        sums
    }
}

/// What is measured of a work.
pub fn metrics(task: &Task) -> &'static [&'static str] {
    match task {
        Task::Train { .. } | Task::Evaluate { .. } => &["step"],
        Task::FirstStep { .. } => &["start"],
        Task::Memory { .. } => &["memory", "memory_anonymous"],
        _ => &["forward", "backward"],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::works;

    #[test]
    fn a_row_has_the_median_the_rate_and_the_ratio() {
        let works = works::all();
        let work = works.iter().find(|work| work.name.starts_with("resnet18-64/conv3x3")).unwrap();
        let mut results = Results::default();
        for (ours, peer) in [(2.0, 3.0), (1.0, 9.0), (4.0, 5.0)] {
            results.add(work, "forward", OURS, ours);
            results.add(work, "forward", "peer", peer);
        }
        let rows = results.rows(&works, &[OURS, "peer"], 10.0);
        assert_eq!(rows.len(), 2);
        assert_eq!((rows[0].median, rows[1].median), (2.0, 5.0));
        assert_eq!((rows[0].ratio, rows[1].ratio), (Some(1.0), Some(2.5)));
        // 2 * 32 * 64 * 64 * 9 * 16 * 16 operations in two seconds.
        let gflops = 2.0 * 32.0 * 64.0 * 64.0 * 9.0 * 256.0 / 2.0 / 1e9;
        assert!((rows[0].gflops.unwrap() - gflops).abs() < 1e-9);
        assert!((rows[0].share_of_peak.unwrap() - gflops / 10.0).abs() < 1e-9);
    }

    #[test]
    fn a_sum_counts_each_kernel_as_often_as_its_net_and_leaves_out_who_lacks_one() {
        let works = works::all();
        let group = "vit-tiny-224/linear";
        let mut results = Results::default();
        for work in works.iter().filter(|work| work.group == group) {
            for metric in ["forward", "backward"] {
                results.add(work, metric, OURS, 1.0);
                results.add(work, metric, "whole", 3.0);
            }
            results.add(work, "forward", "half", 1.0);
        }
        let sums = results.sums(&works, &[OURS, "whole", "half"]);
        assert_eq!(sums.len(), 2);
        assert_eq!(sums[0].seconds, 4.0 * 12.0 * 2.0);
        assert_eq!(sums[1].ratio, Some(3.0));
    }
}

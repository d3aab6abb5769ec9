//! `metrics.json`: the results of a finished run, for people, programs and reports.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use taper_metrics::{Calibration, ClassificationReport, ConfusionMatrix};
use taper_untrusted::checksums::{self, RECORD};
use taper_untrusted::json;

use crate::error::RunFolderError;
use crate::extended::ExtendedScores;
use crate::folder::RunFolder;
use crate::machine::Machine;
use crate::scores::Scores;
use crate::write::{self, write_whole};

/// The results of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Results {
    /// Scores on the held-out part before training.
    pub before: Scores,
    /// Scores on the held-out part after training.
    pub after: Scores,
    /// Scores of the weights that the run ended with on the validation part, where there is one.
    #[serde(default)]
    pub validation: Option<Scores>,
    /// Ranking and agreement on the held-out part after training; none in files of before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extended: Option<ExtendedScores>,
    /// Precision, recall, F1 and support of each class, after training.
    pub report: ClassificationReport,
    /// True classes of the held-out part against predicted ones; of more pairs than [`most_pairs`] the most frequent.
    pub confusion: ConfusionMatrix,
    /// Calibration of the probabilities on the held-out part.
    pub calibration: Calibration,
    /// Seconds that the held-out part took.
    pub evaluation_seconds: f64,
    /// How training went.
    pub trained: TrainingSummary,
    /// The data.
    pub data: DataResults,
    /// Elements of the net's parameters.
    pub parameters: ParameterCounts,
    /// The net.
    #[serde(default)]
    pub net: NetSummary,
    /// The weights that training started from.
    #[serde(default)]
    pub start: StartingWeights,
    /// The load report: what became of each tensor of the weights.
    pub load_report: serde_json::Value,
    /// The load report as text.
    #[serde(default)]
    pub load_text: LoadReportText,
    /// Why the most confident mistakes could not be recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mistakes_error: Option<String>,
    /// What may make the scores worthless, such as classes that are known by number alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// Where it ran.
    pub machine: Machine,
}

/// How training went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainingSummary {
    /// Updates done.
    pub steps: u64,
    /// Images seen, repeats counted.
    pub images: usize,
    /// Time in training steps, data gathering included, validation and checkpoints not.
    pub seconds: f64,
    /// Updates passed over, because loss or gradient was not finite.
    pub skipped: u64,
    /// Why it ended before its last epoch, if it did.
    pub stopped: Option<String>,
}

/// What a run was trained and scored on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataResults {
    /// One line: name, size and division.
    pub description: String,
    /// The file or folder, from the root of the file system; none of data by name, and in files of before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// The classes' names, in the order of the labels.
    pub class_names: Vec<String>,
    /// Images of each class that were trained on.
    pub train: Vec<usize>,
    /// Images of each class that were validated on; empty without a validation part.
    pub validation: Vec<usize>,
    /// Images of each class that were held out.
    pub test: Vec<usize>,
    /// What the scores are of.
    #[serde(default)]
    pub scored: ScoredPart,
    /// What was found and not taken, by reason.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub left_out: BTreeMap<String, usize>,
    /// Images of each class that were left out because they cannot be read, of the training, validation and test
    /// part; one that was trained on and validated on counts in both. Empty where there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unreadable: Vec<[usize; 3]>,
}

/// The part of the data that a run is scored on. Its `Display` is what its images are called: `held-out`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScoredPart {
    /// What is held out.
    #[default]
    Test,
    /// What is validated on, where nothing is held out.
    Validation,
    /// What is trained on, where there is nothing else.
    Train,
}

impl std::fmt::Display for ScoredPart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Test => "held-out",
            Self::Validation => "validation",
            Self::Train => "training",
        })
    }
}

/// Numbers of elements of a net's parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParameterCounts {
    /// Those that training changed.
    pub trainable: usize,
    /// Those that were frozen.
    pub frozen: usize,
    /// Those of buffers, such as running statistics.
    pub buffers: usize,
}

/// A net as the model card describes it, beside its name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NetSummary {
    /// One line.
    pub description: String,
    /// Whether timm has it, with the same names of layers.
    pub in_timm: bool,
    /// Whether it is built for one size of image, as one that cuts them into patches is.
    pub fixed_size: bool,
}

/// The weights that training started from, beside their name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StartingWeights {
    /// Whether the weights were a folder.
    pub is_folder: bool,
    /// Data sets that the weights had been trained on, as far as they say.
    pub seen_data: Vec<String>,
}

/// The load report as text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LoadReportText {
    /// Totals, and what is worth saying.
    pub summary: String,
    /// A line for every tensor.
    pub tensors: String,
}

/// The most pairs of the confusion matrix that `metrics.json` has: with more it could not be read again, whatever else
/// it has of so many classes.
///
/// ```
/// assert!(taper_run_folder::most_pairs(21_841) > 4_000_000);
/// assert!(taper_run_folder::most_pairs(taper_metrics::MAX_CLASSES) > 200_000);
/// ```
pub fn most_pairs(num_classes: usize) -> usize {
    // As the reader counts them; the rest is for names and the load report.
    const OF_CLASS: usize = 520;
    const OF_PAIR: usize = 136;
    (json::MOST / 8 * 7).saturating_sub(OF_CLASS.saturating_mul(num_classes)) / OF_PAIR
}

/// Of [`Results`] what is a tree of any values, counted.
#[derive(Deserialize)]
struct Tree {
    #[serde(default)]
    load_report: json::Size,
}

impl Results {
    /// Reads a run's `metrics.json`.
    ///
    /// # Errors
    /// The file cannot be read, or is not what this version writes.
    pub fn read(run: &RunFolder) -> Result<Self, RunFolderError> {
        let path = run.metrics();
        let bytes = checksums::read(&path, RECORD).map_err(RunFolderError::io(&path))?;
        let read = || {
            let Tree { load_report } = serde_json::from_slice(&bytes)?;
            json::read_beside(&bytes, load_report, json::MOST)
        };
        let results: Self = read().map_err(|error| RunFolderError::invalid(&path, error))?;
        results.check().map_err(|reason| RunFolderError::invalid(&path, reason))?;
        Ok(results)
    }

    /// Whether all tell of as many classes.
    fn check(&self) -> Result<(), String> {
        let DataResults { class_names, train, validation, test, unreadable, .. } = &self.data;
        let classes = self.confusion.num_classes();
        for (what, found, may_be_empty) in [
            ("data.class_names", class_names.len(), false),
            ("data.train", train.len(), false),
            ("data.validation", validation.len(), true),
            ("data.test", test.len(), false),
            ("data.unreadable", unreadable.len(), true),
            ("report.classes", self.report.classes.len(), false),
        ] {
            if found != classes && !(may_be_empty && found == 0) {
                return Err(format!("{what} has {found} classes, the confusion matrix {classes}"));
            }
        }
        Ok(())
    }

    /// Whether an older version made the run: what its page shows of mistakes and weights is on that page alone.
    pub fn is_older(&self) -> bool {
        self.load_text.summary.is_empty()
    }

    /// Writes a run's `metrics.json`, whole or not at all; from then on the run is finished. Before that the
    /// checksums of all that the run has written are.
    ///
    /// # Errors
    /// A file cannot be read or written.
    pub fn write(&self, run: &RunFolder) -> Result<(), RunFolderError> {
        let bytes = write::json(&run.metrics(), self)?;
        run.write_checksums(&bytes)?;
        write_whole(&run.metrics(), &bytes)
    }
}

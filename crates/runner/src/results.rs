//! `metrics.json`: what a finished run came to, for people, programs and reports.

use std::path::Path;

use serde::{Deserialize, Serialize};
use taper_metrics::{
    Calibration, ClassificationReport, ConfusionMatrix, ZeroDivision, calibration,
};
use taper_model::params::{ParamKind, Params};
use taper_model::weights::LoadReport;

use crate::data::{Data, Part};
use crate::error::RunnerError;
use crate::evaluate::{Evaluation, Scores};
use crate::machine::Machine;
use crate::train::Trained;
use crate::write::write_json;

/// Bins of the reliability diagram.
const BINS: usize = 15;

/// What a run came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Results {
    /// Scores on the held-out part before training.
    pub before: Scores,
    /// Scores on the held-out part after training.
    pub after: Scores,
    /// Scores of the weights that the run ended with on the validation part, where there is one.
    #[serde(default)]
    pub validation: Option<Scores>,
    /// Precision, recall, F1 and support of each class, after training.
    pub report: ClassificationReport,
    /// True classes of the held-out part against predicted ones.
    pub confusion: ConfusionMatrix,
    /// Whether the probabilities on the held-out part are right as often as they say.
    pub calibration: Calibration,
    /// Seconds that the held-out part took.
    pub evaluation_seconds: f64,
    /// How training went.
    pub trained: Trained,
    /// The data.
    pub data: DataResults,
    /// Elements of the net's parameters.
    pub parameters: ParameterCounts,
    /// What became of each tensor of the weights.
    pub load_report: LoadReport,
    /// Where it ran.
    pub machine: Machine,
}

/// What a run was trained and scored on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataResults {
    /// One line: name, size and division.
    pub description: String,
    /// The classes' names, in the order of the labels.
    pub class_names: Vec<String>,
    /// Images of each class that were trained on.
    pub train: Vec<usize>,
    /// Images of each class that were validated on; empty without a validation part.
    pub validation: Vec<usize>,
    /// Images of each class that were held out.
    pub test: Vec<usize>,
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

impl Results {
    /// Reads a run's `metrics.json`.
    ///
    /// # Errors
    /// The file cannot be read, or is not what this version writes.
    pub fn read(path: &Path) -> Result<Self, RunnerError> {
        let bytes = std::fs::read(path)
            .map_err(|source| RunnerError::Io { path: path.to_path_buf(), source })?;
        serde_json::from_slice(&bytes)
            .map_err(|e| RunnerError::Config { path: path.to_path_buf(), reason: e.to_string() })
    }

    /// Writes it, whole or not at all.
    pub(crate) fn write(&self, path: &Path) -> Result<(), RunnerError> {
        write_json(path, self)
    }
}

/// The table of each class.
pub(crate) fn report_of(evaluation: &Evaluation) -> Result<ClassificationReport, RunnerError> {
    Ok(evaluation.confusion()?.report(&evaluation.class_names, ZeroDivision::Zero)?)
}

/// The reliability diagram.
pub(crate) fn calibration_of(evaluation: &Evaluation) -> Result<Calibration, RunnerError> {
    let Evaluation { labels, probabilities, .. } = evaluation;
    Ok(calibration(labels, probabilities, evaluation.classes(), BINS)?)
}

impl DataResults {
    /// Counts the classes of the data's parts.
    pub fn of(data: &Data) -> Self {
        let count = |part: &Part| {
            let mut counts = vec![0; part.class_names().len()];
            for &index in part.indices() {
                counts[part.source().label(index) as usize] += 1;
            }
            counts
        };
        Self {
            description: data.describe(),
            class_names: data.train.class_names().to_vec(),
            train: count(&data.train),
            validation: data.validation.as_ref().map(count).unwrap_or_default(),
            test: count(&data.test),
        }
    }
}

impl ParameterCounts {
    /// Counts a net's parameters.
    pub fn of(params: &Params) -> Self {
        Self {
            trainable: params.num_elements(ParamKind::Trainable),
            frozen: params.num_elements(ParamKind::Frozen),
            buffers: params.num_elements(ParamKind::Buffer),
        }
    }
}

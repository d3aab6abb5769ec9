//! What a run came to, for the caller.

use std::path::PathBuf;

use taper_classifier::Evaluation;
use taper_pretrained::CalibrationConfig;
use taper_run_folder::Results;

/// What a run came to.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The run's folder.
    pub run: PathBuf,
    /// Scores, training and parameters, as `metrics.json` has them.
    pub results: Results,
    /// The answers behind the scores after training; `None` where the run was finished before and
    /// nothing has been computed.
    pub evaluation: Option<Evaluation>,
    /// What was worth knowing before the run began.
    pub notes: Vec<String>,
    /// Temperature and threshold that were fitted, if they were asked for; the scores are by them.
    pub calibration: Option<CalibrationConfig>,
}

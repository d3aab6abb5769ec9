//! A run's folder: the contract between what trains, what answers, what reports, and other programs.
//!
//! [`RunFolder`] has the names of its files, [`FolderLock`] the right to write them, [`Results`] is `metrics.json`, [`Event`] a line of
//! `history.jsonl`, [`Mistake`] one of the held-out images that the model got wrong. All of it is
//! plain data with serde; nothing here trains, and nothing needs a tensor library.
//!
//! ```
//! use taper_run_folder::{Results, RunFolder, RunFolderError};
//!
//! fn accuracy(run: &std::path::Path) -> Result<f64, RunFolderError> {
//!     Ok(Results::read(&RunFolder::finished(run)?)?.after.accuracy)
//! }
//! let error = accuracy("no/such/run".as_ref()).unwrap_err();
//! assert_eq!(error.to_string(), "no/such/run holds no run: recipe.toml is missing");
//! ```

mod error;
mod lock;
mod write;

mod extended;
mod folder;
mod history;
mod judgement;
mod machine;
mod mistakes;
mod results;
mod scores;
mod start;

pub use error::RunFolderError;
pub use extended::ExtendedScores;
pub use folder::RunFolder;
pub use history::{Epoch, Event, History, Step, read_history};
pub use judgement::Judgement;
pub use lock::FolderLock;
pub use machine::{Machine, bytes};
pub use mistakes::{Answer, Mistake};
pub use results::{
    DataResults, LoadReportText, NetSummary, ParameterCounts, Results, ScoredPart, StartingWeights,
    TrainingSummary, most_pairs,
};
pub use scores::{Better, Metric, OwnScore, Scores};
pub use write::{write_json, write_whole};

/// The README's example, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

//! Finding settings by several runs.
//!
//! [`lr_find`] sweeps the learning rate of a plan; [`cross_validate`] scores recipes on the same
//! stratified folds of the training part; [`search`] draws settings, at random or by successive
//! halving. Each training is a run in a folder of its own, with its page, so that what was killed
//! goes on; processes of several machines that share the folder share the runs. The held-out part decides nothing.

mod error;

mod claims;
mod run;

mod cross_validate;
mod lr_find;
mod search;

pub use cross_validate::{
    Candidate, CandidateScores, Comparison, CrossValidated, Spread, cross_validate,
    cross_validate_fold,
};
pub use error::TuneError;
pub use lr_find::lr_find;
pub use run::run_with_pages;
pub use search::{
    Range, SearchFile, SearchMethod, SearchSettings, Searched, Trial, search, search_trial,
};

/// The README's example, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

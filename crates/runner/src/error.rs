//! What can go wrong in a run: one enum for each subject, and one over all.

mod data;
mod recipe;
mod resume;
mod training;

use std::path::Path;

use taper_classifier::ClassifierError;
use taper_metrics::MetricsError;
use taper_model::ParamsError;
use taper_model::loss::LossError;
use taper_model::weights::WeightsError;
use taper_optimizer::OptimizerError;
use taper_pretrained::PretrainedError;
use taper_run_folder::RunFolderError;

pub use data::DataError;
pub use recipe::RecipeError;
pub use resume::{Difference, ResumeError};
pub use training::TrainingError;

/// What can go wrong between a recipe and a trained model.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunnerError {
    /// A recipe cannot be read, or has a setting that cannot be used.
    #[error(transparent)]
    Recipe(#[from] RecipeError),
    /// The data cannot be used for this run.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A run cannot be saved, or cannot go on.
    #[error(transparent)]
    Resume(#[from] ResumeError),
    /// Training ended before its end.
    #[error(transparent)]
    Training(#[from] TrainingError),
    /// A run's folder cannot be used, read or written.
    #[error(transparent)]
    Folder(#[from] RunFolderError),
    /// A checkpoint could not be found, read or fitted to the net.
    #[error(transparent)]
    Pretrained(#[from] PretrainedError),
    /// A model could not be opened or asked.
    #[error(transparent)]
    Classifier(#[from] ClassifierError),
    /// Images could not be read.
    #[error(transparent)]
    Dataset(#[from] taper_dataset::Error),
    /// Weights could not be read, mapped or written.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// Values that do not fit the net's parameters.
    #[error(transparent)]
    Params(#[from] ParamsError),
    /// Optimizer settings or state are unusable.
    #[error(transparent)]
    Optimizer(#[from] OptimizerError),
    /// The loss cannot be computed.
    #[error(transparent)]
    Loss(#[from] LossError),
    /// Metrics cannot be computed.
    #[error(transparent)]
    Metrics(#[from] MetricsError),
    /// A tensor operation failed.
    #[error("{}", taper_model::tensor_message(.0))]
    Tensor(#[from] candle_core::Error),
}

impl RunnerError {
    /// The same error of a recipe with this name or path. What is wrong with the program is not the recipe's.
    pub(crate) fn of_recipe(self, origin: &str) -> Self {
        match self {
            Self::Recipe(RecipeError::In { .. } | RecipeError::Taken { .. }) => self,
            error => RecipeError::In { origin: origin.to_string(), error: Box::new(error) }.into(),
        }
    }

    /// What the system said of a path.
    pub fn io(path: &Path) -> impl Fn(std::io::Error) -> Self + use<> {
        let path = path.to_path_buf();
        move |source| RunFolderError::io(&path)(source).into()
    }
}

/// A setting that is outside what it may be.
pub fn setting(
    key: impl Into<String>,
    found: impl ToString,
    expected: impl Into<String>,
) -> RunnerError {
    let (key, found, expected) = (key.into(), found.to_string(), expected.into());
    RecipeError::Setting { key, found, expected }.into()
}

//! What can be wrong with the data of a run.

/// What can be wrong with the data of a run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// Nothing to train on or to evaluate.
    #[error(
        "the {part} part of {source_name} is empty; give more images, or another \
         `data.test_fraction`"
    )]
    Empty {
        /// Which part.
        part: &'static str,
        /// The data's name.
        source_name: String,
    },
    /// There is nothing to tell apart.
    #[error("{data} has {found} class, expected 2 or more: a folder, or a label, for each")]
    FewClasses {
        /// The data's name.
        data: String,
        /// Classes in the data.
        found: usize,
    },
    /// The data has another number of classes than the model.
    #[error("{data} has {found} classes, the model was trained on {expected}")]
    ClassCount {
        /// The data's name.
        data: String,
        /// Classes in the data.
        found: usize,
        /// Classes of the model.
        expected: usize,
    },
    /// The data has other classes than the model.
    #[error(
        "the classes of {data} are {found}, those of the model {expected}; a score would say nothing: \
         give data with the model's classes"
    )]
    OtherClasses {
        /// The data's name.
        data: String,
        /// The data's classes.
        found: String,
        /// The model's classes.
        expected: String,
    },
    /// The weights were trained on the data that is to judge them.
    #[error(
        "the weights have been trained on the images of `{data}`: a score on it would say nothing; \
         choose other data or other weights"
    )]
    Contaminated {
        /// The data's name.
        data: String,
    },
    /// The Hub's files could not be had.
    #[cfg(feature = "hub")]
    #[error(transparent)]
    Hub(Box<taper_hub::HubError>),
}

#[cfg(feature = "hub")]
impl From<taper_hub::HubError> for DataError {
    fn from(error: taper_hub::HubError) -> Self {
        Self::Hub(Box::new(error))
    }
}

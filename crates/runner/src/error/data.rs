//! What can be wrong with the data of a run.

use taper_pretrained::{BadClasses, shortened};

/// What can be wrong with the data of a run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// The data's path, or name, leads nowhere.
    #[error("{error}; and of this program `{}`", own.join("`, `"))]
    NotFound {
        /// What names there are beside the program's own.
        error: Box<taper_dataset::Error>,
        /// The names of the program's own data sets.
        own: Vec<String>,
    },
    /// Nothing to train on or to evaluate.
    #[error(
        "the {part} part of {source_name} is empty; give more images, or another \
         `data.test_fraction` (0: nothing is held out)"
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
    /// There are more classes than a model can have, or longer names.
    #[error("{data} cannot be trained on: {source}")]
    Classes {
        /// The data's name.
        data: String,
        /// What there is too much of.
        source: BadClasses,
    },
    /// Some classes of the data are none of the model's.
    #[error(
        "{data} has images of classes that the model does not have: {}; the model's are {}{}. Rename them, \
         or take the others alone with `data.classes`",
        shortened(unknown),
        shortened(model),
        alike.as_ref().map_or(String::new(), |pair| format!(" (`{}` may be `{}`)", pair.0, pair.1))
    )]
    UnknownClasses {
        /// The data's name.
        data: String,
        /// The classes that the model does not have.
        unknown: Vec<String>,
        /// Those of the data that it has.
        known: Vec<String>,
        /// The model's.
        model: Vec<String>,
        /// One of the unknown ones and the model's whose letters and digits are the same.
        alike: Option<Box<(String, String)>>,
    },
    /// No image is of the classes that were chosen.
    #[error("{data} has no image of the classes {classes}; choose others with `data.classes`")]
    NoImages {
        /// The data's name.
        data: String,
        /// The classes.
        classes: String,
    },
    /// The data does not have the part that was asked for.
    #[error("{data} has no {part} part; it has {found}")]
    NoPart {
        /// The data's name.
        data: String,
        /// The part.
        part: &'static str,
        /// The parts there are, with their images.
        found: String,
    },
    /// The data has other classes than the model.
    #[error(
        "the classes of {data} are {found}, those of the model {expected}; a score would say nothing: \
         give data with the model's classes{}",
        alike.as_ref().map_or(String::new(), |pair| format!(" (`{}` may be `{}`)", pair.0, pair.1))
    )]
    OtherClasses {
        /// The data's name.
        data: String,
        /// The data's classes.
        found: String,
        /// The model's classes.
        expected: String,
        /// One of the data's and one of the model's whose letters and digits are the same.
        alike: Option<Box<(String, String)>>,
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

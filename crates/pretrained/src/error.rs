//! What can go wrong with a checkpoint.

use std::path::{Path, PathBuf};

use taper_model::{ParamsError, WeightsError};

use crate::likely_net::LikelyNet;

/// What can go wrong with a checkpoint.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PretrainedError {
    /// A file or folder could not be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A configuration is not what it should be.
    #[error("{}: {reason}", path.display())]
    Config {
        /// The file, or the weights that carry it.
        path: PathBuf,
        /// What is wrong, in one line.
        reason: String,
    },
    /// A name that nothing is known under.
    #[error("unknown {what} `{name}`, expected one of: {}", known.join(", "))]
    Unknown {
        /// What kind of thing was asked for.
        what: &'static str,
        /// The name as given.
        name: String,
        /// The names that are known.
        known: Vec<String>,
    },
    /// The path, or name, of weights leads nowhere.
    #[error(
        "cannot read weights {}: no such file or folder, nor a name: {}; those of the Hub are \
         hub:OWNER/NAME",
        path.display(),
        known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
    )]
    NoSuchWeights {
        /// The path as given.
        path: PathBuf,
        /// The names that are known.
        known: Vec<String>,
    },
    /// Weights that are nowhere here, by a name like those of the Hub.
    #[error(
        "there is no file or folder `{name}`; what the Hub has under that name is `hub:{name}`"
    )]
    PerhapsHub {
        /// The name as given.
        name: String,
    },
    /// A folder without weights, or with too many.
    #[error("{} {source}", path.display())]
    NoWeights {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        source: taper_hub::WeightsFileError,
    },
    /// Nothing says what net weights are of.
    #[error(
        "nothing says what net {weights} is of ({silence}); set `model.net`{}",
        likely_ones(likely)
    )]
    NoNet {
        /// The weights as named.
        weights: String,
        /// What there is in place of it.
        silence: String,
        /// The nets that its names are like.
        likely: Vec<LikelyNet>,
    },
    /// The weights that a run's adapter was trained beside are not there.
    #[error("{} is an adapter beside `{weights}`, which cannot be read: {reason}", run.display())]
    AdapterBase {
        /// The run.
        run: PathBuf,
        /// The weights as the run's recipe names them.
        weights: String,
        /// What is wrong with them.
        reason: String,
    },
    /// The Hub, in a build without it.
    #[error(
        "`{name}` is on the Hub, and this build has no way there; build it with the feature `hub`"
    )]
    NoHub {
        /// The name as given.
        name: String,
    },
    /// The Hub's files could not be had.
    #[cfg(feature = "hub")]
    #[error("{}{}", .0, by_hand(.0))]
    Hub(Box<taper_hub::HubError>),
    /// Weights could not be read, mapped or written.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// Values that do not fit the net's parameters.
    #[error(transparent)]
    Params(#[from] ParamsError),
    /// A tensor operation failed.
    #[error("{}", taper_model::tensor_message(.0))]
    Tensor(#[from] candle_core::Error),
}

impl PretrainedError {
    /// What the system said of a path.
    pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        |source| Self::Io { path: path.to_path_buf(), source }
    }

    /// A configuration that is not what it should be.
    pub(crate) fn config(path: &Path) -> impl FnOnce(String) -> Self {
        |reason| Self::Config { path: path.to_path_buf(), reason: taper_untrusted::cut(reason) }
    }
}

/// Which nets it may be.
fn likely_ones(likely: &[LikelyNet]) -> String {
    let one = |likely: &LikelyNet| match likely.key_map {
        Some(map) => format!("`{}` (`model.key_map` = `{map}`)", likely.net),
        None => format!("`{}`", likely.net),
    };
    match likely {
        [] => String::new(),
        likely => {
            let ones: Vec<_> = likely.iter().map(one).collect();
            format!(": its names are like those of {}", ones.join(" or "))
        }
    }
}

/// What can be done where the Hub is out of reach.
#[cfg(feature = "hub")]
fn by_hand(error: &taper_hub::HubError) -> String {
    let (taper_hub::HubError::Offline { id, .. } | taper_hub::HubError::Unreachable { id, .. }) =
        error
    else {
        return String::new();
    };
    format!(
        "; without a network, bring {} and model.safetensors (or its other weights) of {} here in a folder, and name \
         that folder in place of {id}",
        taper_hub::CONFIG,
        id.to_string().trim_start_matches("hub:"),
    )
}

#[cfg(feature = "hub")]
impl From<taper_hub::HubError> for PretrainedError {
    fn from(error: taper_hub::HubError) -> Self {
        Self::Hub(Box::new(error))
    }
}

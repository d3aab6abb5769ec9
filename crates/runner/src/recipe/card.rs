//! What a model card says that the run does not know.

use serde::{Deserialize, Serialize};

/// What goes into the model card, `README.md`, beside what the run knows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CardRecipe {
    /// The model's licence, by its id on the Hub (`apache-2.0`, `cc-by-4.0`, …). Default empty: that
    /// of the weights it started from, if they say; else `unknown`.
    pub license: String,
    /// The licence of the images. Default empty: what is known of the data sets that come with
    /// Taper; else `unknown`.
    pub data_license: String,
}

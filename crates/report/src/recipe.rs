//! What a page and a card say of a run's recipe.

use std::path::Path;

use serde::Deserialize;

use crate::error::ReportError;

/// The keys of `recipe.toml` that are shown by themselves.
#[derive(Debug, Deserialize)]
pub(crate) struct Recipe {
    pub taper_version: String,
    pub seed: u64,
    pub data: Data,
    pub image: Image,
    pub model: Model,
    pub method: Method,
    pub train: Train,
    pub optimizer: Optimizer,
    #[serde(default)]
    pub log: Log,
    #[serde(default)]
    pub card: Card,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Data {
    pub source: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Image {
    pub channels: usize,
    pub height: usize,
    pub width: usize,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Model {
    pub net: String,
    pub weights: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Method {
    pub name: String,
    #[serde(default)]
    pub merge: bool,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Train {
    pub epochs: usize,
    pub batch_size: usize,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Optimizer {
    pub name: String,
    pub learning_rate: f64,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Log {
    pub report: bool,
}

impl Default for Log {
    fn default() -> Self {
        Self { report: true }
    }
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Card {
    pub license: String,
    pub data_license: String,
}

impl Recipe {
    /// Reads the text of a run's `recipe.toml`.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ReportError> {
        toml::from_str(text).map_err(|error| ReportError::Recipe {
            path: path.to_path_buf(),
            reason: error.message().replace("missing field ", "there is no key "),
        })
    }

    /// Whether what was trained is saved as an adapter alone.
    pub fn saves_an_adapter(&self) -> bool {
        self.method.name == "lora" && !self.method.merge
    }
}

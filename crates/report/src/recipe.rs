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
    pub loss: Loss,
    #[serde(default)]
    pub log: Log,
    #[serde(default)]
    pub card: Card,
}

/// Tables of the recipe, with the keys that are shown.
macro_rules! tables {
    ($($table:ident { $($key:ident: $type:ty),* })*) => {$(
        #[derive(Debug, Default, Deserialize)]
        pub(crate) struct $table {
            $(pub $key: $type,)*
        }
    )*};
}

tables! {
    Data { source: String }
    Image { channels: usize, height: usize, width: usize }
    Model { net: String, weights: String }
    Method { name: String, merge: Option<bool> }
    Train { epochs: usize, batch_size: usize, label_smoothing: Option<f64> }
    Loss { name: String }
    Optimizer { name: String, learning_rate: Option<f64> }
    Card { license: String, data_license: String }
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

impl Recipe {
    /// What was minimized, where it is something else than the cross-entropy that scores have.
    pub fn own_loss(&self) -> Option<&str> {
        let name = self.loss.name.as_str();
        (!["", "cross-entropy"].contains(&name)).then_some(name)
    }

    /// Reads the text of a run's `recipe.toml`.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ReportError> {
        toml::from_str(text).map_err(|error| ReportError::Recipe {
            path: path.to_path_buf(),
            reason: error.message().replace("missing field ", "there is no key "),
        })
    }

    /// Whether what was trained is saved as an adapter alone.
    pub fn saves_an_adapter(&self) -> bool {
        self.method.name == "lora" && self.method.merge != Some(true)
    }
}

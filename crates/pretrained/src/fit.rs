//! How the tensors of a file are fitted to a net.

use serde::{Deserialize, Serialize};
use taper_model::nets::{NetConfig, NetInfo};
use taper_model::weights::{KeyMap, Layout, TensorFile, WeightsConfig};

use crate::error::PretrainedError;

/// How the tensors of a file are fitted to a net: the keys of a recipe's table `model` that say so.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Fit {
    /// Which weights of a file with several: keys with dots between; empty for the averaged ones, or
    /// the only ones. It is [`Pretrained::read`](crate::Pretrained::read) that takes it.
    pub state_key: String,
    /// The net's key map that the file's names need; empty for none.
    pub key_map: String,
    /// How the file stores its arrays.
    pub layout: Layout,
    /// Renames of the file's tensors, tried in the order given, after the key map.
    pub renames: Vec<Rename>,
    /// Patterns of the parameters that stay as loaded.
    pub freeze: Vec<String>,
    /// Whether batch norms use their running statistics in training too.
    pub freeze_statistics: bool,
    /// Patterns of the parameters that the file may lack.
    pub allow_missing: Vec<String>,
    /// Patterns of the file's tensors that the net need not use.
    pub allow_unused: Vec<String>,
}

/// One rename of a checkpoint's tensors; `*` stands for any run of characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rename {
    /// Pattern of the name in the file.
    pub from: String,
    /// Name in the net; each `*` takes what the pattern's matched.
    pub to: String,
}

impl Fit {
    /// How a net's weights are loaded from a file whose tensors are for images of the height and width
    /// `built_for`, where that is known; all is trained.
    ///
    /// # Errors
    /// The net has no key map of that name.
    pub fn weights_config(
        &self,
        net: &NetInfo,
        config: &NetConfig,
        source: Option<TensorFile>,
        built_for: Option<(usize, usize)>,
    ) -> Result<WeightsConfig, PretrainedError> {
        let mut weights = WeightsConfig {
            source,
            freeze: self.freeze.clone(),
            freeze_statistics: self.freeze_statistics,
            allow_missing: self.allow_missing.clone(),
            allow_unused: self.allow_unused.clone(),
            ..net.weights_config(config, self.layout)
        };
        if let Some(map) = self.key_map(net)? {
            weights.key_map = map;
        }
        let renames = self.renames.iter().map(|rename| (rename.from.clone(), rename.to.clone()));
        weights.key_map.rules.extend(renames);
        if let (Some(positions), Some(patches), Some((height, width))) =
            (&mut weights.positions, net.patches, built_for)
        {
            positions.from = Some((height / patches.size, width / patches.size));
        }
        Ok(weights)
    }

    fn key_map(&self, net: &NetInfo) -> Result<Option<KeyMap>, PretrainedError> {
        if self.key_map.is_empty() {
            return Ok(None);
        }
        let map = net.key_map(&self.key_map);
        map.map(Some).ok_or_else(|| PretrainedError::Unknown {
            what: "key map",
            name: self.key_map.clone(),
            known: match net.key_maps.as_slice() {
                [] => vec![format!("none, {} has none", net.name)],
                maps => maps.iter().map(|(name, _)| name.to_string()).collect(),
            },
        })
    }
}

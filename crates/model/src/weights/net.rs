//! What a net of ours says about its weights, as a configuration.

use super::{KeyMap, Layout, Positions, WeightsConfig};
use crate::nets::{NetConfig, NetInfo};

impl WeightsConfig {
    /// The configuration for one of our nets: its head, its stem, its grid of patches, and for the layout
    /// [`Keras`](Layout::Keras) its key map `keras` and its flatten.
    ///
    /// The rest is as by default; set the source, the seed and what may be missing.
    pub fn for_net(info: &NetInfo, config: &NetConfig, layout: Layout) -> Self {
        let key_map = match layout {
            Layout::PyTorch => KeyMap::default(),
            Layout::Keras => info.key_map("keras").unwrap_or_default(),
        };
        let flatten = (info.flatten)(config).map(|(name, flatten)| (name.to_string(), flatten));
        Self {
            key_map,
            layout,
            flatten: Some(flatten.into_iter().collect()),
            head: prefix(info.head),
            stem: prefix(info.stem),
            positions: info.patches.map(|patches| Positions {
                name: "pos_embed".to_string(),
                prefix: 1,
                height: config.height / patches.size,
                width: config.width / patches.size,
                from: None,
                antialias: patches.antialias,
            }),
            ..Self::default()
        }
    }
}

/// None for a net that names none: an empty prefix would stand for every layer.
fn prefix(name: &str) -> Vec<String> {
    if name.is_empty() { Vec::new() } else { vec![name.to_string()] }
}

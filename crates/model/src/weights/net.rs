//! What a net of ours says about its weights, as a configuration.

use super::{KeyMap, Layout, WeightsConfig};
use crate::nets::{NetConfig, NetInfo};

impl WeightsConfig {
    /// The configuration for one of our nets: its head, its stem, and for the layout
    /// [`Keras`](Layout::Keras) its key map `keras` and its flatten.
    ///
    /// The rest is as by default; set the source, the seed and what may be missing.
    pub fn for_net(info: &NetInfo, config: &NetConfig, layout: Layout) -> Self {
        let key_map = match layout {
            Layout::PyTorch => KeyMap::default(),
            Layout::Keras => {
                let map = info.key_maps.iter().find(|map| map.name == "keras");
                map.map(|map| KeyMap::from(*map)).unwrap_or_default()
            }
        };
        let flatten = (info.flatten)(config).map(|(name, flatten)| (name.to_string(), flatten));
        Self {
            key_map,
            layout,
            flatten: Some(flatten.into_iter().collect()),
            head: vec![info.head.to_string()],
            stem: vec![info.stem.to_string()],
            ..Self::default()
        }
    }
}

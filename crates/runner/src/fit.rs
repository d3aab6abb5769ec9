//! How the tensors of a file are fitted to a net, by the recipe's settings.

use taper_model::nets::{NetConfig, NetInfo};
use taper_model::weights::{KeyMap, Layout, TensorFile, WeightsConfig};

use crate::error::RunnerError;
use crate::recipe::{LayoutRecipe, Recipe};

/// How to fit a weights file to a net, by the recipe's settings.
pub(crate) fn weights_config(
    recipe: &Recipe,
    net: &NetInfo,
    config: &NetConfig,
    source: Option<TensorFile>,
) -> Result<WeightsConfig, RunnerError> {
    let model = &recipe.model;
    let layout = match model.layout {
        LayoutRecipe::Pytorch => Layout::PyTorch,
        LayoutRecipe::Keras => Layout::Keras,
    };
    let mut weights = WeightsConfig {
        source,
        freeze: model.freeze.clone(),
        trainable: recipe.method.largest_set(net).trainable,
        freeze_statistics: model.freeze_statistics,
        adapters: recipe.method.adapters(net, recipe.seed),
        allow_missing: model.allow_missing.clone(),
        allow_unused: model.allow_unused.clone(),
        seed: recipe.seed,
        ..net.weights_config(config, layout)
    };
    if let Some(map) = key_map(recipe, net)? {
        weights.key_map = map;
    }
    let renames = model.renames.iter().map(|rename| (rename.from.clone(), rename.to.clone()));
    weights.key_map.rules.extend(renames);
    Ok(weights)
}

/// Tells `weights` of the grid that positions are for which were made for images of a size.
pub(crate) fn know(weights: &mut WeightsConfig, net: &NetInfo, built_for: Option<(usize, usize)>) {
    if let (Some(positions), Some(patches), Some((height, width))) =
        (&mut weights.positions, net.patches, built_for)
    {
        positions.from = Some((height / patches.size, width / patches.size));
    }
}

/// The net's key map that the recipe names, if it names one.
fn key_map(recipe: &Recipe, net: &NetInfo) -> Result<Option<KeyMap>, RunnerError> {
    let name = &recipe.model.key_map;
    if name.is_empty() {
        return Ok(None);
    }
    let map = net.key_maps.iter().find(|map| map.name == name);
    map.map(|map| Some(KeyMap::from(*map))).ok_or_else(|| RunnerError::Unknown {
        what: "key map",
        name: name.clone(),
        known: match net.key_maps {
            [] => format!("none, {} has none", net.name),
            maps => maps.iter().map(|map| map.name).collect::<Vec<_>>().join(", "),
        },
    })
}

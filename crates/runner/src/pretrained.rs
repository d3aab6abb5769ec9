//! What a checkpoint says of itself becomes a layer of the recipe: above the defaults, below a recipe and
//! keys that the user names.

mod defaults;

use taper_dataset::Preprocessing;
use taper_pretrained::{CheckpointMetadata, Pretrained};
use toml::Table;

use crate::error::RunnerError;
use crate::recipe::{Recipe, merge};
use crate::registry::Registry;
use crate::resolve::{layered, resolve};

/// Resolves a recipe that starts from a checkpoint: the defaults; then, if no `base` is named, those for
/// the net and the method (`default_base` for a net that is for digits); then what the checkpoint says of
/// itself, and where it does not say how images are prepared, what is usual for its net; then `base` and
/// `overrides` as in [`resolve`].
///
/// The checkpoint is the `model.weights` that these layers come to; in the recipe stands the name
/// that finds the very same again. Another net than that of `default_base` starts from no weights
/// unless they are named or weights are registered under its own name.
///
/// # Errors
/// As [`resolve`] and [`Pretrained::open`]; nothing says what net the checkpoint is of.
pub fn resolve_pretrained(
    default_base: &str,
    base: Option<&str>,
    overrides: &[(String, String)],
    registry: &Registry,
) -> Result<Recipe, RunnerError> {
    let named = |key: &str| overrides.iter().any(|(name, _)| name == key);
    let mut recipe = resolve(Some(base.unwrap_or(default_base)), overrides, registry)?;
    let usual = resolve(Some(default_base), &[], registry)?;
    let other_net = base.is_none() && recipe.model.net != usual.model.net;
    let mut overrides = overrides.to_vec();
    if other_net && !named("model.weights") {
        // The weights of the default recipe are another net's; shipped ones may have the net's name.
        let net = &recipe.model.net;
        let shipped = registry.models.weights(net).map_or("", |_| net).to_string();
        overrides.insert(0, ("model.weights".to_string(), shipped.clone()));
        recipe.model.weights = shipped;
    }
    let pretrained = match recipe.model.weights.as_str() {
        "" => None,
        name => Some(Pretrained::open(name, &registry.models)?),
    };
    let metadata = pretrained.as_ref().and_then(|pretrained| pretrained.metadata.as_ref());
    if let (Some(pretrained), None, None, false) = (&pretrained, metadata, base, named("model.net"))
    {
        defaults::guess(pretrained, &recipe, registry)?;
    }
    let net = match metadata {
        Some(metadata) if !named("model.net") && base.is_none() => metadata.net.as_str(),
        _ => recipe.model.net.as_str(),
    };
    let info = registry.models.net(net)?;
    let usual = registry.models.preprocessing.get(info.name);
    let mut layer = match (usual, &pretrained) {
        (Some(usual), Some(_)) => image_layer(usual),
        _ => Table::new(),
    };
    if let Some(metadata) = metadata {
        merge(&mut layer, layer_of(metadata))?;
    }
    let layer = match (base, usual) {
        (None, Some(_)) => {
            let mut below = defaults::training(info, &recipe.method, pretrained.is_none());
            merge(&mut below, layer)?;
            below
        }
        _ => layer,
    };
    let below = (base.is_none() && usual.is_none()).then_some(default_base);
    let mut resolved = layered(below, layer, base, &overrides, registry)?;
    if let Some(pretrained) = &pretrained {
        resolved.model.weights.clone_from(&pretrained.name);
    }
    // The checkpoint's colours on grey images: their mean.
    if resolved.image.channels == 1 && !named("image.mean") && !named("image.std") {
        for values in [&mut resolved.image.mean, &mut resolved.image.std] {
            if let [r, g, b] = values[..] {
                *values = vec![(r + g + b) / 3.0];
            }
        }
    }
    Ok(resolved)
}

/// Resolves a recipe that starts from random weights: as [`resolve`], but where no `base` is named and the net
/// is one for photos, images, rates and schedule are those that are usual for it.
///
/// # Errors
/// As [`resolve`]; a net that nothing is known under.
pub fn resolve_untrained(
    base: Option<&str>,
    overrides: &[(String, String)],
    registry: &Registry,
) -> Result<Recipe, RunnerError> {
    let recipe = resolve(base, overrides, registry)?;
    let info = registry.models.net(&recipe.model.net)?;
    let mut recipe = match (base, registry.models.preprocessing.get(info.name)) {
        (None, Some(usual)) => {
            let mut layer = defaults::training(info, &recipe.method, true);
            merge(&mut layer, image_layer(usual))?;
            layered(None, layer, None, overrides, registry)?
        }
        _ => recipe,
    };
    recipe.model.weights = String::new();
    Ok(recipe)
}

/// A checkpoint's metadata as a layer of a recipe.
fn layer_of(metadata: &CheckpointMetadata) -> Table {
    let mut model = Table::new();
    model.insert("net".into(), metadata.net.clone().into());
    model.insert("key_map".into(), metadata.key_map.clone().into());
    let mut settings = Table::from_iter([("model".to_string(), model.into())]);
    if !metadata.license.is_empty() {
        let card = Table::from_iter([("license".to_string(), metadata.license.clone().into())]);
        settings.insert("card".into(), card.into());
    }
    if let Some(image) = &metadata.image {
        settings.extend(image_layer(image));
    }
    settings
}

/// How images are prepared as a layer of a recipe.
fn image_layer(image: &Preprocessing) -> Table {
    // Numbers, lists of them and names are all that it holds: TOML has them.
    let image = Table::try_from(image).unwrap_or_default();
    Table::from_iter([("image".to_string(), image.into())])
}

#[cfg(test)]
mod tests;

//! What somebody who names little gets: said before it happens, or refused where it would be useless.

use anyhow::{Result, bail};
use taper_runner::{Recipe, Registry, coloured_images};

use crate::flags::Output;
use crate::print::note;

/// Refuses to make colour photos grey digits where nobody has asked for that: neither a recipe, nor a net,
/// weights or a setting of the images.
pub(crate) fn check_colours(
    recipe: &Recipe,
    base: Option<&str>,
    overrides: &[(String, String)],
    registry: &Registry,
) -> Result<()> {
    let chosen = |key: &str| {
        key.starts_with("image.") || ["image", "model", "model.net", "model.weights"].contains(&key)
    };
    if base.is_some() || overrides.iter().any(|(key, _)| chosen(key)) {
        return Ok(());
    }
    let net = registry.models.net(&recipe.model.net)?;
    let (1, height, width) = net.default_input else { return Ok(()) };
    let Some((rows, columns)) = coloured_images(recipe, registry)? else { return Ok(()) };
    let for_photos = registry.models.net("resnet18")?;
    let hub = for_photos.hub.unwrap_or_default();
    bail!(
        "{} has colour images (the first {columns}x{rows} pixels), and `{}`, a net for digits, would take them as \
         {width}x{height} grey ones; fine-tune weights for photos, with --weights hub:{hub} or another file, or train \
         a net for photos from random weights, with `train --net {}`; --set image.channels=1 takes them as grey \
         all the same",
        recipe.data.source,
        net.name,
        for_photos.name,
    )
}

/// Says what was taken for a net for photos where no recipe was named.
pub(crate) fn tell_usual(recipe: &Recipe, base: Option<&str>, output: Output, registry: &Registry) {
    let name = recipe.model.net.as_str();
    if output.quiet
        || output.json
        || base.is_some()
        || !registry.models.preprocessing.contains_key(name)
    {
        return;
    }
    let start = if recipe.model.weights.is_empty() { "training" } else { "fine-tuning" };
    let side = |set: usize, usual: usize| if set == 0 { usual } else { set };
    let (channels, height, width) =
        registry.models.net(name).map_or((0, 0, 0), |net| net.default_input);
    note(&format!(
        "{name}: no recipe is named, so images and {start} are as is usual for this net, or set by a flag: {}x{}x{} \
         ({}), {} at {:e}, {}, {} epochs, batches of {}",
        side(recipe.image.channels, channels),
        side(recipe.image.height, height),
        side(recipe.image.width, width),
        recipe.image.placement,
        recipe.optimizer.name(),
        recipe.optimizer.learning_rate(),
        serde_json::json!(recipe.schedule.kind)["name"].as_str().unwrap_or_default(),
        recipe.train.epochs,
        recipe.train.batch_size,
    ));
}

//! What somebody who names little gets: said before it happens, or refused where it would be useless.

use anyhow::{Result, bail};
use taper_runner::{Recipe, Registry, coloured_images};

use crate::flags::Output;
use crate::print::note;

/// Refuses to make colour photos grey digits where nobody has asked for that by `image.channels`; where a recipe,
/// a net or weights are named, it warns of it.
pub(crate) fn check_colours(
    recipe: &Recipe,
    base: Option<&str>,
    overrides: &[(String, String)],
    registry: &Registry,
) -> Result<()> {
    let sets = |keys: &[&str]| overrides.iter().any(|(key, _)| keys.contains(&key.as_str()));
    if sets(&["image", "image.channels"]) {
        return Ok(());
    }
    let net = registry.models.net(&recipe.model.net)?;
    let (1, height, width) = input(recipe, net.default_input) else { return Ok(()) };
    let Some((rows, columns)) = coloured_images(recipe, registry)? else { return Ok(()) };
    let for_photos = registry.models.net("resnet18")?;
    let hub = for_photos.hub.unwrap_or_default();
    let told = format!(
        "{} has colour images (the first {columns}x{rows} pixels), and `{}`, a net for digits, would take them as \
         {width}x{height} grey ones; fine-tune weights for photos, with --weights hub:{hub} or another file, or train \
         a net for photos from random weights, with `train --net {}`; --set image.channels=1 takes them as grey \
         all the same",
        recipe.data.source, net.name, for_photos.name,
    );
    if base.is_none() && !sets(&["model", "model.net", "model.weights"]) {
        bail!(told);
    }
    note(&format!("warning: {told}"));
    Ok(())
}

/// Channels, height and width of a net's images by a recipe.
fn input(recipe: &Recipe, usual: (usize, usize, usize)) -> (usize, usize, usize) {
    let side = |set: usize, usual: usize| if set == 0 { usual } else { set };
    let (image, (channels, height, width)) = (&recipe.image, usual);
    (side(image.channels, channels), side(image.height, height), side(image.width, width))
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
    let usual = registry.models.net(name).map_or((0, 0, 0), |net| net.default_input);
    let (channels, height, width) = input(recipe, usual);
    note(&format!(
        "{name}: no recipe is named, so images and {start} are as is usual for this net, or set by a flag: {}x{}x{} \
         ({}), {} at {:e}, {}, {} epochs, batches of {}",
        channels,
        height,
        width,
        recipe.image.placement,
        recipe.optimizer.name(),
        recipe.optimizer.learning_rate(),
        serde_json::json!(recipe.schedule.kind)["name"].as_str().unwrap_or_default(),
        recipe.train.epochs,
        recipe.train.batch_size,
    ));
}

//! What somebody who names little gets: said before it happens, or refused where it would be useless.

use anyhow::{Result, bail};
use taper_runner::{ImageKind, Recipe, Registry, image_kind};

use crate::flags::Output;
use crate::launch::announce;
use crate::print::note;

/// The recipe of digits, and of whoever names a net or weights and no recipe.
pub(crate) const DIGITS: &str = "finetune-digits";
/// The recipe of photos.
pub(crate) const PHOTOS: &str = "photos";

/// What the images choose where neither recipe, net nor weights are named; it is told with the reason, and with what
/// takes others.
pub(crate) fn choose(
    recipe: &Recipe,
    overrides: &[(String, String)],
    output: Output,
    registry: &Registry,
) -> Result<Choice> {
    if sets(overrides, &["model", "model.net", "model.weights"]) || is_grey_wanted(overrides)? {
        return Ok(Choice::Named);
    }
    let Some(kind) = image_kind(recipe, registry)? else { return Ok(Choice::Named) };
    if !output.quiet && !output.json {
        let ImageKind { size: (height, width), coloured, photos } = kind;
        let kind = match (coloured, photos) {
            (true, _) => "in colour",
            (_, true) => "RGB",
            _ => "grey or small",
        };
        let (kind_of, weights, recipe, others) = match photos {
            true => (
                "photos",
                "tf_efficientnet_lite0, which knows ImageNet's photos",
                PHOTOS,
                "--recipe photos-fast trains the last layer alone in less time, --recipe photos-best takes longer, \
                 --recipe finetune-digits reads them as digits",
            ),
            false => (
                "digits",
                "keras-cnn-mnist, which knows handwritten digits",
                DIGITS,
                "--recipe photos takes weights for photos",
            ),
        };
        announce(format!(
            "{kind_of}: the images are {kind} ({width}x{height} pixels), so the weights are {weights}, and the recipe \
             is {recipe}; {others}; --weights and --net take other weights (`models` lists some)",
        ));
    }
    Ok(if kind.photos { Choice::Photos } else { Choice::Digits })
}

/// What the images choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Choice {
    /// Nothing: what is trained is named.
    Named,
    /// The recipe for photos.
    Photos,
    /// The recipe for digits, which stands below anyway.
    Digits,
}

/// Whether images are asked for in grey.
fn is_grey_wanted(overrides: &[(String, String)]) -> Result<bool> {
    let of_images = |(key, _): &&(String, String)| key == "image" || key == "image.channels";
    let of_images: Vec<_> = overrides.iter().filter(of_images).cloned().collect();
    Ok(Recipe::default().with(&of_images)?.image.channels == 1)
}

fn sets(overrides: &[(String, String)], keys: &[&str]) -> bool {
    overrides.iter().any(|(key, _)| keys.contains(&key.as_str()))
}

/// Refuses to make colour photos grey digits where nobody has asked for that by `image.channels`; where a recipe,
/// a net or weights are named, it warns of it.
pub(crate) fn check_colours(
    recipe: &Recipe,
    base: Option<&str>,
    overrides: &[(String, String)],
    registry: &Registry,
) -> Result<()> {
    if is_grey_wanted(overrides)? {
        return Ok(());
    }
    let net = registry.models.net(&recipe.model.net)?;
    let (1, height, width) = input(recipe, net.default_input) else { return Ok(()) };
    let kind = image_kind(recipe, registry)?.filter(|kind| kind.coloured);
    let Some(ImageKind { size: (rows, columns), .. }) = kind else { return Ok(()) };
    let for_photos = registry.models.net("resnet18")?;
    let told = format!(
        "{} has colour images (the first {columns}x{rows} pixels), and `{}`, a net for digits, would take them as \
         {width}x{height} grey ones; fine-tune weights for photos, with `finetune --recipe {PHOTOS}`, or train \
         a net for photos from random weights, with `train --net {}`; --set image.channels=1 takes them as grey \
         all the same",
        recipe.data.source, net.name, for_photos.name,
    );
    if base.is_none() && !sets(overrides, &["model", "model.net", "model.weights"]) {
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
    let rate = recipe.optimizer.number("learning_rate");
    announce(format!(
        "{name}: no recipe is named, so images and {start} are as is usual for this net, or set by a flag: {}x{}x{} \
         ({}), {}{}, {}, {} epochs, batches of {}",
        channels,
        height,
        width,
        recipe.image.placement,
        recipe.optimizer.name,
        rate.map_or(String::new(), |rate| format!(" at {rate:e}")),
        recipe.schedule.kind.name,
        recipe.train.epochs,
        recipe.train.batch_size,
    ));
}

//! A checkpoint's metadata as a layer of a recipe.

use taper_dataset::Preprocessing;
use taper_pretrained::CheckpointMetadata;
use toml::Table;

/// A checkpoint's metadata as a layer of a recipe.
pub(super) fn layer_of(metadata: &CheckpointMetadata) -> Table {
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
pub(super) fn image_layer(image: &Preprocessing) -> Table {
    // Numbers, lists of them and names are all that it holds: TOML has them.
    let image = Table::try_from(image).unwrap_or_default();
    Table::from_iter([("image".to_string(), image.into())])
}

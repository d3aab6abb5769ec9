//! A checkpoint's metadata as a layer of a recipe.

use taper_dataset::{Crop, Filter, Placement};
use taper_pretrained::{CheckpointMetadata, CheckpointPreprocessing};
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
        settings.insert("image".into(), image_table(image).into());
    }
    settings
}

fn image_table(image: &CheckpointPreprocessing) -> Table {
    let [channels, height, width] = image.input_size.map(|n| i64::try_from(n).unwrap_or(0));
    let placement = match image.placement {
        Placement::AsIs => "asis".into(),
        Placement::Stretch => "stretch".into(),
        Placement::Fit => "fit".into(),
        Placement::Digit => "digit".into(),
        Placement::Crop(crop) => {
            let number = |n: usize| toml::Value::from(i64::try_from(n).unwrap_or(0));
            let crop = match crop {
                Crop::Share(share) => toml::Value::from(share),
                Crop::Edge { edge, of } => Table::from_iter([
                    ("edge".to_string(), number(edge)),
                    ("of".to_string(), number(of)),
                ])
                .into(),
            };
            Table::from_iter([("crop".to_string(), crop)]).into()
        }
    };
    let filter = match image.filter {
        Filter::Area => "area",
        Filter::Bilinear => "bilinear",
        Filter::Bicubic => "bicubic",
    };
    let list = |values: &[f64]| toml::Value::from(values.to_vec());
    Table::from_iter([
        ("channels".to_string(), channels.into()),
        ("height".to_string(), height.into()),
        ("width".to_string(), width.into()),
        ("mean".to_string(), list(&image.mean)),
        ("std".to_string(), list(&image.std)),
        ("placement".to_string(), placement),
        ("filter".to_string(), filter.into()),
    ])
}

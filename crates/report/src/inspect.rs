//! A data set looked at: its numbers, and pictures of its images.

use taper_dataset::augment::Policy;
use taper_dataset::inspect::{InspectedPart, Inspection};
use taper_dataset::sheet::{cross, fit, gap, sheet, to_png};
use taper_dataset::source::{embedded, named};
use taper_dataset::{Batch, Dataset, Image, Labelled, Loader, LoaderConfig, Preprocessing};

use crate::error::ReportError;

/// Classes, and images of each, on a sheet.
const ROWS: usize = 40;
const COLUMNS: usize = 12;

/// Side of a picture on a sheet, in pixels: small images are enlarged, large ones shrunk.
const SIDE: usize = 64;

/// What a data set looks like, in numbers and pictures.
#[derive(Debug, Clone)]
pub struct Inspected {
    /// The numbers.
    pub inspection: Inspection,
    /// Some images of each class of the train part, a class a row, as PNG.
    pub sheet: Vec<u8>,
    /// For each class an image as it is and as the recipe's augmentation changes it, as PNG; where
    /// there is an augmentation.
    pub augmented: Option<Vec<u8>>,
    /// Of each image that was left out because it cannot be read, why; else they are among the
    /// faults of their parts.
    pub left_out: Vec<String>,
}

/// How a data set is looked at.
#[derive(Debug, Clone)]
pub struct InspectConfig {
    /// How an image becomes a net's input; a side or a number of channels of 0 stands for that of
    /// most images.
    pub preprocessing: Preprocessing,
    /// What training changes at random, to be shown.
    pub augment: Policy,
    /// Seed of the changes.
    pub seed: u64,
}

/// Looks at every image of a data set once. `left_out` says why images were left out that cannot be
/// read.
///
/// # Errors
/// Settings that cannot be used; a class none of whose images can be augmented.
pub fn inspect(
    dataset: &Dataset,
    left_out: Vec<String>,
    config: &InspectConfig,
) -> Result<Inspected, ReportError> {
    let dataset = &dataset.clone().checked()?;
    let inspection = taper_dataset::inspect::inspect(dataset);
    let train = dataset.train.as_ref();
    let rows = by_class(train);
    let mut images = Vec::new();
    for row in &rows {
        for place in 0..COLUMNS {
            // Evenly spread; a small class leaves its row half empty.
            let item = match row.len() > COLUMNS {
                true => Some(row[place * row.len() / COLUMNS]),
                false => row.get(place).copied(),
            };
            images.push(match item {
                Some(item) => {
                    train.decode(item).map_or_else(|_| cross(), |image| fit(&image, SIDE))
                }
                None => gap(),
            });
        }
    }
    let augmented = match config.augment.changes_images() || config.augment.mixes() {
        true => Some(augmented(dataset, &rows, config, &inspection)?),
        false => None,
    };
    let sheet = to_png(&sheet(&images, COLUMNS, SIDE));
    Ok(Inspected { inspection, sheet, augmented, left_out })
}

/// The items of the first classes, class by class.
fn by_class(source: &dyn Labelled) -> Vec<Vec<usize>> {
    let mut rows = vec![Vec::new(); source.class_names().len().min(ROWS)];
    for (item, label) in source.labels().into_iter().enumerate() {
        if let Some(row) = rows.get_mut(label as usize) {
            row.push(item);
        }
    }
    rows.retain(|row| !row.is_empty());
    rows
}

fn augmented(
    dataset: &Dataset,
    rows: &[Vec<usize>],
    config: &InspectConfig,
    inspection: &Inspection,
) -> Result<Vec<u8>, ReportError> {
    let source = dataset.train.as_ref();
    let sizes = &inspection.parts[0].description.sizes;
    let most = sizes.iter().max_by_key(|(_, count)| *count).map_or([28, 28, 1], |(size, _)| *size);
    let mut preprocessing = config.preprocessing.clone();
    // Without a net, the size is that of most images, no larger than nets usually take.
    for (side, own) in [(&mut preprocessing.height, most[0]), (&mut preprocessing.width, most[1])] {
        if *side == 0 {
            *side = own.min(224);
        }
    }
    if preprocessing.channels == 0 {
        preprocessing.channels = most[2];
    }
    (preprocessing.mean, preprocessing.std) = (vec![0.0], vec![1.0]);
    // One image a class that can be read; where images are mixed, with each other.
    let readable = |row: &Vec<usize>| {
        let (before, after) = row.split_at(row.len() / 2);
        let found = |&&item: &&usize| preprocessing.prepare(source, item).is_ok();
        after.iter().chain(before).find(found).copied()
    };
    let items: Vec<usize> = rows.iter().filter_map(readable).collect();
    let mut columns = vec![items.iter().map(|&item| preprocessing.prepare(source, item)).collect()];
    for epoch in 0..COLUMNS as u64 - 1 {
        let loading = LoaderConfig {
            batch_size: items.len().max(1),
            seed: config.seed,
            epoch,
            augment: config.augment.clone(),
            ..Default::default()
        };
        let loader =
            Loader::new(dataset.train.clone(), items.clone(), preprocessing.clone(), loading)?;
        let batches: Vec<Batch> = loader.collect::<Result<_, _>>()?;
        columns.push(Ok(batches.iter().flat_map(images_of).collect()));
    }
    let columns: Vec<Vec<Image>> = columns.into_iter().collect::<Result<_, _>>()?;
    let images = (0..items.len()).flat_map(|row| columns.iter().map(move |c| c[row].clone()));
    Ok(to_png(&sheet(&images.collect::<Vec<_>>(), COLUMNS, SIDE)))
}

/// The images of a batch that was not normalized.
fn images_of(batch: &Batch) -> Vec<Image> {
    let [_, channels, height, width] = batch.shape;
    let area = height * width;
    let image = |values: &[f32]| {
        let value = |place: usize| values[place % channels * area + place / channels];
        let byte = |place: usize| (255.0 * value(place)).round() as u8;
        let pixels = (0..channels * area).map(byte).collect();
        Image { height, width, channels, pixels }
    };
    batch.images.chunks_exact((channels * area).max(1)).map(image).collect()
}

impl Inspected {
    /// What the sheets do not show, if there is more.
    pub(crate) fn cut(&self) -> Option<String> {
        let classes = self.inspection.parts[0].description.classes.len();
        (classes > ROWS).then(|| format!("the pictures show the first {ROWS} of {classes} classes"))
    }

    /// Mean and deviation of the train part's channels, as keys of a recipe.
    pub(crate) fn normalization(&self) -> [String; 2] {
        let normalize = &self.inspection.normalize;
        [("mean", &normalize.mean), ("std", &normalize.std)].map(|(key, numbers)| {
            let numbers: Vec<String> = numbers.iter().map(|n| format!("{n:.4}")).collect();
            format!("image.{key} = [{}]", numbers.join(", "))
        })
    }
}

/// How many files are stored how.
pub(crate) fn stored(part: &InspectedPart) -> String {
    let stored = part.stored.iter().map(|(kind, count)| format!("{count} {kind}"));
    stored.collect::<Vec<_>>().join("; ")
}

/// What is known of a data set that goes by a name: what it shows, whose it is, what is unusual.
pub(crate) fn about(name: &str) -> Vec<String> {
    if matches!(name, "digits" | "mnist-sample") {
        return vec![embedded::ATTRIBUTION.to_string()];
    }
    let Some(named) = named(name) else { return Vec::new() };
    let mut lines = vec![
        named.about.to_string(),
        format!("licence: {}", named.licence),
        format!("publisher: {}", named.url),
    ];
    if !named.quirks.is_empty() {
        lines.push(format!("unusual, and handled: {}", named.quirks));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_data_set_with_a_name_says_whose_it_is() {
        assert!(about("digits")[0].contains("CC BY 4.0"));
        let lines = about("qmnist");
        assert_eq!(lines[1], "licence: BSD 3-clause");
        assert!(lines[3].starts_with("unusual, and handled: labels have eight columns"));
        assert!(about("photos/").is_empty());
    }
}

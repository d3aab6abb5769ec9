//! A data set looked at: numbers, pictures and a page.

mod page;

use std::path::{Path, PathBuf};

use taper_dataset::inspect::{InspectedPart, Inspection};
use taper_dataset::sheet::{cross, gap, sheet, to_png};
use taper_dataset::{Batch, Dataset, Description, Image, Labelled, Loader, LoaderConfig};
use taper_run_folder::write_whole;

use crate::data::divided;
use crate::error::RunnerError;
use crate::recipe::Recipe;
use crate::registry::Registry;

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

/// Looks at the recipe's data set, every image once, in the parts that training would have.
///
/// # Errors
/// Data that cannot be opened; settings that cannot be used.
pub fn inspect(recipe: &Recipe, registry: &Registry) -> Result<Inspected, RunnerError> {
    recipe.augment.check()?;
    let (dataset, left_out) = divided(recipe, registry)?;
    let inspection = taper_dataset::inspect::inspect(&dataset);
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
                Some(item) => train.decode(item).unwrap_or_else(|_| cross()),
                None => gap(),
            });
        }
    }
    let augmented = match recipe.augment.changes_images() || recipe.augment.mixes() {
        true => Some(augmented(&dataset, &rows, recipe, &inspection)?),
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
    recipe: &Recipe,
    inspection: &Inspection,
) -> Result<Vec<u8>, RunnerError> {
    let source = dataset.train.as_ref();
    let sizes = &inspection.parts[0].description.sizes;
    let most = sizes.iter().max_by_key(|(_, count)| *count).map_or([28, 28, 1], |(size, _)| *size);
    let mut preprocessing = recipe.image.preprocessing();
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
        let config = LoaderConfig {
            batch_size: items.len().max(1),
            seed: recipe.seed,
            epoch,
            augment: recipe.augment,
            ..Default::default()
        };
        let loader =
            Loader::new(dataset.train.clone(), items.clone(), preprocessing.clone(), config)?;
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
    /// Writes `index.html`, `sheet.png` and, where there is one, `augmented.png`, and says where.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn write(&self, folder: &Path) -> Result<Vec<PathBuf>, RunnerError> {
        std::fs::create_dir_all(folder)
            .map_err(|source| RunnerError::Io { path: folder.to_path_buf(), source })?;
        let mut written = Vec::new();
        let mut write = |name: &str, bytes: &[u8]| {
            let path = folder.join(name);
            write_whole(&path, bytes)?;
            written.push(path);
            Ok::<(), RunnerError>(())
        };
        write("index.html", page::page(self).as_bytes())?;
        write("sheet.png", &self.sheet)?;
        if let Some(augmented) = &self.augmented {
            write("augmented.png", augmented)?;
        }
        Ok(written)
    }
}

impl std::fmt::Display for Inspected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Inspection { parts, groups_within, groups_across, conflicts, .. } = &self.inspection;
        for part in parts {
            // The classes of all parts stand in one table, below.
            let description = Description { classes: Vec::new(), ..part.description.clone() };
            write!(f, "{}: {description}", part.name)?;
            if !part.endings.is_empty() {
                let endings =
                    part.endings.iter().map(|(ending, count)| format!("{count} {ending}"));
                writeln!(f, "files   {}", endings.collect::<Vec<_>>().join(", "))?;
            }
            if !part.stored.is_empty() {
                writeln!(f, "stored  {}", stored(part))?;
            }
            if !part.faults.is_empty() {
                let (broken, read) = (part.faults.len(), part.description.count);
                writeln!(f, "broken  {broken} of {}", broken + read)?;
            }
            for fault in &part.faults {
                writeln!(f, "broken  {fault}")?;
            }
            writeln!(f)?;
        }
        if !self.left_out.is_empty() {
            writeln!(f, "left out: {}, which cannot be read", self.left_out.len())?;
            self.left_out.iter().try_for_each(|reason| writeln!(f, "  {reason}"))?;
            writeln!(f)?;
        }
        self.write_classes(f)?;
        if let Some((name, count)) = &self.inspection.smallest_class {
            writeln!(f, "smallest class: {name}, {count} to train on")?;
        }
        if let Some(cut) = self.cut() {
            writeln!(f, "{cut}")?;
        }
        writeln!(f, "\nnormalization: {}", self.normalization())?;
        writeln!(
            f,
            "groups of equal images: {groups_within} within a part, {groups_across} across parts \
             (leaks), {conflicts} with different classes"
        )?;
        for group in self.inspection.duplicates.iter().take(10) {
            let items = group
                .items
                .iter()
                .map(|(part, name, class)| format!("{name} ({part}, class {class})"));
            writeln!(f, "  {}", items.collect::<Vec<_>>().join(" = "))?;
        }
        Ok(())
    }
}

/// How many files are stored how.
fn stored(part: &InspectedPart) -> String {
    let stored = part.stored.iter().map(|(kind, count)| format!("{count} {kind}"));
    stored.collect::<Vec<_>>().join("; ")
}

impl Inspected {
    /// What the sheets do not show, if there is more.
    fn cut(&self) -> Option<String> {
        let classes = self.inspection.parts[0].description.classes.len();
        (classes > ROWS).then(|| format!("the pictures show the first {ROWS} of {classes} classes"))
    }

    /// Images of each class, a column a part.
    fn write_classes(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parts = &self.inspection.parts;
        let names = || parts[0].description.classes.iter().map(|(name, _)| name);
        let width = names().map(|name| name.chars().count()).max().unwrap_or(0).max(5);
        write!(f, "{:<width$}", "class")?;
        parts.iter().try_for_each(|part| write!(f, "{:>12}", part.name))?;
        for (place, name) in names().enumerate() {
            write!(f, "\n{name:<width$}")?;
            for part in parts {
                let count = part.description.classes.get(place).map_or(0, |(_, count)| *count);
                write!(f, "{count:>12}")?;
            }
        }
        writeln!(f)
    }

    /// The suggested normalization as flags.
    fn normalization(&self) -> String {
        let list = |numbers: &[f64]| {
            let numbers: Vec<String> = numbers.iter().map(|n| format!("{n:.4}")).collect();
            numbers.join(", ")
        };
        let normalize = &self.inspection.normalize;
        let (mean, std) = (list(&normalize.mean), list(&normalize.std));
        format!("--set 'image.mean=[{mean}]' --set 'image.std=[{std}]'")
    }
}

//! A data set looked at: numbers, pictures and a page.

mod page;

use std::path::{Path, PathBuf};

use taper_dataset::augment::Scratch;
use taper_dataset::inspect::Inspection;
use taper_dataset::sheet::{sheet, to_png};
use taper_dataset::{Dataset, Description, Image, Source};

use crate::error::RunnerError;
use crate::recipe::Recipe;
use crate::registry::Registry;
use crate::write::write_whole;

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
}

/// Looks at the recipe's data set, every image once.
///
/// # Errors
/// Data that cannot be opened; settings that cannot be used.
pub fn inspect(recipe: &Recipe, registry: &Registry) -> Result<Inspected, RunnerError> {
    recipe.augment.check()?;
    let dataset = crate::data::open_dataset(&recipe.data, registry)?;
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
            let image = item.and_then(|item| train.decode(item).ok());
            images.push(image.unwrap_or_else(|| Image::black(1, 1, 3)));
        }
    }
    let augmented = match recipe.augment.changes_images() {
        true => Some(augmented(&dataset, &rows, recipe, &inspection)?),
        false => None,
    };
    Ok(Inspected { inspection, sheet: to_png(&sheet(&images, COLUMNS, SIDE)), augmented })
}

/// The items of the first classes, class by class.
fn by_class(source: &dyn Source) -> Vec<Vec<usize>> {
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
    let mut pipeline = recipe.image.pipeline();
    // Without a net, the size is that of most images, no larger than nets usually take.
    for (side, own) in [(&mut pipeline.height, most[0]), (&mut pipeline.width, most[1])] {
        if *side == 0 {
            *side = own.min(224);
        }
    }
    if pipeline.channels == 0 {
        pipeline.channels = most[2];
    }
    pipeline.normalize = Default::default();
    let (mut images, mut scratch) = (Vec::new(), Scratch::default());
    for item in rows.iter().map(|row| row[row.len() / 2]) {
        let Ok(plain) = pipeline.prepare(source, item) else { continue };
        images.push(plain);
        for epoch in 1..COLUMNS as u64 {
            let image = recipe.augment.prepare(
                source,
                &pipeline,
                recipe.seed,
                epoch - 1,
                item,
                &mut scratch,
            );
            images.push(image?);
        }
    }
    Ok(to_png(&sheet(&images, COLUMNS, SIDE)))
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
            for fault in &part.faults {
                writeln!(f, "broken  {fault}")?;
            }
            writeln!(f)?;
        }
        self.write_classes(f)?;
        if let Some((name, count)) = &self.inspection.smallest_class {
            writeln!(f, "smallest class: {name}, {count} to train on")?;
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

impl Inspected {
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

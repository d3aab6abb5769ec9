//! The numbers and pictures of a data set as one page.

use std::path::{Path, PathBuf};

use taper_dataset::inspect::InspectedPart;
use taper_run_folder::{RunFolderError, write_whole};

use crate::classes::samples;
use crate::error::ReportError;
use crate::html::{escape, facts, image, list, page, section};
use crate::inspect::{Inspected, about, stored};

impl Inspected {
    /// Writes `index.html`, `sheet.png` and, where there is one, `augmented.png`, and says where.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn write(&self, folder: &Path) -> Result<Vec<PathBuf>, ReportError> {
        std::fs::create_dir_all(folder).map_err(RunFolderError::io(folder))?;
        let mut written = Vec::new();
        let mut write = |name: &str, bytes: &[u8]| {
            let path = folder.join(name);
            write_whole(&path, bytes)?;
            written.push(path);
            Ok::<(), ReportError>(())
        };
        write("index.html", text(self).as_bytes())?;
        write("sheet.png", &self.sheet)?;
        if let Some(augmented) = &self.augmented {
            write("augmented.png", augmented)?;
        }
        Ok(written)
    }
}

/// The page, as HTML.
fn text(inspected: &Inspected) -> String {
    let inspection = &inspected.inspection;
    let mut body = format!("<header><h1>{}</h1></header>\n", escape(&inspection.name));
    let about = about(&inspection.name);
    if !about.is_empty() {
        body += &list(&about);
    }
    for part in &inspection.parts {
        let heading = format!("{}: {} images", part.name, part.description.count);
        body += &section(&heading, &numbers(part));
    }
    body += &section("Images of each class", &classes(inspected));
    let keys = inspected.normalization().join("\n");
    body += &section("Suggested normalization", &format!("<pre>{}</pre>", escape(&keys)));
    body += &section("Equal images", &duplicates(inspected));
    if !inspected.left_out.is_empty() {
        let note = format!("<p>{} cannot be read:</p>", inspected.left_out.len());
        body += &section("Left out", &(note + &list(&inspected.left_out)));
    }
    let cut =
        inspected.cut().map_or(String::new(), |cut| format!("<p class=\"note\">Here {cut}.</p>"));
    body += &section("Some images of each class", &(cut + &sheet(&inspected.sheet)));
    if let Some(augmented) = &inspected.augmented {
        body +=
            &section("As they are, and as they are changed in eleven epochs", &sheet(augmented));
    }
    page(&format!("{} · Taper", inspection.name), &body)
}

fn numbers(part: &InspectedPart) -> String {
    let description = &part.description;
    let mut rows = vec![
        ("Source", description.source.clone()),
        ("Width x height x channels", description.sizes_in_words().join("; ")),
    ];
    if !part.endings.is_empty() {
        let endings = part.endings.iter().map(|(ending, count)| format!("{count} {ending}"));
        rows.push(("Files", endings.collect::<Vec<_>>().join(", ")));
    }
    if !part.stored.is_empty() {
        rows.push(("Stored as", stored(part)));
    }
    rows.push(("Values", format!("{} to {}", description.min, description.max)));
    for (channel, (mean, std)) in description.mean.iter().zip(&description.std).enumerate() {
        let name = ["Channel 0", "Channel 1", "Channel 2"][channel.min(2)];
        rows.push((name, format!("mean {mean:.4}, deviation {std:.4} (of value / 255)")));
    }
    let faults = match part.faults.len() {
        0 => String::new(),
        count => format!("<p class=\"warn\">{count} cannot be read:</p>") + &list(&part.faults),
    };
    facts(&rows) + &faults
}

fn classes(inspected: &Inspected) -> String {
    let parts = &inspected.inspection.parts;
    let names: Vec<String> =
        parts[0].description.classes.iter().map(|(name, _)| name.clone()).collect();
    let counts: Vec<Vec<usize>> = parts
        .iter()
        .map(|part| {
            let count = |class: usize| part.description.classes.get(class).map_or(0, |c| c.1);
            (0..names.len()).map(count).collect()
        })
        .collect();
    let parts: Vec<(&str, &[usize])> =
        parts.iter().zip(&counts).map(|(part, counts)| (part.name, &counts[..])).collect();
    let smallest = inspected.inspection.smallest_class.as_ref().map(|(class, count)| {
        format!(
            "<p class=\"note\">The smallest class is {}, with {count} images to train on.</p>",
            escape(class)
        )
    });
    samples(&names, &parts) + &smallest.unwrap_or_default()
}

fn duplicates(inspected: &Inspected) -> String {
    let inspection = &inspected.inspection;
    let (within, across) = (inspection.groups_within, inspection.groups_across);
    let conflicts = inspection.conflicts;
    let class = if across + conflicts > 0 { "warn" } else { "note" };
    let note = format!(
        "<p class=\"{class}\">Groups of equal images: {within} within a part, {across} across parts \
         (what is trained on is tested on), {conflicts} with different classes.</p>"
    );
    let groups = inspection.duplicates.iter().map(|group| {
        let items = group.items.iter();
        let items = items.map(|(part, name, class)| format!("{name} ({part}, class {class})"));
        items.collect::<Vec<_>>().join(" = ")
    });
    note + &list(groups)
}

/// A picture of many images.
fn sheet(png: &[u8]) -> String {
    format!("<div class=\"sheet\">{}</div>", image(png, None, "images side by side", true))
}

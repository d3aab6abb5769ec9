//! A list beside the images of a folder, `metadata.csv` or `metadata.jsonl`, as the Hub's library has it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::source::columns::Columns;
use crate::source::dataset::Dataset;
use crate::source::files::{entries, name_of};
use crate::source::image_folder::ImageFolder;
use crate::source::left_out::LeftOut;
use crate::source::list::{Entry, dataset, entries_of, names_columns, source};
use crate::source::walk::walk;
use crate::split::Split;

/// The list that stands beside the images of a folder, if there is one. Beside folders that can be
/// classes or parts it is one only if it names the columns, or a setting does.
pub(crate) fn metadata_of(folder: &Path, columns: &Columns) -> Result<Option<PathBuf>> {
    let paths = ["metadata.csv", "metadata.jsonl"].map(|name| folder.join(name));
    let is_named = columns.image.is_some() || columns.label.is_some();
    for path in paths.into_iter().filter(|path| path.is_file()) {
        if is_named || entries(folder)?.0.len() < 2 || names_columns(&path)? {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

/// Reads the list beside the images of a folder, for which [`metadata_of`] found one.
///
/// # Errors
///
/// As for other lists; and when some of its images lie in folders of parts and others do not.
pub(crate) fn read_beside(folder: &Path, columns: &Columns) -> Result<Dataset> {
    let path = metadata_of(folder, columns)?.unwrap_or_default();
    let mut entries = entries_of(&path, columns)?;
    parts_by_folders(folder, &mut entries)
        .map_err(|reason| Error::Layout { path: path.clone(), reason })?;
    let left_out = unlisted(&path, &entries)?;
    dataset(&path, entries, left_out)
}

/// Takes the parts from the folders that the images lie in, where the list says none and these are
/// several parts.
fn parts_by_folders(folder: &Path, entries: &mut [Entry]) -> std::result::Result<(), String> {
    if entries.iter().any(|entry| entry.split.is_some()) {
        return Ok(());
    }
    let part = |entry: &Entry| {
        let mut names = entry.path.strip_prefix(folder).ok()?.iter();
        let first = names.next()?.to_str()?;
        names.next().and_then(|_| Split::named(first))
    };
    let parts: Vec<Option<Split>> = entries.iter().map(part).collect();
    if parts.iter().flatten().collect::<BTreeSet<_>>().len() < 2 {
        return Ok(());
    }
    if let Some(other) = parts.iter().position(Option::is_none) {
        return Err(format!(
            "some of its images lie in folders that are parts (train, val, test), others, such as `{}`, \
             do not; expected a column `split` with the part of each",
            entries[other].path.strip_prefix(folder).unwrap_or(&entries[other].path).display()
        ));
    }
    entries.iter_mut().zip(parts).for_each(|(entry, part)| entry.split = part);
    Ok(())
}

/// The images beside a list that are none of its entries.
fn unlisted(list: &Path, entries: &[Entry]) -> Result<LeftOut> {
    let listed: BTreeSet<&Path> = entries.iter().map(|entry| &*entry.path).collect();
    let images = walk(list.parent().unwrap_or(Path::new("")))?.images;
    let unlisted = images.iter().filter(|path| !listed.contains(&***path)).count();
    let mut left_out = LeftOut::default();
    left_out.add(format!("images that {} does not list", name_of(list)), unlisted);
    Ok(left_out)
}

/// Reads the list beside the images of a part; what it says of parts does not count.
///
/// # Errors
///
/// As for other lists.
pub(crate) fn read_part(
    path: &Path,
    columns: &Columns,
    class_names: Option<&[String]>,
) -> Result<ImageFolder> {
    let entries = entries_of(path, columns)?;
    let left_out = unlisted(path, &entries)?;
    Ok(source(path, entries, class_names)?.leaving_out(left_out))
}

//! A folder of images per class; or such folders within folders called train, val and test.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::source::dataset::Dataset;
use crate::source::files::{entries, name_of};
use crate::source::image_file::ImageLimits;
use crate::source::image_folder::{ImageFolder, holds_images};
use crate::split::{Split, Splits};

/// Whether a folder holds folders, which may be classes or parts.
pub(crate) fn has_folders(path: &Path) -> Result<bool> {
    Ok(!entries(path)?.0.is_empty())
}

/// Opens the folders in a folder: as parts where all can be, by [`Split::named`]; else as classes.
///
/// # Errors
///
/// When some can be parts and others cannot, or there is no train part, or no image in one of them.
pub(crate) fn read(path: &Path) -> Result<Dataset> {
    let (folders, _) = entries(path)?;
    let is_split = |folder: &PathBuf| Split::named(&name_of(folder)).is_some();
    let (splits, others): (Vec<PathBuf>, Vec<PathBuf>) = folders.into_iter().partition(is_split);
    if !splits.is_empty() && others.is_empty() {
        return open_splits(path, splits);
    }
    // A class may be called `test`; it holds images then.
    if splits.iter().all(|folder| holds_images(folder)) {
        let train = ImageFolder::read(path, ImageLimits::default())?;
        return Ok(Dataset::whole(path.display().to_string(), Arc::new(train)));
    }
    let reason = format!(
        "{} can be parts of a data set, but {} cannot; expected either classes alone, or parts alone \
         (train, val, test) with a folder per class in each",
        names(&splits),
        names(&others)
    );
    Err(Error::Layout { path: path.to_owned(), reason })
}

fn names(folders: &[PathBuf]) -> String {
    let some = folders.iter().take(5).map(|folder| format!("`{}`", name_of(folder)));
    let more = if folders.len() > 5 { ", …" } else { "" };
    some.collect::<Vec<_>>().join(", ") + more
}

fn open_splits(path: &Path, folders: Vec<PathBuf>) -> Result<Dataset> {
    let mut splits = Splits::<Option<PathBuf>>::default();
    for folder in folders {
        let Some(split) = Split::named(&name_of(&folder)) else { continue };
        if let Some(other) = splits.get_mut(split).replace(folder.clone()) {
            let reason = format!("{} are the same part", names(&[other, folder]));
            return Err(Error::Layout { path: path.to_owned(), reason });
        }
    }
    let limits = ImageLimits::default();
    Dataset::of_splits(path, splits, |folder, class_names| match class_names {
        None => ImageFolder::read(&folder, limits),
        Some(class_names) => ImageFolder::read_as(&folder, class_names, limits),
    })
}

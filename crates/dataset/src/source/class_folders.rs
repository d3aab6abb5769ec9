//! A folder of images per class; or such folders, or images beside a `metadata.csv`, within folders called train,
//! val and test.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::source::columns::Columns;
use crate::source::dataset::Dataset;
use crate::source::files::{entries, name_of};
use crate::source::image_file::{ImageLimits, is_image};
use crate::source::image_folder::{ImageFolder, holds_images};
use crate::source::left_out::LeftOut;
use crate::source::{metadata, parquet};
use crate::split::{Split, Splits};

/// Whether a folder holds folders, which may be classes or parts.
pub(crate) fn has_folders(path: &Path) -> Result<bool> {
    Ok(!entries(path)?.0.is_empty())
}

/// Opens the folders in a folder: as parts where all can be, by [`Split::named`]; else as classes.
///
/// # Errors
///
/// When some can be parts and others cannot, two are the same part, or there is no image in one of them.
pub(crate) fn read(path: &Path, columns: &Columns) -> Result<Dataset> {
    let (folders, files) = entries(path)?;
    let is_split = |folder: &PathBuf| Split::named(&name_of(folder)).is_some();
    let (splits, others): (Vec<PathBuf>, Vec<PathBuf>) = folders.into_iter().partition(is_split);
    if !splits.is_empty() && others.is_empty() {
        return open_splits(path, splits, &files, columns);
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

fn open_splits(
    path: &Path,
    folders: Vec<PathBuf>,
    files: &[PathBuf],
    columns: &Columns,
) -> Result<Dataset> {
    let mut left_out = LeftOut::default();
    for file in files {
        match is_image(file) {
            true => left_out.add("images outside the folders of the parts", 1),
            false => left_out.add_other(file),
        }
    }
    let mut splits = Splits::<Option<PathBuf>>::default();
    for folder in folders {
        let Some(split) = Split::named(&name_of(&folder)) else { continue };
        if let Some(other) = splits.get_mut(split).replace(folder.clone()) {
            let reason = format!("{} are the same part", names(&[other, folder]));
            return Err(Error::Layout { path: path.to_owned(), reason });
        }
    }
    let tables =
        |folder: Option<&PathBuf>| folder.map(|folder| parquet::files_in(folder)).transpose();
    let parts = Splits {
        train: tables(splits.train.as_ref())?,
        validation: tables(splits.validation.as_ref())?,
        test: tables(splits.test.as_ref())?,
    };
    let all = [&parts.train, &parts.validation, &parts.test];
    if all.iter().all(|files| files.as_ref().is_none_or(|files| !files.is_empty())) {
        for folder in [&splits.train, &splits.validation, &splits.test].into_iter().flatten() {
            left_out.extend(parquet::beside(folder, &parquet::files_in(folder)?)?);
        }
        return parquet::read_splits(&path.display().to_string(), parts, left_out, columns);
    }
    let mut left_out = Some(left_out);
    let open = |folder: PathBuf, class_names: Option<&[String]>| {
        match metadata::metadata_of(&folder, columns)? {
            Some(list) => metadata::read_part(&list, columns, class_names),
            // As competitions have it.
            None if class_names.is_some() && !has_folders(&folder)? && holds_images(&folder) => {
                let reason = "its images have no classes, so nothing can be scored on them; to go without them name \
                          the folder of the train part";
                Err(Error::Layout { path: folder, reason: reason.to_owned() })
            }
            None => ImageFolder::read_as(&folder, class_names, ImageLimits::default()),
        }
    };
    Dataset::of_splits(path, splits, |folder, class_names| {
        Ok(open(folder, class_names)?.leaving_out(left_out.take().unwrap_or_default()))
    })
}

//! Parquet files with a column of images and one of labels, as data sets on the Hub have them.
//!
//! Read here by hand, and not by the crate `parquet`: of that format two columns are needed, in
//! plain or dictionary encoding, uncompressed, Snappy or gzip; and a file from elsewhere must
//! neither panic nor fill the memory.

mod column;
mod find;
mod footer;
mod levels;
mod thrift;

use std::cell::RefCell;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use taper_untrusted::files::open;

use self::column::Value;
use self::find::Wanted;
use self::footer::{Chunk, Column, Footer, Physical, RowGroup};
use crate::error::{Error, Result};
use crate::source::columns::{Columns, IMAGES, LABELS};
use crate::source::dataset::Dataset;
use crate::source::encoded::{Later, Rows};
use crate::source::files::{entries, has_ending, name_of, text_of};
use crate::source::left_out::LeftOut;
use crate::source::list_paths::{file_at, hint};
use crate::source::read_fault::ReadFault;
use crate::source::walk::walk;
use crate::split::{Split, Splits};

/// How large the parts of a file may be that are unpacked at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    /// The footer, in bytes.
    pub footer: usize,
    /// A page, unpacked, in bytes; one that is hardly packed may have twice as many.
    pub page: usize,
}

/// The most bytes of a column of a row group, packed.
const CHUNK: usize = 1 << 30;

impl Default for Limits {
    fn default() -> Self {
        Limits { footer: 16 << 20, page: 256 << 20 }
    }
}

/// Reads parquet files in their order; a piece of their names is the split
/// (`train-00000-of-00001.parquet`, `mnist_test.parquet`), or they are of the train split.
///
/// # Errors
///
/// When a file is not a readable parquet file, or has no column of images or labels.
pub fn read(name: &str, files: Vec<PathBuf>, columns: &Columns) -> Result<Dataset> {
    read_files(name, files, LeftOut::default(), columns)
}

fn read_files(
    name: &str,
    files: Vec<PathBuf>,
    left_out: LeftOut,
    columns: &Columns,
) -> Result<Dataset> {
    let mut splits = Splits::<Option<Vec<PathBuf>>>::default();
    for path in files {
        let split = Split::within(&name_of(&path));
        splits.get_mut(split.unwrap_or(Split::Train)).get_or_insert_default().push(path);
    }
    read_splits(name, splits, left_out, columns)
}

/// Reads the parquet files of each part, beside which this was not taken.
///
/// # Errors
///
/// As [`read`].
pub(crate) fn read_splits(
    name: &str,
    splits: Splits<Option<Vec<PathBuf>>>,
    mut left_out: LeftOut,
    columns: &Columns,
) -> Result<Dataset> {
    Dataset::of_splits(Path::new(name), splits, |paths, class_names| {
        let mut rows = read_rows(&paths, columns, false)?;
        rows.left_out = std::mem::take(&mut left_out);
        let columns = columns.clone();
        let later = rows
            .lack_images(0)
            .then(|| -> Later { Box::new(move || read_rows(&paths, &columns, true)) });
        rows.finish(name.to_owned(), class_names, later)
    })
}

/// The rows of files: their labels, and paths where those stand in place of images; images too if they are wanted.
fn read_rows(paths: &[PathBuf], columns: &Columns, with_images: bool) -> Result<Rows> {
    let mut rows = Rows::default();
    rows.with_images = with_images;
    paths.iter().try_for_each(|path| read_file(path, &mut rows, columns, Limits::default()))?;
    Ok(rows)
}

/// Reads one file, all of which is the train part.
///
/// # Errors
///
/// As [`read`].
pub(crate) fn read_table(path: &Path, columns: &Columns) -> Result<Dataset> {
    let splits = Splits { train: Some(vec![path.to_owned()]), ..Splits::default() };
    read_splits(&path.display().to_string(), splits, LeftOut::default(), columns)
}

/// Reads the parquet files of a folder, or of its folder `data`.
///
/// # Errors
///
/// As [`read`].
pub(crate) fn read_folder(folder: &Path, columns: &Columns) -> Result<Dataset> {
    let files = files_of(folder)?;
    let left_out = beside(folder, &files)?;
    read_files(&folder.display().to_string(), files, left_out, columns)
}

/// What lies in a folder and below beside these parquet files; images do not count, for rows may name them.
pub(crate) fn beside(folder: &Path, files: &[PathBuf]) -> Result<LeftOut> {
    let mut left_out = walk(folder)?.left_out;
    let others = left_out.0.remove(".parquet files").unwrap_or_default();
    left_out.add(".parquet files in other folders", others.saturating_sub(files.len()));
    Ok(left_out)
}

/// Whether a folder, or its folder `data`, holds parquet files.
pub(crate) fn is_parquet_folder(folder: &Path) -> Result<bool> {
    Ok(!files_of(folder)?.is_empty())
}

fn files_of(folder: &Path) -> Result<Vec<PathBuf>> {
    let (files, data) = (files_in(folder)?, folder.join("data"));
    if files.is_empty() && data.is_dir() { files_in(&data) } else { Ok(files) }
}

/// The parquet files in a folder.
pub(crate) fn files_in(folder: &Path) -> Result<Vec<PathBuf>> {
    Ok(entries(folder)?.1.into_iter().filter(|path| is_parquet(path)).collect())
}

/// Whether a file is parquet by its ending.
pub(crate) fn is_parquet(path: &Path) -> bool {
    has_ending(path, "parquet")
}

fn read_file(path: &Path, rows: &mut Rows, columns: &Columns, limits: Limits) -> Result<()> {
    let read_error = |source| Error::Read { path: path.to_owned(), source };
    let mut file = open(path).map_err(read_error)?;
    rows.begin(path.display().to_string());
    let folder = path.parent().unwrap_or(Path::new("")).join(&columns.image_folder);
    let (first_row, first_path) = (rows.len(), RefCell::new(None));
    let file_of = |text: &str| {
        first_path.borrow_mut().get_or_insert_with(|| text.to_owned());
        file_at(&folder, text, columns)
    };
    let layout = |reason| Error::Layout { path: path.to_owned(), reason };
    read_from(&mut file, rows, columns, &file_of, limits).map_err(|fault| fault.at(path))?;
    match first_path.into_inner() {
        Some(first) if rows.lead_nowhere(first_row) => Err(layout(format!(
            "none of its {} images is there, such as `{}`; {}",
            rows.len() - first_row,
            Path::new("")
                .join(&columns.image_folder)
                .join(format!("{first}{}", columns.image_suffix))
                .display(),
            hint(path.parent().unwrap_or(Path::new("")), &first, columns)
        ))),
        _ => Ok(()),
    }
}

/// As reading a file, for the fuzzer: the number of rows in these bytes, none larger than `limit`.
#[doc(hidden)]
pub fn count_rows(bytes: &[u8], limit: usize) -> Option<usize> {
    let limits = Limits { footer: limit, page: limit };
    let mut rows = Rows::within(usize::MAX);
    let columns = Columns::default();
    read_from(&mut std::io::Cursor::new(bytes), &mut rows, &columns, &|_| PathBuf::new(), limits)
        .ok()?;
    Some(rows.labels.len())
}

/// What is wrong with the format.
fn unreadable(reason: &str) -> ReadFault {
    ReadFault::Format(format!("it is not a readable parquet file: {reason}"))
}

/// Reads images and labels of all rows; `file_of` is the file that a path in the table means.
fn read_from(
    file: &mut (impl Read + Seek),
    rows: &mut Rows,
    columns: &Columns,
    file_of: &dyn Fn(&str) -> PathBuf,
    limits: Limits,
) -> std::result::Result<(), ReadFault> {
    let size = file.seek(SeekFrom::End(0))?;
    let footer = read_footer(file, size, limits)?;
    let image = Wanted {
        what: "images",
        setting: "data.image_column",
        name: columns.image.as_deref(),
        feature: "Image",
        usual: IMAGES,
        inner: ".bytes",
        expected: "bytes of an image, or the path of one, in each row",
        // Numbers are ids, where a setting says that the images go by them.
        kinds: match columns.image {
            Some(_) => &[Physical::Bytes, Physical::Int32, Physical::Int64],
            None => &[Physical::Bytes],
        },
    };
    let label = Wanted {
        what: "labels",
        setting: "data.label_column",
        name: columns.label.as_deref(),
        feature: "ClassLabel",
        usual: LABELS,
        inner: "",
        expected: "one label a row: a whole number, a boolean or text",
        kinds: &[
            Physical::Boolean,
            Physical::Int32,
            Physical::Int64,
            Physical::Float,
            Physical::Double,
            Physical::Bytes,
        ],
    };
    let (image, label) = (footer.find(&image)?, footer.find(&label)?);
    // Beside bytes the Hub's library writes a path, which counts where there are no bytes.
    let names_files = image.is_text || image.kind != Physical::Bytes;
    let path = match image.path.strip_suffix(".bytes").map(|name| format!("{name}.path")) {
        _ if names_files => Some(image),
        Some(path) => footer.columns.iter().find(|column| column.path == path),
        None => None,
    };
    if let Some(names) = footer.class_names(&label.path) {
        rows.labels.name(names);
    }
    // Dictionaries and runs let a few bytes stand for any number of rows: a file of images has
    // fewer rows than bytes, and Snappy makes them shorter by 21 times at most.
    let count: Option<u64> =
        footer.row_groups.iter().try_fold(0u64, |sum, group| sum.checked_add(group.rows as u64));
    // Paths may come many times, and take little.
    let (most_rows, floor) = if names_files { (1 << 20, 64 << 20) } else { (0, 1 << 20) };
    if count.is_none_or(|count| count > size.max(most_rows)) {
        return Err(unreadable("it claims more rows than it has bytes"));
    }
    let most = size.saturating_mul(32).saturating_add(floor);
    let mut total = 0u64;
    let mut grow = |bytes: usize| {
        total = total.saturating_add(bytes as u64);
        match total > most {
            true => Err(unreadable("its images are out of proportion to the file")),
            false => Ok(()),
        }
    };
    let first_row = rows.len();
    for group in &footer.row_groups {
        let first = rows.len();
        let mut row = first - first_row;
        let bytes = chunk_bytes(file, group, label, size)?;
        read_column(group, label, &bytes, limits, |value| {
            match value {
                Value::Boolean(value) => rows.labels.add_boolean(value),
                Value::Integer(number) => rows.labels.add_number(number),
                Value::Bytes(text) => {
                    rows.labels.add(text_of(text).trim().to_owned());
                }
                Value::Float(number) if !number.is_nan() => {
                    if !rows.labels.add_float(number) {
                        let name = &label.path;
                        return Err(ReadFault::Format(format!(
                            "its column `{name}` holds {number} in row {row}, expected whole numbers as labels"
                        )));
                    }
                }
                Value::Float(_) | Value::Absent => {
                    return Err(format!("row {row} has no label").into());
                }
            }
            if rows.labels.too_many() {
                return Err(ReadFault::Format(format!(
                    "its column `{}` holds too many different labels, or too long ones; name that of the labels \
                     with data.label_column",
                    label.path
                )));
            }
            row += 1;
            Ok(())
        })?;
        if !names_files && !rows.with_images {
            (first..first_row + row).try_for_each(|_| rows.add(&[]))?;
            continue;
        }
        if !names_files {
            let bytes = chunk_bytes(file, group, image, size)?;
            read_column(group, image, &bytes, limits, |value| {
                // An image that is not there is a broken one, told when it is asked for.
                let image = if let Value::Bytes(image) = value { image } else { &[] };
                grow(image.len())?;
                Ok(rows.add(image)?)
            })?;
        }
        let Some(path) = path.filter(|_| names_files || rows.lack_images(first)) else {
            continue;
        };
        let bytes = chunk_bytes(file, group, path, size)?;
        let mut row = first;
        read_column(group, path, &bytes, limits, |value| {
            match value {
                Value::Bytes(text) => {
                    grow(text.len())?;
                    // Such a path is not one of this system's everywhere.
                    let text = std::str::from_utf8(text).map_err(|_| {
                        ReadFault::Format(format!(
                            "the path in row {} is not UTF-8: {}",
                            row - first_row,
                            text_of(text)
                        ))
                    })?;
                    rows.set_path(row, file_of(text))?;
                }
                Value::Integer(id) => rows.set_path(row, file_of(&id.to_string()))?,
                _ if row == rows.len() => rows.add(&[])?,
                _ => {}
            }
            row += 1;
            Ok(())
        })?;
    }
    Ok(())
}

/// The bytes of a column of a row group.
fn chunk_bytes(
    file: &mut (impl Read + Seek),
    group: &RowGroup,
    column: &Column,
    size: u64,
) -> std::result::Result<Vec<u8>, ReadFault> {
    let chunk = group.chunk(column)?;
    let within = chunk.start.checked_add(chunk.len).is_some_and(|end| end as u64 <= size);
    if !within || chunk.len > CHUNK {
        return Err(unreadable("a column reaches beyond the file, or is larger than the limit"));
    }
    let mut bytes = vec![0; chunk.len]; // no more than the file has
    file.seek(SeekFrom::Start(chunk.start as u64))?;
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Hands the values of a column to `each`, whose faults are told as they are.
fn read_column(
    group: &RowGroup,
    column: &Column,
    bytes: &[u8],
    limits: Limits,
    mut each: impl FnMut(Value<'_>) -> std::result::Result<(), ReadFault>,
) -> std::result::Result<(), ReadFault> {
    let chunk = group.chunk(column)?;
    if chunk.values != group.rows {
        return Err(unreadable("a column has more or fewer values than rows"));
    }
    let mut fault = None;
    let read = column::read(chunk, column, bytes, limits.page, |value| {
        each(value).map_err(|found| {
            fault = Some(found);
            ""
        })
    });
    read.map_err(|reason| fault.unwrap_or_else(|| unreadable(reason)))
}

impl RowGroup {
    fn chunk(&self, column: &Column) -> std::result::Result<&Chunk, ReadFault> {
        let chunk = self.chunks.iter().find(|chunk| chunk.path == column.path);
        chunk.ok_or_else(|| unreadable("a row group lacks a column"))
    }
}

fn read_footer(
    file: &mut (impl Read + Seek),
    size: u64,
    limits: Limits,
) -> std::result::Result<Footer, ReadFault> {
    let mut tail = [0; 8];
    if size < 12 {
        return Err(unreadable("it is cut short"));
    }
    file.seek(SeekFrom::Start(size - 8))?;
    file.read_exact(&mut tail)?;
    let [a, b, c, d, magic @ ..] = tail;
    match &magic {
        b"PAR1" => {}
        b"PARE" => return Err(unreadable("it is encrypted")),
        _ => return Err(unreadable("it does not end with PAR1")),
    }
    let len = u64::from(u32::from_le_bytes([a, b, c, d]));
    if len > size - 12 || len > limits.footer as u64 {
        return Err(unreadable("its footer is longer than the file, or than the limit"));
    }
    let mut bytes = vec![0; len as usize]; // at most the limit
    file.seek(SeekFrom::Start(size - 8 - len))?;
    file.read_exact(&mut bytes)?;
    Footer::parse(&bytes).map_err(unreadable)
}

#[cfg(test)]
mod tests;

//! IDX files named as MNIST names them.
//!
//! A name is `{family}{part}-{images|labels}-idx{rank}-{ubyte|int}`, with or without `.gz`, with a
//! dot in place of the second hyphen too. The part is `train`, or `t10k` or `test`; the family is
//! empty, `emnist-digits-`, `qmnist-` or any other. Images are `u8` of rank 3 (grey) or 4 (one or
//! three channels last); labels are `u8`, or any integer, of rank 1, or of rank 2 where the first
//! column counts (QMNIST). A file `classes.txt` beside them names the classes, one a line; without
//! it they are named by their numbers. EMNIST stores its images transposed; they are
//! turned back. The labels of its letters start at 1; they are counted from 0 and called a to z.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use taper_untrusted::files::read_text;

use crate::error::{Error, Result};
use crate::idx::{DEFAULT_LIMIT, Elements, Idx};
use crate::source::dataset::Dataset;
use crate::source::files::{entries, name_of, read_whole};
use crate::source::in_memory::InMemory;
use crate::split::{Split, Splits};

/// The largest list of class names, in bytes.
const CLASSES_LIMIT: u64 = 64 << 20;

/// The largest labels, in bytes; each becomes a number of eight.
const LABELS_LIMIT: usize = 16 << 20;

/// The most bytes that stand before the elements of an IDX file.
const HEADER: u64 = 4 + 4 * 255;

/// The most classes that labels alone may announce; more need a `classes.txt`.
const MAX_UNNAMED_CLASSES: i64 = 100_000;

/// Reads the IDX files of a folder: the train part, the test part, or both.
///
/// # Errors
///
/// When there is no part, one lacks its images or labels, the folder holds several
/// families, a file is broken, counts differ or a label is out of range.
pub(crate) fn read(folder: &Path) -> Result<Dataset> {
    read_family(folder, None, None)
}

/// Reads the files of a family, such as `emnist-letters-`, with classes of these names, or numbered
/// ones. Labels that start at 1, as those of EMNIST's letters do, are counted from 0.
///
/// # Errors
///
/// As [`read`].
pub(crate) fn read_named(
    folder: &Path,
    family: &str,
    class_names: Option<Vec<String>>,
) -> Result<Dataset> {
    read_family(folder, Some(family.to_owned()), class_names)
}

/// Whether a folder holds the train part of a family.
pub(crate) fn has_family(folder: &Path, family: &str) -> bool {
    folder.is_dir()
        && find_families(folder)
            .is_ok_and(|all| all.get(family).is_some_and(|parts| parts.contains_key(&Split::Train)))
}

/// Reads the files of the family to which a file belongs, from the file's folder.
///
/// # Errors
///
/// When the file is not named as an IDX file; and as [`read`].
pub(crate) fn read_file(path: &Path) -> Result<Dataset> {
    let Some(FileName { family, .. }) = FileName::parse(path) else {
        let reason = "expected a folder, or a file named as MNIST's (train-images-idx3-ubyte)";
        return Err(Error::Layout { path: path.to_owned(), reason: reason.to_owned() });
    };
    match path.parent() {
        // The parent of a bare file name is empty, which no system call takes.
        Some(folder) if !folder.as_os_str().is_empty() => read_family(folder, Some(family), None),
        _ => read_family(Path::new("."), Some(family), None),
    }
}

fn read_family(
    folder: &Path,
    family: Option<String>,
    class_names: Option<Vec<String>>,
) -> Result<Dataset> {
    let layout = |reason| Error::Layout { path: folder.to_owned(), reason };
    let mut families = find_families(folder)?;
    let family = match (family, families.len()) {
        (Some(family), _) => family,
        (None, 0 | 1) => families.keys().next().cloned().unwrap_or_default(),
        (None, _) => {
            let names: Vec<_> = families.keys().map(|family| format!("`{family}`")).collect();
            let names = names.join(", ");
            return Err(layout(format!(
                "it holds several families of IDX files ({names}); name one of the files instead"
            )));
        }
    };
    let mut parts = families.remove(&family).unwrap_or_default();
    let quirks = Quirks::of(&family);
    let mut read = |split| {
        let files = parts.remove(&split);
        files.map(|files| Raw::read(files, &family, split, folder, quirks)).transpose()
    };
    let (train, test) = (read(Split::Train)?, read(Split::Test)?);
    let Some(first) = train.as_ref().or(test.as_ref()) else {
        return Err(layout(format!("expected {family}train-images-idx3-ubyte, with its labels")));
    };
    let class_names = match (class_names, read_class_names(folder)?) {
        (Some(names), _) | (None, Some(names)) => names,
        (None, None) if quirks.first_label == 1 => ('a'..='z').map(String::from).collect(),
        (None, None) => number_classes(first)?,
    };
    Dataset::of_splits(folder, Splits { train, validation: None, test }, |raw, _| {
        raw.into_source(&class_names)
    })
}

/// Whether a file is named as MNIST names its files.
pub(crate) fn is_idx_file(path: &Path) -> bool {
    FileName::parse(path).is_some()
}

/// Whether a folder holds any file that is named as MNIST names its files.
pub(crate) fn is_idx_folder(folder: &Path) -> Result<bool> {
    Ok(!find_families(folder)?.is_empty())
}

/// What is unusual in the files of a family.
#[derive(Debug, Clone, Copy)]
struct Quirks {
    /// Rows are stored as columns (EMNIST).
    transposed: bool,
    /// The label of the first class; 1 for EMNIST's letters, whose classes are a to z.
    first_label: i64,
}

impl Quirks {
    fn of(family: &str) -> Self {
        let first_label = i64::from(family.starts_with("emnist-letters"));
        Quirks { transposed: family.starts_with("emnist"), first_label }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Images,
    Labels,
}

/// What a file's name says.
#[derive(Debug, PartialEq, Eq)]
struct FileName {
    family: String,
    split: Split,
    role: Role,
}

impl FileName {
    fn parse(path: &Path) -> Option<Self> {
        let name = name_of(path);
        let name = name.strip_suffix(".gz").unwrap_or(&name);
        let (rest, kind) = name.rsplit_once("idx")?;
        if !["1-ubyte", "2-int", "3-ubyte", "4-ubyte"].contains(&kind) {
            return None;
        }
        let rest = rest.strip_suffix(['-', '.'])?;
        let (rest, role) = match rest.strip_suffix("-images") {
            Some(rest) => (rest, Role::Images),
            None => (rest.strip_suffix("-labels")?, Role::Labels),
        };
        let (family, split) =
            [("train", Split::Train), ("t10k", Split::Test), ("test", Split::Test)]
                .into_iter()
                .find_map(|(word, split)| Some((rest.strip_suffix(word)?, split)))?;
        Some(FileName { family: family.to_owned(), split, role })
    }
}

#[derive(Debug, Default)]
struct PartFiles {
    images: Option<PathBuf>,
    labels: Option<PathBuf>,
}

type Families = BTreeMap<String, BTreeMap<Split, PartFiles>>;

fn find_families(folder: &Path) -> Result<Families> {
    let (_, files) = entries(folder)?;
    let mut families = Families::new();
    // In byte order a plain file comes before its `.gz`; the first one found is taken.
    for path in files {
        if let Some(FileName { family, split, role }) = FileName::parse(&path) {
            let files = families.entry(family).or_default().entry(split).or_default();
            match role {
                Role::Images => files.images.get_or_insert(path),
                Role::Labels => files.labels.get_or_insert(path),
            };
        }
    }
    Ok(families)
}

/// A part as its files hold it.
struct Raw {
    images: PathBuf,
    labels_path: PathBuf,
    size: [usize; 3],
    pixels: Vec<u8>,
    labels: Vec<i64>,
}

impl Raw {
    fn read(
        files: PartFiles,
        family: &str,
        split: Split,
        folder: &Path,
        quirks: Quirks,
    ) -> Result<Self> {
        let (Some(images), Some(labels_path)) = (&files.images, &files.labels) else {
            let part = if split == Split::Train { "train" } else { "test" };
            let (has, lacks) =
                if files.images.is_some() { ("images", "labels") } else { ("labels", "images") };
            let reason = format!("its {family}{part} part has {has} but no {lacks}");
            return Err(Error::Layout { path: folder.to_owned(), reason });
        };
        let (size, pixels) = read_images(images, quirks.transposed)?;
        let mut labels = read_labels(labels_path)?;
        // What overflows was no label, and is none after.
        labels.iter_mut().for_each(|label| *label = label.wrapping_sub(quirks.first_label));
        let image_count = pixels.len() / size.iter().product::<usize>();
        if image_count != labels.len() {
            return Err(Error::Counts {
                images: images.display().to_string(),
                image_count,
                labels: labels_path.display().to_string(),
                label_count: labels.len(),
            });
        }
        Ok(Raw { images: images.clone(), labels_path: labels_path.clone(), size, pixels, labels })
    }

    fn into_source(self, class_names: &[String]) -> Result<InMemory> {
        let classes = class_names.len();
        let labels = self
            .labels
            .iter()
            .enumerate()
            .map(|(item, &label)| match u32::try_from(label) {
                Ok(label) if (label as usize) < classes => Ok(label),
                _ => Err(Error::Label {
                    place: self.labels_path.display().to_string(),
                    item,
                    label,
                    reason: format!("there are {classes} classes, numbered from 0"),
                }),
            })
            .collect::<Result<Vec<u32>>>()?;
        let name = self.images.display().to_string();
        InMemory::new(name, self.size, self.pixels, labels, class_names.to_vec())
    }
}

fn read_idx(path: &Path, limit: usize) -> Result<Idx> {
    let bytes = read_whole(path, limit as u64 + HEADER)?;
    Idx::parse_within(&bytes, limit).map_err(|source| Error::Idx { path: path.to_owned(), source })
}

fn wrong_shape(path: &Path, expected: &'static str, idx: &Idx) -> Error {
    let found = format!("{} {:?}", idx.elements.element_type(), idx.shape);
    Error::Shape { path: path.to_owned(), expected, found }
}

fn read_images(path: &Path, transposed: bool) -> Result<([usize; 3], Vec<u8>)> {
    let idx = read_idx(path, DEFAULT_LIMIT)?;
    let expected =
        "images as u8 [count, height, width] or [count, height, width, 1 or 3], none empty";
    let size = match idx.shape[..] {
        [_, height, width] => [height, width, 1],
        [_, height, width, channels @ (1 | 3)] => [height, width, channels],
        _ => return Err(wrong_shape(path, expected, &idx)),
    };
    let [height, width, channels] = size;
    match idx.elements {
        Elements::U8(pixels) if height > 0 && width > 0 && !transposed => Ok((size, pixels)),
        Elements::U8(mut pixels) if height > 0 && width > 0 => {
            let images = pixels.chunks_exact_mut(height * width * channels);
            images.for_each(|image| image.copy_from_slice(&transpose(image, size)));
            Ok(([width, height, channels], pixels))
        }
        _ => Err(wrong_shape(path, expected, &idx)),
    }
}

fn transpose(image: &[u8], [height, width, channels]: [usize; 3]) -> Vec<u8> {
    let places = (0..width).flat_map(|x| (0..height).map(move |y| (y * width + x) * channels));
    places.flat_map(|start| &image[start..start + channels]).copied().collect()
}

fn read_labels(path: &Path) -> Result<Vec<i64>> {
    let idx = read_idx(path, LABELS_LIMIT)?;
    let columns = match idx.shape[..] {
        [_] => 1,
        [_, columns] if columns > 0 => columns,
        _ => return Err(wrong_shape(path, LABELS, &idx)),
    };
    fn first_column<T: Copy + Into<i64>>(values: &[T], columns: usize) -> Vec<i64> {
        values.iter().step_by(columns).map(|&value| value.into()).collect()
    }
    Ok(match &idx.elements {
        Elements::U8(values) => first_column(values, columns),
        Elements::I8(values) => first_column(values, columns),
        Elements::I16(values) => first_column(values, columns),
        Elements::I32(values) => first_column(values, columns),
        Elements::F32(_) | Elements::F64(_) => return Err(wrong_shape(path, LABELS, &idx)),
    })
}

const LABELS: &str = "labels as integers [count] or [count, columns]";

fn read_class_names(folder: &Path) -> Result<Option<Vec<String>>> {
    let path = folder.join("classes.txt");
    match read_text(&path, CLASSES_LIMIT) {
        Ok(text) => {
            let names: Vec<String> =
                text.trim_end().lines().map(|line| line.trim().to_owned()).collect();
            for (line, name) in names.iter().enumerate() {
                let number = line + 1;
                let reason = match names[..line].iter().position(|other| other == name) {
                    _ if name.is_empty() => format!("line {number} of classes.txt names no class"),
                    None => continue,
                    Some(first) => format!(
                        "lines {} and {number} of classes.txt both name the class `{name}`",
                        first + 1
                    ),
                };
                return Err(Error::Layout { path: folder.to_owned(), reason });
            }
            Ok(Some(names))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::Read { path, source }),
    }
}

/// Names classes by number, as many as the labels need: at least ten, as MNIST has.
///
/// Above nine, a number that no image has is taken for a damaged label further up, so that one
/// wrong byte does not make a class.
fn number_classes(part: &Raw) -> Result<Vec<String>> {
    let mut seen: BTreeMap<i64, usize> = BTreeMap::new();
    for (item, &label) in part.labels.iter().enumerate() {
        seen.entry(label).or_insert(item);
    }
    let mut classes = 10;
    for (&label, &item) in &seen {
        if label < 0 || label > classes || label >= MAX_UNNAMED_CLASSES {
            return Err(Error::Label {
                place: part.labels_path.display().to_string(),
                item,
                label,
                reason: format!(
                    "expected 0 to {}; if it is right, name all classes in a file classes.txt \
                     beside it, one a line",
                    classes - 1
                ),
            });
        }
        classes = classes.max(label + 1);
    }
    Ok((0..classes).map(|class| class.to_string()).collect())
}

#[cfg(test)]
mod tests;

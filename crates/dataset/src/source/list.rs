//! A list of image files with their labels: CSV, TSV or JSON lines.
//!
//! A CSV file has a line of names, of which `image` (or `path`, `file`, `filename`, …), `label` (or
//! `class`, `category`, `target`, …) and, if there, `split` (or `part`) count; or no such line and two or three
//! columns in this order. JSON lines are objects with the same keys. Other names are given by
//! [`Columns`](crate::Columns), and so are a folder and an ending where the list has neither. Paths are relative to
//! the list. `split` is a part's name ([`Split::named`]); without it all is one part.

use std::io::Read;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::source::class_names::class_number;
use crate::source::columns::{Columns, IMAGES, LABELS};
use crate::source::dataset::Dataset;
use crate::source::files::read_whole;
use crate::source::image_file::{ImageLimits, has_image_ending};
use crate::source::image_folder::ImageFolder;
use crate::source::labels::Labels;
use crate::source::left_out::LeftOut;
use crate::source::list_paths::{file_at, hint, under_two_labels};
use crate::split::{Split, Splits};

/// The largest list, in bytes.
const LIMIT: u64 = 1 << 30;

/// Bytes of a line.
const LINE: usize = 1 << 20;

/// Bytes that are kept of all lines, and those of each beside its path and label: numbers, and what the system takes
/// for text.
const KEPT: usize = 880 << 20;
const EACH: usize = 176;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

const SPLITS: &[&str] = &["split", "part"];

/// One line of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub path: PathBuf,
    pub label: String,
    /// The part that the list says.
    pub split: Option<Split>,
    /// From 1.
    pub line: u64,
}

/// Whether a path is a list by its ending.
pub(crate) fn is_list(path: &Path) -> bool {
    Form::of(path).is_some()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Values between these.
    Separated(u8),
    JsonLines,
}

impl Form {
    fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "csv" => Some(Form::Separated(b',')),
            "tsv" => Some(Form::Separated(b'\t')),
            "jsonl" | "ndjson" => Some(Form::JsonLines),
            _ => None,
        }
    }
}

/// Reads a list; its images are opened when they are asked for.
///
/// # Errors
///
/// When the list cannot be read, a line is not understood, none of its images is there, or a label of
/// another part is none of the train part's.
pub(crate) fn read(path: &Path, columns: &Columns) -> Result<Dataset> {
    dataset(path, entries_of(path, columns)?, LeftOut::default())
}

/// The data set of a list, of which this was not taken.
pub(super) fn dataset(path: &Path, mut entries: Vec<Entry>, left_out: LeftOut) -> Result<Dataset> {
    let mut left_out = Some(left_out);
    // Those of the train part, which are most, stay where they are.
    let mut part = |split| {
        let part = entries.extract_if(.., |entry| entry.split == Some(split));
        Some(part.collect::<Vec<Entry>>()).filter(|part| !part.is_empty())
    };
    let (validation, test) = (part(Split::Validation), part(Split::Test));
    entries.shrink_to_fit();
    let train = Some(entries).filter(|part| !part.is_empty());
    let splits = Splits { train, validation, test };
    Dataset::of_splits(path, splits, |entries, class_names| {
        let part = source(path, entries, class_names)?;
        Ok(part.leaving_out(left_out.take().unwrap_or_default()))
    })
}

/// Whether a list begins with the names of both columns.
pub(super) fn names_columns(path: &Path) -> Result<bool> {
    let text = read_whole(path, LIMIT)?;
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&text);
    let (form, columns) = (Form::of(path), Columns::default());
    let names = Names::of(&columns);
    Ok(if let Some(Form::Separated(separator)) = form {
        let first = csv_reader(text, separator).records().next();
        matches!(first, Some(Ok(record)) if names.header(&record).is_some())
    } else {
        let mut lines = text.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii);
        let line = lines.find(|line| !line.is_empty()).unwrap_or_default();
        let line = &line[..line.len().min(LINE)];
        let object = serde_json::from_slice::<serde_json::Map<_, serde_json::Value>>(line);
        let has = |known: &[&str]| {
            object.as_ref().is_ok_and(|object| known.iter().any(|name| object.contains_key(*name)))
        };
        has(&names.paths) && has(&names.labels)
    })
}

/// The lines of a list, their paths complete.
pub(super) fn entries_of(path: &Path, columns: &Columns) -> Result<Vec<Entry>> {
    let mut text = read_whole(path, LIMIT)?;
    let layout = |reason| Error::Layout { path: path.to_owned(), reason };
    let form = Form::of(path).unwrap_or(Form::Separated(b','));
    let list_folder = path.parent().unwrap_or(Path::new(""));
    let folder = list_folder.join(&columns.image_folder);
    let mut room = Room::of(KEPT, &folder, columns);
    let entries = parse(&text, form, columns, &mut room).map_err(layout)?;
    // A block as large as this would stay with the allocator if it were dropped; one that shrinks goes back.
    text.truncate(1);
    text.shrink_to_fit();
    let relative = |path: &Path| path.strip_prefix(list_folder).unwrap_or(path).to_owned();
    if let ([first, ..], Form::Separated(_)) = (&entries[..], form)
        && first.line == 1
        && !has_image_ending(&first.path)
        && !first.path.exists()
    {
        return Err(layout(format!(
            "its first line is neither an image (there is no `{}`) nor names columns that are \
             known; {EXPECTED}",
            relative(&first.path).display()
        )));
    }
    one_label_each(&entries).map_err(layout)?;
    if entries.iter().all(|entry| !entry.path.exists()) {
        return Err(layout(format!(
            "none of its {} images is there, such as `{}`; {}",
            entries.len(),
            relative(&entries[0].path).display(),
            hint(list_folder, &room.first_path, columns)
        )));
    }
    Ok(entries)
}

/// Makes sure that no image is listed under two labels, or in two parts, of which one is to say what the net learnt
/// from the other.
fn one_label_each(entries: &[Entry]) -> std::result::Result<(), String> {
    let number = |entry: &Entry| class_number(&entry.label);
    let differ = |a: usize, b: usize| {
        let (a, b) = (&entries[a], &entries[b]);
        a.label != b.label && (number(a).is_none() || number(a) != number(b))
    };
    let label =
        |place: usize| format!("as `{}` in line {}", entries[place].label, entries[place].line);
    let path = |place: usize| entries[place].path.as_path();
    if let Some(twice) = under_two_labels(entries.len(), path, differ) {
        return Err(twice.told(path(twice.first), label, "has one class"));
    }
    let split = |place: usize| entries[place].split.unwrap_or(Split::Train);
    // The same images for validation and testing leak nothing into training.
    let leaks = |a: usize, b: usize| {
        split(a) != split(b) && [a, b].iter().any(|&place| split(place) == Split::Train)
    };
    let part = |place: usize| {
        let part = format!("{:?}", split(place)).to_lowercase();
        format!("in the part `{part}` in line {}", entries[place].line)
    };
    match under_two_labels(entries.len(), path, leaks) {
        Some(twice) => Err(twice.told(path(twice.first), part, "is in one part")),
        None => Ok(()),
    }
}

/// The images of a part of a list.
pub(super) fn source(
    path: &Path,
    entries: Vec<Entry>,
    class_names: Option<&[String]>,
) -> Result<ImageFolder> {
    let layout = |reason| Error::Layout { path: path.to_owned(), reason };
    let mut labels = Labels::default();
    entries.iter().for_each(|entry| labels.add(entry.label.clone()));
    let (labels, class_names) = labels.finish_by_value(class_names).map_err(layout)?;
    // In the place of the entries.
    let items = entries.into_iter().zip(labels).map(|(entry, label)| (label, entry.path));
    let mut items: Vec<(u32, PathBuf)> = items.collect();
    items.sort_by_key(|(label, _)| *label); // stable: by line within a class
    Ok(ImageFolder::of_items(path, class_names, items, ImageLimits::default()))
}

/// The lines of a list, in their order. Never panics, whatever the bytes; what it keeps is no larger
/// than a small multiple of them.
fn parse(
    text: &[u8],
    form: Form,
    columns: &Columns,
    room: &mut Room<'_>,
) -> std::result::Result<Vec<Entry>, String> {
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    let names = Names::of(columns);
    let entries = match form {
        Form::Separated(separator) => parse_separated(text, separator, &names, room)?,
        Form::JsonLines => parse_json_lines(text, &names, room)?,
    };
    if entries.is_empty() { Err("it lists no image".to_owned()) } else { Ok(entries) }
}

/// As [`parse`] for the fuzzer: the bytes of a `.csv` or a `.jsonl` file.
#[doc(hidden)]
pub fn parse_bytes(text: &[u8], json_lines: bool) -> std::result::Result<usize, String> {
    let form = if json_lines { Form::JsonLines } else { Form::Separated(b',') };
    let columns = &Columns::default();
    let room = &mut Room::of(KEPT, Path::new(""), columns);
    parse(text, form, columns, room).map(|entries| entries.len())
}

/// What may still be kept, and where the images lie.
struct Room<'a> {
    left: usize,
    folder: &'a Path,
    columns: &'a Columns,
    /// As the list has it.
    first_path: String,
}

impl<'a> Room<'a> {
    /// So many bytes, for images in a folder.
    fn of(left: usize, folder: &'a Path, columns: &'a Columns) -> Self {
        Room { left, folder, columns, first_path: String::new() }
    }

    /// What is kept of a line: its path complete at once, for one that replaced it later would leave a hole.
    fn keep(&mut self, mut entry: Entry) -> std::result::Result<Entry, String> {
        let path = entry.path.to_string_lossy();
        let file = file_at(self.folder, &path, self.columns);
        if self.first_path.is_empty() {
            self.first_path = path.into_owned();
        }
        entry.path = file;
        let bytes = EACH + entry.path.as_os_str().len() + entry.label.len();
        let left = self.left.checked_sub(bytes).ok_or_else(|| {
            format!(
                "line {}: what is kept of it and the lines before takes more than {} MiB; leave lines out, or give \
                 the images in a folder for each class",
                entry.line,
                KEPT >> 20
            )
        })?;
        self.left = left;
        Ok(entry)
    }
}

/// An empty list that need not grow, which would take half as much again: as many lines as there are, or may be.
fn room_for(text: &[u8]) -> Vec<Entry> {
    // A line ends with either or both, which are one end: room twice as large would be copied to be given back.
    let next = text.iter().skip(1).chain([&0]);
    let ends = text.iter().zip(next).filter(|(byte, next)| match byte {
        b'\n' => true,
        b'\r' => **next != b'\n',
        _ => false,
    });
    Vec::with_capacity((ends.count() + 1).min(KEPT / EACH))
}

/// Text of which no more than a line's bytes are read before `read` is set back.
struct Lines<'a> {
    rest: &'a [u8],
    read: usize,
}

impl Read for Lines<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        if self.read > LINE {
            return Err(std::io::ErrorKind::FileTooLarge.into());
        }
        let read = self.rest.read(into)?;
        self.read += read;
        Ok(read)
    }
}

/// The lines of a list whose values stand between these.
fn csv_reader(text: &[u8], separator: u8) -> csv::Reader<Lines<'_>> {
    csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(separator)
        .trim(csv::Trim::All)
        .from_reader(Lines { rest: text, read: 0 })
}

fn too_long(line: u64) -> String {
    format!("line {line}: it has more than {LINE} bytes, or a quotation mark that none ends")
}

fn parse_separated(
    text: &[u8],
    separator: u8,
    names: &Names<'_>,
    room: &mut Room<'_>,
) -> std::result::Result<Vec<Entry>, String> {
    let mut reader = csv_reader(text, separator);
    // The reader counts the blank lines before a line as part of it.
    let line_at = |place: &csv::Position| {
        let rest = text.get(place.byte() as usize..).unwrap_or_default();
        let blank = rest.iter().take_while(|byte| matches!(byte, b'\n' | b'\r'));
        place.line() + blank.filter(|byte| **byte == b'\n').count() as u64
    };
    let (mut columns, mut entries) = (None::<[Option<usize>; 3]>, room_for(text));
    let mut record = csv::StringRecord::new();
    loop {
        let line = line_at(reader.position());
        reader.get_mut().read = 0;
        let more = reader.read_record(&mut record).map_err(|error| match error.kind() {
            csv::ErrorKind::Io(_) => too_long(line),
            _ => format!("it is not CSV: {error}"),
        })?;
        if !more {
            return Ok(entries);
        }
        let line = record.position().map_or(line, line_at);
        let [path, label, split] = match columns {
            Some(columns) => columns,
            None => {
                let named = names.header(&record);
                if named.is_none() {
                    names.check_first(&record, separator)?;
                }
                let by_place = [Some(0), Some(1), (record.len() > 2).then_some(2)];
                columns = Some(named.unwrap_or(by_place));
                if named.is_some() {
                    continue;
                }
                by_place
            }
        };
        let field = |column: Option<usize>| column.and_then(|column| record.get(column));
        let (Some(path), Some(label)) = (field(path), field(label)) else {
            return Err(format!(
                "line {line}: expected a path and a label, found {} values; or {EXPECTED}",
                record.len()
            ));
        };
        entries.push(room.keep(entry(path, label, field(split), line)?)?);
    }
}

/// What the first line of a list may name.
const EXPECTED: &str = "expected a first line that names the columns `path` (or `file`, \
                        `filename`, `image`, …) and `label` (or `class`, `category`, `target`), or \
                        their names by data.image_column and data.label_column";

/// The names by which columns go.
struct Names<'a> {
    paths: Vec<&'a str>,
    labels: Vec<&'a str>,
    columns: &'a Columns,
}

impl<'a> Names<'a> {
    fn of(columns: &'a Columns) -> Self {
        let or = |name: &'a Option<String>, usual: &[&'a str]| match name {
            Some(name) => vec![name.as_str()],
            None => usual.to_vec(),
        };
        Names { paths: or(&columns.image, IMAGES), labels: or(&columns.label, LABELS), columns }
    }

    /// Where path, label and split stand, if this line names the columns.
    fn header(&self, record: &csv::StringRecord) -> Option<[Option<usize>; 3]> {
        let find = |names: &[&str]| {
            record
                .iter()
                .position(|name| names.iter().any(|known| known.eq_ignore_ascii_case(name)))
        };
        let (path, label) = (find(&self.paths)?, find(&self.labels)?);
        Some([Some(path), Some(label), find(SPLITS)])
    }

    /// What is wrong with a first line that names no columns.
    fn check_first(
        &self,
        record: &csv::StringRecord,
        separator: u8,
    ) -> std::result::Result<(), String> {
        if let Some(name) = self.columns.image.as_ref().or(self.columns.label.as_ref()) {
            let found: Vec<&str> = record.iter().take(20).collect();
            return Err(format!(
                "expected columns {} and {}, found {} (`{name}` is as the settings name it)",
                self.paths.join(" or "),
                self.labels.join(" or "),
                found.join(", ")
            ));
        }
        let other = |mark: &&u8| {
            **mark != separator && record.len() == 1 && record[0].as_bytes().contains(mark)
        };
        match b";,\t|".iter().find(other) {
            Some(&mark) => Err(format!(
                "its values are separated by {:?}, expected {:?}",
                char::from(mark),
                char::from(separator)
            )),
            None => Ok(()),
        }
    }
}

fn parse_json_lines(
    text: &[u8],
    names: &Names<'_>,
    room: &mut Room<'_>,
) -> std::result::Result<Vec<Entry>, String> {
    let mut entries = room_for(text);
    for (number, line) in text.split(|&byte| byte == b'\n').enumerate() {
        let number = number as u64 + 1;
        if line.trim_ascii().is_empty() {
            continue;
        }
        if line.len() > LINE {
            return Err(format!("line {number}: it has more than {LINE} bytes"));
        }
        let object: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(line)
            .map_err(|error| format!("line {number}: it is not a JSON object: {error}"))?;
        let find = |names: &[&str]| names.iter().find_map(|name| object.get(*name));
        let text = |value: &serde_json::Value| match value {
            serde_json::Value::String(text) => Some(text.clone()),
            serde_json::Value::Bool(true) => Some("True".to_owned()),
            serde_json::Value::Bool(false) => Some("False".to_owned()),
            // A whole one is written `1.0`.
            serde_json::Value::Number(number) => {
                let whole = number.as_f64().is_some_and(|number| number.fract() == 0.0);
                whole.then(|| number.to_string())
            }
            _ => None,
        };
        // An id may be a number.
        let path = find(&names.paths).and_then(|value| match value {
            serde_json::Value::Number(id) if !id.is_f64() => Some(id.to_string()),
            value => value.as_str().map(str::to_owned),
        });
        let (Some(path), Some(label)) = (path, find(&names.labels).and_then(text)) else {
            return Err(format!(
                "line {number}: expected a string or a whole number `{}` and a `{}`, a string, a whole number or a boolean",
                names.paths[0], names.labels[0]
            ));
        };
        let split = find(SPLITS).map(|value| text(value).unwrap_or_default());
        entries.push(room.keep(entry(&path, &label, split.as_deref(), number)?)?);
    }
    Ok(entries)
}

fn entry(
    path: &str,
    label: &str,
    split: Option<&str>,
    line: u64,
) -> std::result::Result<Entry, String> {
    let label = label.trim();
    for (what, value) in [("path", path), ("label", label)] {
        if value.is_empty() {
            return Err(format!("line {line}: its {what} is empty"));
        }
    }
    let known = |split: &str| {
        Split::named(split).ok_or_else(|| {
            let names = "; or its first line names no column `path` and `label`";
            let names = if line == 1 { names } else { "" };
            format!("line {line}: its split is `{split}`, expected train, val or test{names}")
        })
    };
    let split = split.map(known).transpose()?;
    Ok(Entry { path: path.into(), label: label.to_owned(), split, line })
}

#[cfg(test)]
mod tests;

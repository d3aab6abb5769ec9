//! A list of image files with their labels: CSV, TSV or JSON lines.
//!
//! A CSV file has a line of names, of which `image` (or `path`, `file`, `filename`, …), `label` (or
//! `class`, `category`, `target`, …) and, if there, `split` (or `part`) count; or no such line and two or three
//! columns in this order. JSON lines are objects with the same keys. Other names are given by
//! [`Columns`](crate::Columns), and so are a folder and an ending where the list has neither. Paths are relative to
//! the list. `split` is a part's name ([`Split::named`]); without it all is one part. A `metadata.csv` or
//! `metadata.jsonl` beside the images is such a list, as the Hub's library has it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::source::columns::{Columns, IMAGES, LABELS};
use crate::source::dataset::Dataset;
use crate::source::files::{entries, name_of, read_whole};
use crate::source::image_file::{ImageLimits, has_image_ending, is_image};
use crate::source::image_folder::ImageFolder;
use crate::source::labels::Labels;
use crate::source::left_out::LeftOut;
use crate::source::walk::walk;
use crate::split::{Split, Splits};

/// The largest list, in bytes.
const LIMIT: u64 = 1 << 30;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

const SPLITS: &[&str] = &["split", "part"];

/// One line of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
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
fn dataset(path: &Path, entries: Vec<Entry>, left_out: LeftOut) -> Result<Dataset> {
    let (mut splits, mut left_out) = (Splits::<Option<Vec<Entry>>>::default(), Some(left_out));
    for entry in entries {
        let split = entry.split.unwrap_or(Split::Train);
        splits.get_mut(split).get_or_insert_default().push(entry);
    }
    Dataset::of_splits(path, splits, |entries, class_names| {
        let part = source(path, entries, class_names)?;
        Ok(part.leaving_out(left_out.take().unwrap_or_default()))
    })
}

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

/// Whether a list begins with the names of both columns.
fn names_columns(path: &Path) -> Result<bool> {
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
        let object = serde_json::from_slice::<serde_json::Map<_, serde_json::Value>>(line);
        let has = |known: &[&str]| {
            object.as_ref().is_ok_and(|object| known.iter().any(|name| object.contains_key(*name)))
        };
        has(&names.paths) && has(&names.labels)
    })
}

/// Reads the list beside the images of a folder, for which [`metadata_of`] found one.
///
/// # Errors
///
/// As [`read`]; and when some of its images lie in folders of parts and others do not.
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
/// As [`read`].
pub(crate) fn read_part(
    path: &Path,
    columns: &Columns,
    class_names: Option<&[String]>,
) -> Result<ImageFolder> {
    let entries = entries_of(path, columns)?;
    let left_out = unlisted(path, &entries)?;
    Ok(source(path, entries, class_names)?.leaving_out(left_out))
}

/// The lines of a list, their paths complete.
fn entries_of(path: &Path, columns: &Columns) -> Result<Vec<Entry>> {
    let text = read_whole(path, LIMIT)?;
    let layout = |reason| Error::Layout { path: path.to_owned(), reason };
    let form = Form::of(path).unwrap_or(Form::Separated(b','));
    let mut entries = parse(&text, form, columns).map_err(layout)?;
    let list_folder = path.parent().unwrap_or(Path::new(""));
    let folder = list_folder.join(&columns.image_folder);
    let first_path = entries[0].path.clone();
    for entry in &mut entries {
        entry.path = file_at(&folder, &entry.path.to_string_lossy(), columns);
    }
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
    if entries.iter().all(|entry| !entry.path.exists()) {
        return Err(layout(format!(
            "none of its {} images is there, such as `{}`; {}",
            entries.len(),
            relative(&entries[0].path).display(),
            hint(list_folder, &first_path.to_string_lossy(), columns)
        )));
    }
    Ok(entries)
}

/// The file that a path, or an id, of a list or a table means.
pub(crate) fn file_at(folder: &Path, path: &str, columns: &Columns) -> PathBuf {
    let path = format!("{path}{}", columns.image_suffix);
    let file = folder.join(&path);
    // As Windows writes it.
    match path.contains('\\') && !file.exists() {
        true => folder.join(path.replace('\\', "/")),
        false => file,
    }
}

/// What to do about a path of a list or a table that leads nowhere: settings, if a file is there with an ending,
/// or in a folder beside the list or above it.
pub(crate) fn hint(list_folder: &Path, path: &str, columns: &Columns) -> String {
    let path = PathBuf::from(path.replace('\\', "/"));
    let name = name_of(&path);
    let list_folder = existing(list_folder);
    let below = entries(list_folder).map_or_else(|_| Vec::new(), |(folders, _)| folders);
    let below = below.iter().filter_map(|folder| folder.file_name()?.to_str());
    for folder in ["", ".."].into_iter().chain(below) {
        let place = Path::new(folder).join(&path);
        let files = list_folder.join(&place);
        let files = entries(existing(files.parent().unwrap_or(list_folder)));
        let files = files.map_or_else(|_| Vec::new(), |(_, files)| files);
        let suffix = |file: &PathBuf| {
            let suffix = file.file_name()?.to_str()?.strip_prefix(&name)?.to_owned();
            (suffix.is_empty() || suffix.starts_with('.') && is_image(file)).then_some(suffix)
        };
        // Of `1.png` and `1.5.png` the first is that of 1.
        let fewest = |suffix: &String| suffix.matches('.').count();
        let Some(suffix) = files.iter().filter_map(suffix).min_by_key(fewest) else { continue };
        let (mut set, mut unset) = (Vec::new(), Vec::new());
        for (key, value, is_set) in [
            ("data.image_folder", folder, !columns.image_folder.as_os_str().is_empty()),
            ("data.image_suffix", &*suffix, !columns.image_suffix.is_empty()),
        ] {
            match (value, is_set) {
                ("", true) => unset.push(key.to_owned()),
                ("", false) => {}
                (value, _) => set.push(format!("{key}={value}")),
            }
        }
        let lines = [("set", set), ("leave out", unset)];
        let lines = lines.iter().filter(|(_, keys)| !keys.is_empty());
        let lines: Vec<String> =
            lines.map(|(what, keys)| format!("{what} {}", keys.join(" and "))).collect();
        let place = place.with_file_name(name + &suffix);
        return format!("`{}` is there: {}", place.display(), lines.join(", "));
    }
    "paths are relative to the list; set data.image_folder for another folder and data.image_suffix for an \
     ending that they lack"
        .to_owned()
}

/// The folder, whose path may be empty, which no system call takes.
fn existing(folder: &Path) -> &Path {
    if folder.as_os_str().is_empty() { Path::new(".") } else { folder }
}

/// The images of a part of a list.
fn source(path: &Path, entries: Vec<Entry>, class_names: Option<&[String]>) -> Result<ImageFolder> {
    let layout = |reason| Error::Layout { path: path.to_owned(), reason };
    let mut labels = Labels::default();
    entries.iter().for_each(|entry| labels.add(entry.label.clone()));
    let (labels, class_names) = labels.finish_by_value(class_names).map_err(layout)?;
    let paths = entries.into_iter().map(|entry| entry.path);
    let mut items: Vec<(u32, PathBuf)> = labels.into_iter().zip(paths).collect();
    items.sort_by_key(|(label, _)| *label); // stable: by line within a class
    Ok(ImageFolder::of_items(path, class_names, items, ImageLimits::default()))
}

/// The lines of a list, in their order. Never panics, whatever the bytes; what it keeps is no larger
/// than a small multiple of them.
fn parse(text: &[u8], form: Form, columns: &Columns) -> std::result::Result<Vec<Entry>, String> {
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    let names = Names::of(columns);
    let entries = match form {
        Form::Separated(separator) => parse_separated(text, separator, &names)?,
        Form::JsonLines => parse_json_lines(text, &names)?,
    };
    if entries.is_empty() { Err("it lists no image".to_owned()) } else { Ok(entries) }
}

/// As [`parse`] for the fuzzer: the bytes of a `.csv` or a `.jsonl` file.
#[doc(hidden)]
pub fn parse_bytes(text: &[u8], json_lines: bool) -> std::result::Result<usize, String> {
    let form = if json_lines { Form::JsonLines } else { Form::Separated(b',') };
    parse(text, form, &Columns::default()).map(|entries| entries.len())
}

/// The lines of a list whose values stand between these.
fn csv_reader(text: &[u8], separator: u8) -> csv::Reader<&[u8]> {
    csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(separator)
        .trim(csv::Trim::All)
        .from_reader(text)
}

fn parse_separated(
    text: &[u8],
    separator: u8,
    names: &Names<'_>,
) -> std::result::Result<Vec<Entry>, String> {
    let mut reader = csv_reader(text, separator);
    let (mut columns, mut entries) = (None::<[Option<usize>; 3]>, Vec::new());
    for record in reader.records() {
        let record = record.map_err(|error| format!("it is not CSV: {error}"))?;
        let line = record.position().map_or(0, csv::Position::line);
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
        entries.push(entry(path, label, field(split), line)?);
    }
    Ok(entries)
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

fn parse_json_lines(text: &[u8], names: &Names<'_>) -> std::result::Result<Vec<Entry>, String> {
    let mut entries = Vec::new();
    for (number, line) in text.split(|&byte| byte == b'\n').enumerate() {
        let number = number as u64 + 1;
        if line.trim_ascii().is_empty() {
            continue;
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
        entries.push(entry(&path, &label, split.as_deref(), number)?);
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
mod tests {
    use super::*;

    fn csv(text: &str) -> std::result::Result<Vec<(String, String, Option<Split>)>, String> {
        let entries = parse(text.as_bytes(), Form::Separated(b','), &Columns::default())?;
        let path = |path: PathBuf| path.display().to_string();
        Ok(entries.into_iter().map(|entry| (path(entry.path), entry.label, entry.split)).collect())
    }

    fn entry_of(
        path: &str,
        label: &str,
        split: impl Into<Option<Split>>,
    ) -> (String, String, Option<Split>) {
        (path.to_owned(), label.to_owned(), split.into())
    }

    #[test]
    fn columns_are_found_by_name_in_any_order() {
        let found = csv("Class,id,Filename,split\ncat,7,\"a, b.png\",test\ndog,8,c.png,train\n");
        let expected =
            [entry_of("a, b.png", "cat", Split::Test), entry_of("c.png", "dog", Split::Train)];
        assert_eq!(found.unwrap(), expected);
    }

    #[test]
    fn without_a_line_of_names_the_columns_are_path_label_split() {
        let found = csv("\u{feff}a.png,1\r\nb.png, 2\r\n").unwrap();
        let expected = [entry_of("a.png", "1", None), entry_of("b.png", "2", None)];
        assert_eq!(found, expected);
        assert_eq!(csv("a.png,1,dev").unwrap(), [entry_of("a.png", "1", Split::Validation)]);
    }

    #[test]
    fn json_lines_take_numbers_and_names() {
        let text =
            "{\"file_name\": \"a.png\", \"label\": 3}\n\n{\"path\": \"b\", \"class\": \"x\"}";
        let entries = parse(text.as_bytes(), Form::JsonLines, &Columns::default()).unwrap();
        assert_eq!(entries[0].label, "3");
        assert_eq!(entries[1].path, Path::new("b"));
        let text = "{\"path\": \"a\", \"label\": true}\n{\"path\": \"b\", \"label\": 2.0}";
        let entries = parse(text.as_bytes(), Form::JsonLines, &Columns::default()).unwrap();
        assert_eq!((&*entries[0].label, &*entries[1].label), ("True", "2.0"));
        let text = b"{\"path\": 17, \"label\": 1}";
        let entries = parse(text, Form::JsonLines, &Columns::default()).unwrap();
        assert_eq!(entries[0].path, Path::new("17"));
    }

    #[test]
    fn what_is_not_understood_is_told_with_its_line() {
        assert!(csv("").unwrap_err().contains("lists no image"));
        assert!(csv("path,label\na.png\n").unwrap_err().starts_with("line 2: expected a path"));
        assert_eq!(csv("a.png,\n").unwrap_err(), "line 1: its label is empty");
        assert!(csv("a,b,tests").unwrap_err().contains("its split is `tests`"));
        let json =
            |text: &str| parse(text.as_bytes(), Form::JsonLines, &Columns::default()).unwrap_err();
        assert!(
            json("{\"path\": 1.5, \"label\": 1}")
                .starts_with("line 1: expected a string or a whole number `image`")
        );
        assert!(json("{\"path\": \"a\", \"label\": 1.5}").starts_with("line 1: expected"));
        assert!(json("[]").starts_with("line 1: it is not a JSON object"));
    }

    #[test]
    fn another_separator_is_named() {
        let error = csv("a.png;cat\nb.png;dog\n").unwrap_err();
        assert_eq!(error, "its values are separated by ';', expected ','");
        let tabs = parse(b"a.png,cat", Form::Separated(b'\t'), &Columns::default()).unwrap_err();
        assert_eq!(tabs, "its values are separated by ',', expected '\\t'");
    }

    #[test]
    fn columns_go_by_the_names_that_are_given() {
        let columns = Columns {
            image: Some("photo".into()),
            label: Some("kind".into()),
            ..Columns::default()
        };
        let text = "label,Kind,photo\n1,cat,a.png\n";
        let entries = parse(text.as_bytes(), Form::Separated(b','), &columns).unwrap();
        assert_eq!((entries[0].path.to_str(), &*entries[0].label), (Some("a.png"), "cat"));
        let json = b"{\"photo\": \"a.png\", \"kind\": 3}";
        assert_eq!(parse(json, Form::JsonLines, &columns).unwrap()[0].label, "3");
        let error = parse(b"path,label\na,1\n", Form::Separated(b','), &columns).unwrap_err();
        assert_eq!(
            error,
            "expected columns photo and kind, found path, label (`photo` is as the settings name it)"
        );
    }

    #[test]
    fn a_first_line_that_is_not_understood_is_no_image() {
        let folder = tempfile::tempdir().unwrap();
        let list = folder.path().join("list.csv");
        std::fs::write(&list, "name,kind\na.png,cat\nb.png,dog\n").unwrap();
        let open = || read(&list, &Columns::default());
        let error = open().unwrap_err().to_string();
        assert!(
            error.contains("its first line is neither an image (there is no `name`)"),
            "{error}"
        );
        assert!(error.contains("data.image_column"), "{error}");
        // A file without an ending can be an image.
        std::fs::write(folder.path().join("name"), "").unwrap();
        assert_eq!(open().unwrap().train.len(), 3);
    }

    #[test]
    fn ids_become_paths_by_a_folder_and_an_ending() {
        let folder = tempfile::tempdir().unwrap();
        let images = folder.path().join("train");
        std::fs::create_dir(&images).unwrap();
        for name in ["00f.png", "01.b.png"] {
            ::image::GrayImage::new(2, 2).save(images.join(name)).unwrap();
        }
        let list = folder.path().join("labels.csv");
        let open = |text: &str, columns: &Columns| {
            std::fs::write(&list, text).unwrap();
            read(&list, columns)
        };
        let text = "file,label\n00f,beagle\n01.b,corgi\n";
        let error = open(text, &Columns::default()).unwrap_err().to_string();
        assert!(
            error.ends_with(
                "none of its 2 images is there, such as `00f`; `train/00f.png` is there: set \
                 data.image_folder=train and data.image_suffix=.png"
            ),
            "{error}"
        );
        let columns = Columns {
            image_folder: "train".into(),
            image_suffix: ".png".to_owned(),
            ..Columns::default()
        };
        let train = open(text, &columns).unwrap().train;
        assert!(train.decode(0).is_ok() && train.decode(1).is_ok());
        // Without a line of names, too.
        assert_eq!(open("00f,beagle\n01.b,corgi\n", &columns).unwrap().train.len(), 2);
        let error = open("path,label\nx/9.png,a\n", &Columns::default()).unwrap_err().to_string();
        assert!(
            error.contains("such as `x/9.png`; paths are relative to the list; set "),
            "{error}"
        );
        // As Windows writes paths.
        let train = open("path,label\ntrain\\00f.png,a\n", &Columns::default()).unwrap().train;
        assert!(train.decode(0).is_ok());
    }

    #[test]
    fn advice_names_files_that_are_there_and_what_leads_to_them() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["train/0.png", "list/x", "list/1.5.png", "list/1.png"] {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            let image = ::image::GrayImage::new(2, 2);
            image.save_with_format(path, ::image::ImageFormat::Png).unwrap();
        }
        let advice = |list: &str, path: &str, columns: &Columns| {
            let text = format!("path,label\n{path},a\n");
            let list = folder.path().join(list);
            std::fs::write(&list, text).unwrap();
            let error = read(&list, columns).unwrap_err().to_string();
            error.split_once("; ").unwrap().1.to_owned()
        };
        let default = Columns::default();
        let wrong = Columns {
            image_folder: "images".into(),
            image_suffix: ".jpg".to_owned(),
            ..Columns::default()
        };
        for (list, path, columns, expected) in [
            (
                "train/list.csv",
                "train/0.png",
                &default,
                "`../train/0.png` is there: set data.image_folder=..",
            ),
            ("list/list.csv", "1", &default, "`1.png` is there: set data.image_suffix=.png"),
            (
                "list/list.csv",
                "x",
                &wrong,
                "`x` is there: leave out data.image_folder and data.image_suffix",
            ),
            (
                "list.csv",
                "0.png",
                &wrong,
                "`train/0.png` is there: set data.image_folder=train, leave out data.image_suffix",
            ),
        ] {
            assert_eq!(advice(list, path, columns), expected);
        }
        // No setting makes one folder of another.
        assert!(advice("list.csv", "img/0", &default).starts_with("paths are relative"));
    }

    #[test]
    fn a_list_may_begin_with_images_that_are_not_there() {
        let folder = tempfile::tempdir().unwrap();
        ::image::GrayImage::new(2, 2).save(folder.path().join("20.png")).unwrap();
        let list = folder.path().join("list.csv");
        let lines: String = (0..=20).map(|item| format!("{item}.png,a\n")).collect();
        std::fs::write(&list, format!("path,label\n{lines}")).unwrap();
        let train = read(&list, &Columns::default()).unwrap().train;
        assert_eq!((train.len(), train.decode(20).is_ok()), (21, true));
    }

    #[test]
    fn a_list_is_a_source_ordered_by_class_then_line() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["x.png", "y.png", "z.png"] {
            ::image::GrayImage::new(2, 2).save(folder.path().join(name)).unwrap();
        }
        let list = folder.path().join("list.csv");
        std::fs::write(&list, "path,label,split\nz.png,b,train\ny.png,a,train\nx.png,b,test\n")
            .unwrap();
        let dataset = read(&list, &Columns::default()).unwrap();
        assert_eq!(dataset.train.class_names(), ["a", "b"]);
        assert_eq!(dataset.train.labels(), [0, 1]);
        assert!(dataset.train.item_name(0).ends_with("y.png"));
        let test = dataset.test.unwrap();
        assert_eq!((test.labels(), test.decode(0).unwrap().size()), (vec![1], [2, 2, 1]));
        assert!(dataset.validation.is_none());
        std::fs::write(&list, "path,label,split\nz.png,b,train\nx.png,c,test\n").unwrap();
        let error = read(&list, &Columns::default()).unwrap_err().to_string();
        assert!(error.ends_with("its class `c` is none of the 1 classes (`b`, …)"), "{error}");
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_a_list_or_an_error(text: Vec<u8>, json: bool) {
            let _ = parse_bytes(&text, json);
        }

        #[test]
        fn any_text_of_these_marks_is_a_list_or_an_error(text in "[ab,\"\n\r{}:1\\[]{0,60}") {
            let _ = parse_bytes(text.as_bytes(), false);
            let _ = parse_bytes(text.as_bytes(), true);
        }
    }
}

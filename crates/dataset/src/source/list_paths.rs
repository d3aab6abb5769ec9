//! Where the images of a list or a table lie.

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::path::{Component, Path, PathBuf};

use crate::source::columns::Columns;
use crate::source::files::{entries, name_of};
use crate::source::image_file::is_image;

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

/// Files of a list or a table that come again under another label.
pub(crate) struct UnderTwoLabels {
    /// Where the first of them is first.
    pub first: usize,
    /// Where it is again.
    second: usize,
    /// How often that happens.
    count: usize,
}

impl UnderTwoLabels {
    /// What is wrong, in words; `told` is the label of a place and where it stands.
    pub fn told(&self, path: &Path, told: impl Fn(usize) -> String, rule: &str) -> String {
        let more = match self.count {
            1 => String::new(),
            count => format!(", and {} more are such", count - 1),
        };
        let (path, first, second) = (path.display(), told(self.first), told(self.second));
        format!("`{path}` is listed {first} and {second}{more}; an image {rule}")
    }
}

/// Looks for files under two labels: `path` is that of each of so many places, and `differ` whether the labels of
/// two places do.
pub(crate) fn under_two_labels<'a>(
    count: usize,
    path: impl Fn(usize) -> &'a Path,
    differ: impl Fn(usize, usize) -> bool,
) -> Option<UnderTwoLabels> {
    // By their numbers, for there may be millions.
    let (numbers, mut listed) = (RandomState::new(), HashMap::with_capacity(count));
    let mut found = None::<UnderTwoLabels>;
    for place in 0..count {
        let first = *listed.entry(numbers.hash_one(cleaned(path(place)))).or_insert(place);
        if first != place && differ(first, place) && is_same(path(first), path(place)) {
            found.get_or_insert(UnderTwoLabels { first, second: place, count: 0 }).count += 1;
        }
    }
    found
}

/// Whether two paths lead to one file: `a/../b` may be another file than `b` where `a` is a link.
fn is_same(a: &Path, b: &Path) -> bool {
    let real = || a.canonicalize().ok().zip(b.canonicalize().ok());
    a == b || cleaned(a) == cleaned(b) && real().is_none_or(|(a, b)| a == b)
}

/// A path without `.` and, as far as its text tells, `..`.
fn cleaned(path: &Path) -> Cow<'_, Path> {
    let is_plain = |part| !matches!(part, Component::CurDir | Component::ParentDir);
    if path.components().all(is_plain) {
        return Cow::Borrowed(path);
    }
    let mut clean = PathBuf::new();
    for part in path.components() {
        let last = clean.components().next_back();
        match part {
            Component::CurDir => {}
            Component::ParentDir if matches!(last, Some(Component::Normal(_))) => {
                clean.pop();
            }
            part => clean.push(part),
        }
    }
    Cow::Owned(clean)
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

//! Where the images of a list or a table lie.

use std::path::{Path, PathBuf};

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

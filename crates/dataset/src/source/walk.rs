//! The images in a folder and below.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::source::files::{is_hidden, sorted_entries};
use crate::source::image_file::{has_image_ending, is_image};
use crate::source::left_out::LeftOut;

/// Why a link to a folder is left out.
pub(crate) const ENTERED: &str = "links to folders that were entered before";

/// What lies in a folder and below.
#[derive(Debug, Default)]
pub(crate) struct Walk {
    /// The image files, in the order of their paths.
    pub images: Vec<PathBuf>,
    /// What else there is.
    pub left_out: LeftOut,
    /// The folders that were entered, and those above the first: a link to one of them is not followed.
    pub entered: BTreeSet<PathBuf>,
}

/// The image files in a folder and below, in the order of their paths; hidden ones are left out. Links
/// are followed, but no folder is entered twice.
///
/// # Errors
/// The folder that cannot be read.
pub fn image_files(folder: &Path) -> Result<Vec<PathBuf>> {
    Ok(walk(folder)?.images)
}

/// As [`image_files`], with what was left out.
pub(crate) fn walk(folder: &Path) -> Result<Walk> {
    let mut walk = Walk::default();
    let real = real(folder)?;
    walk.entered.extend(real.ancestors().skip(1).map(Path::to_owned));
    walk.enter(folder, real)?;
    Ok(walk)
}

/// The path of a folder without links.
pub(crate) fn real(folder: &Path) -> Result<PathBuf> {
    folder.canonicalize().map_err(|source| Error::Read { path: folder.to_owned(), source })
}

impl Walk {
    fn enter(&mut self, folder: &Path, real_folder: PathBuf) -> Result<()> {
        self.entered.insert(real_folder);
        for path in sorted_entries(folder)? {
            if is_hidden(&path) {
                self.left_out.add_other(&path);
            } else if path.is_dir() {
                let real = real(&path)?;
                match self.entered.contains(&real) {
                    true => self.left_out.add(ENTERED, 1),
                    false => self.enter(&path, real)?,
                }
            } else if is_image(&path) {
                self.images.push(path);
            } else {
                self.left_out.add_other(&path);
            }
        }
        Ok(())
    }
}

impl LeftOut {
    /// Counts a file that is no image, or something hidden; what is hidden and can be no image is not
    /// worth a word.
    pub(crate) fn add_other(&mut self, path: &Path) {
        let reason = match path.extension() {
            _ if is_hidden(path) && (has_image_ending(path) || path.is_dir()) => {
                "hidden images or folders".to_owned()
            }
            _ if is_hidden(path) => return,
            _ if !path.exists() => "links that lead nowhere".to_owned(),
            Some(ending) => format!(".{} files", ending.to_string_lossy().to_lowercase()),
            None => "files without an ending that are no images".to_owned(),
        };
        self.add(reason, 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with these files, each a picture where its ending is one's.
    fn folder_of(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, "text").unwrap();
        }
        folder
    }

    fn names(folder: &Path, walk: &Walk) -> Vec<String> {
        let name = |path: &PathBuf| path.strip_prefix(folder).unwrap().display().to_string();
        walk.images.iter().map(name).collect()
    }

    #[test]
    fn what_is_no_image_is_counted_by_its_ending() {
        let folder =
            folder_of(&["b.JFIF", "a/0.png", "a/c/1.Jpe", "x.HEIC", "y.heic", "notes", ".x.png"]);
        let found = walk(folder.path()).unwrap();
        assert_eq!(names(folder.path(), &found), ["a/0.png", "a/c/1.Jpe", "b.JFIF"]);
        assert_eq!(
            found.left_out.to_string(),
            "2 .heic files, 1 files without an ending that are no images, 1 hidden images or folders"
        );
    }

    #[test]
    fn a_file_without_a_known_ending_is_known_by_its_first_bytes() {
        let folder = folder_of(&["BM of text", "raw.dng"]);
        let image = ::image::RgbImage::new(2, 2);
        for (name, format) in [
            ("png", ::image::ImageFormat::Png),
            ("photo.jpg_large", ::image::ImageFormat::Jpeg),
            ("id.17", ::image::ImageFormat::Bmp),
            ("moving", ::image::ImageFormat::Gif),
        ] {
            image.save_with_format(folder.path().join(name), format).unwrap();
        }
        // The files of many cameras begin as TIFF does.
        std::fs::write(folder.path().join("raw.dng"), b"II*\0\x10\0\0\0CR").unwrap();
        let found = walk(folder.path()).unwrap();
        assert_eq!(names(folder.path(), &found), ["id.17", "moving", "photo.jpg_large", "png"]);
        for path in &found.images {
            assert!(crate::source::read_image(path, &Default::default()).is_ok(), "{path:?}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn no_folder_is_entered_twice_whatever_the_links() {
        use std::os::unix::fs::symlink;
        let folder = folder_of(&["set/0.png", "set/album/1.png", "elsewhere/2.png"]);
        let set = folder.path().join("set");
        for (to, link) in
            [(".", "x"), (".", "y"), ("..", "above"), ("../elsewhere", "z"), ("/no/where", "gone")]
        {
            symlink(to, set.join(link)).unwrap();
        }
        symlink("..", set.join("album/all")).unwrap();
        symlink("../../elsewhere", set.join("album/again")).unwrap();
        let found = walk(&set).unwrap();
        // By the first path that leads there.
        assert_eq!(names(&set, &found), ["0.png", "album/1.png", "album/again/2.png"]);
        assert_eq!(
            found.left_out.to_string(),
            "5 links to folders that were entered before, 1 links that lead nowhere"
        );
    }
}

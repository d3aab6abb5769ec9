//! A folder per class, a file per image.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::image::Image;
use crate::source::files::{entries, name_of};
use crate::source::image_file::{ImageLimits, is_image, read_image, stored_pixels};
use crate::source::images::{Images, Labelled};

/// What is wrong with images that stand where their classes should.
pub(crate) const NO_CLASSES: &str = "it holds images, but no folder per class; expected the folder \
     above, whose folders are the classes, or a list with labels (.csv, .jsonl)";

/// A folder with a folder per class, whose image files are the images; or a list of image files.
///
/// Classes are the folders' names in byte order, images the files' names in byte order. Files are
/// opened when an item is asked for, never before.
#[derive(Debug, Clone)]
pub struct ImageFolder {
    folder: PathBuf,
    class_names: Vec<String>,
    /// Class and path, ordered by class, then name.
    items: Vec<(u32, PathBuf)>,
    passed_over: usize,
    limits: ImageLimits,
}

impl ImageFolder {
    /// Lists the images of a folder. Names that begin with a dot are ignored; other entries that
    /// are neither a class nor an image by their ending are counted in [`Images::describe`].
    ///
    /// # Errors
    ///
    /// When the folder cannot be read, has no class folder, or one without any image.
    pub fn read(folder: &Path, limits: ImageLimits) -> Result<Self> {
        let (class_folders, others) = entries(folder)?;
        let names: Vec<String> = class_folders.iter().map(|path| name_of(path)).collect();
        Self::read_classes(folder, &names, others.len(), limits)
    }

    /// Lists the images of a folder whose classes are known, such as the test part beside a train
    /// part: classes are numbered by `class_names`, and a class may be missing.
    ///
    /// # Errors
    ///
    /// When the folder cannot be read, holds no image, or a class that is not named.
    pub(crate) fn read_as(
        folder: &Path,
        class_names: &[String],
        limits: ImageLimits,
    ) -> Result<Self> {
        let (class_folders, others) = entries(folder)?;
        for class_folder in &class_folders {
            let name = name_of(class_folder);
            if !class_names.contains(&name) {
                let reason =
                    format!("its class `{name}` is not among the classes of the train part");
                return Err(Error::Layout { path: folder.to_owned(), reason });
            }
        }
        Self::read_classes(folder, class_names, others.len(), limits)
    }

    fn read_classes(
        folder: &Path,
        class_names: &[String],
        mut passed_over: usize,
        limits: ImageLimits,
    ) -> Result<Self> {
        let (mut items, mut empty) = (Vec::new(), None);
        for (label, name) in class_names.iter().enumerate() {
            let class_folder = folder.join(name);
            if !class_folder.is_dir() {
                continue;
            }
            let (folders, files) = entries(&class_folder)?;
            passed_over += folders.len();
            let found = items.len();
            for file in files {
                if is_image(&file) {
                    items.push((label as u32, file));
                } else {
                    passed_over += 1;
                }
            }
            if items.len() == found && empty.is_none() {
                empty = Some(class_folder);
            }
        }
        let none = |path: PathBuf| Error::Layout {
            path,
            reason: "expected image files in every class folder, found none".to_owned(),
        };
        match empty {
            None if items.is_empty() && holds_images(folder) => {
                let reason = NO_CLASSES.to_owned();
                Err(Error::Layout { path: folder.to_owned(), reason })
            }
            Some(class_folder) => Err(none(class_folder)),
            None if items.is_empty() => Err(none(folder.to_owned())),
            None => Ok(ImageFolder {
                folder: folder.to_owned(),
                class_names: class_names.to_vec(),
                items,
                passed_over,
                limits,
            }),
        }
    }

    /// Image files with their classes, ordered by class; `origin` is where they are listed.
    pub(crate) fn of_items(
        origin: &Path,
        class_names: Vec<String>,
        items: Vec<(u32, PathBuf)>,
        limits: ImageLimits,
    ) -> Self {
        ImageFolder { folder: origin.to_owned(), class_names, items, passed_over: 0, limits }
    }

    /// The path of an item.
    ///
    /// # Panics
    ///
    /// When `index` is not below `len()`.
    pub fn path(&self, index: usize) -> &Path {
        &self.items[index].1
    }
}

impl Images for ImageFolder {
    fn len(&self) -> usize {
        self.items.len()
    }

    fn decode(&self, index: usize) -> Result<Image> {
        read_image(self.path(index), &self.limits)
    }

    fn item_name(&self, index: usize) -> String {
        self.path(index).display().to_string()
    }

    fn stored(&self, index: usize) -> Option<String> {
        stored_pixels(&std::fs::read(self.path(index)).ok()?)
    }

    fn describe(&self) -> String {
        let (folder, n, classes) = (self.folder.display(), self.len(), self.class_names.len());
        let passed_over = match self.passed_over {
            0 => String::new(),
            count => format!(", {count} other entries passed over"),
        };
        format!("{folder}: {n} image files, {classes} classes{passed_over}")
    }
}

impl Labelled for ImageFolder {
    fn label(&self, index: usize) -> u32 {
        self.items[index].0
    }

    fn class_names(&self) -> &[String] {
        &self.class_names
    }
}

/// Whether images stand in a folder itself.
pub(crate) fn holds_images(folder: &Path) -> bool {
    entries(folder).is_ok_and(|(_, files)| files.iter().any(|file| is_image(file)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder_of(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (value, file) in files.iter().enumerate() {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            if is_image(&path) {
                let image = ::image::GrayImage::from_pixel(2, 3, ::image::Luma([value as u8]));
                image.save_with_format(&path, ::image::ImageFormat::Png).unwrap();
            } else {
                std::fs::write(&path, "no image").unwrap();
            }
        }
        folder
    }

    fn read(folder: &tempfile::TempDir) -> Result<ImageFolder> {
        ImageFolder::read(folder.path(), ImageLimits::default())
    }

    #[test]
    fn images_are_ordered_by_class_and_name() {
        let folder =
            folder_of(&["b/1.png", "a/2.PNG", "a/10.jpeg", "b/0.jpg", "a/notes.txt", "a/.x.png"]);
        let source = read(&folder).unwrap();
        assert_eq!(source.class_names(), ["a", "b"]);
        assert_eq!(source.labels(), [0, 0, 1, 1]);
        let order: Vec<u8> = (0..4).map(|item| source.decode(item).unwrap().pixels[0]).collect();
        assert_eq!(order, [2, 1, 3, 0]);
        assert_eq!(source.decode(0).unwrap().size(), [3, 2, 1]);
        assert!(source.item_name(0).ends_with("10.jpeg"));
        assert!(
            source.describe().ends_with("4 image files, 2 classes, 1 other entries passed over")
        );
    }

    #[test]
    fn a_file_that_is_no_image_is_an_error_with_its_path() {
        let folder = folder_of(&["a/0.png", "a/1.png"]);
        std::fs::write(folder.path().join("a/1.png"), "text").unwrap();
        let source = read(&folder).unwrap();
        assert!(source.decode(0).is_ok());
        assert_eq!(
            source.decode(1).unwrap_err().to_string(),
            format!(
                "{} is not a readable image: its first bytes are not those of PNG, JPEG, BMP, GIF, TIFF or WebP",
                folder.path().join("a/1.png").display()
            )
        );
    }

    #[test]
    fn a_file_that_went_away_is_an_error_with_its_path() {
        let folder = folder_of(&["a/0.png"]);
        let source = read(&folder).unwrap();
        std::fs::remove_file(source.path(0)).unwrap();
        let error = source.decode(0).unwrap_err().to_string();
        assert!(error.starts_with("cannot read ") && error.contains("0.png"), "{error}");
    }

    #[test]
    fn a_class_without_images_is_an_error() {
        let folder = folder_of(&["a/0.png", "b/notes.txt"]);
        assert_eq!(
            read(&folder).unwrap_err().to_string(),
            format!(
                "{} is not a data set: expected image files in every class folder, found none",
                folder.path().join("b").display()
            )
        );
    }

    #[test]
    fn a_test_part_takes_the_train_parts_numbers() {
        let folder = folder_of(&["b/0.png"]);
        let names = ["a".to_owned(), "b".to_owned()];
        let part = ImageFolder::read_as(folder.path(), &names, ImageLimits::default()).unwrap();
        assert_eq!(part.labels(), [1]);
        let error = ImageFolder::read_as(folder.path(), &names[..1], ImageLimits::default());
        assert!(
            error
                .unwrap_err()
                .to_string()
                .ends_with("its class `b` is not among the classes of the train part")
        );
    }
}

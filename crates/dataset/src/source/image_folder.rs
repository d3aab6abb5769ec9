//! A folder per class, a file per image.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::image::Image;
use crate::source::files::{entries, is_hidden, name_of, read_whole, sorted_entries};
use crate::source::image_file::{ENDINGS, ImageLimits, is_image, read_image, stored_pixels};
use crate::source::images::{Images, Labelled};
use crate::source::labels::Labels;
use crate::source::left_out::LeftOut;
use crate::source::walk::{ENTERED, real, walk};
use crate::split::Split;

/// What is wrong with images that stand where their classes should.
pub(crate) const NO_CLASSES: &str = "it holds images, but no folder per class; expected the folder \
     above, whose folders are the classes, or a list with labels (.csv, .jsonl)";

/// A folder with a folder per class, whose image files, and those in the folders below, are the images;
/// or a list of image files.
///
/// Classes are the folders' names, by value where all are whole numbers, else in byte order; images are in
/// the byte order of their paths. Files are opened when an item is asked for, never before, but those whose
/// names do not tell that they are images.
#[derive(Debug, Clone)]
pub struct ImageFolder {
    folder: PathBuf,
    class_names: Vec<String>,
    /// Class and path, ordered by class, then path.
    items: Vec<(u32, PathBuf)>,
    left_out: LeftOut,
    limits: ImageLimits,
}

impl ImageFolder {
    /// Lists the images of a folder. What is neither a class nor an image is counted in
    /// [`Images::left_out`]. A byte of a folder's name that is not UTF-8 is written as `\xe9` in the name
    /// of its class.
    ///
    /// # Errors
    ///
    /// When a folder cannot be read or found again, there is no class folder, or one without any image.
    pub fn read(folder: &Path, limits: ImageLimits) -> Result<Self> {
        Self::read_as(folder, None, limits)
    }

    /// Lists the images of a folder whose classes may be known, such as those of the test part beside a
    /// train part: classes are numbered by `class_names`, and a class may be missing.
    ///
    /// # Errors
    ///
    /// As [`ImageFolder::read`]; and when a class is not among those.
    pub(crate) fn read_as(
        folder: &Path,
        class_names: Option<&[String]>,
        limits: ImageLimits,
    ) -> Result<Self> {
        let layout = |path: &Path, reason| Error::Layout { path: path.to_owned(), reason };
        let (mut classes, mut labels, mut left_out) =
            (Vec::new(), Labels::default(), LeftOut::default());
        let real_folder = real(folder)?;
        for path in sorted_entries(folder)? {
            if !is_hidden(&path) && is_folder(&path)? {
                // A link to the whole is no class: it would hold the images of all others.
                if real_folder.starts_with(real(&path)?) {
                    left_out.add(ENTERED, 1);
                    continue;
                }
                labels.add(name_of(&path));
                classes.push(path);
            } else if is_image(&path) && !is_hidden(&path) {
                left_out.add("images outside the folders of the classes", 1);
            } else {
                left_out.add_other(&path);
            }
        }
        if classes.is_empty() {
            let no_folder = "expected a folder of images per class, found no folder".to_owned();
            let reason = if holds_images(folder) { NO_CLASSES.to_owned() } else { no_folder };
            return Err(layout(folder, reason));
        }
        let mut names = BTreeSet::new();
        if let Some(same) = classes.iter().find(|class| !names.insert(name_of(class))) {
            let reason =
                format!("the names of two of its folders are both read as `{}`", name_of(same));
            return Err(layout(folder, reason));
        }
        one_level_too_high(&classes).map_err(|reason| layout(folder, reason))?;
        let (labels, class_names) =
            labels.finish(class_names).map_err(|reason| layout(folder, reason))?;
        let (mut items, mut entered) = (Vec::new(), BTreeMap::new());
        for (label, class) in labels.into_iter().zip(classes) {
            let found = walk(&class)?;
            if found.images.is_empty() {
                return Err(layout(&class, no_image(&found.left_out)));
            }
            let real_class = real(&class)?;
            let above = |folder: &PathBuf| real_class != *folder && real_class.starts_with(folder);
            for folder in found.entered.into_iter().filter(|folder| !above(folder)) {
                if let Some(other) = entered.insert(folder.clone(), name_of(&class)) {
                    return Err(layout(&class, same_images(&folder, &other)));
                }
            }
            items.extend(found.images.into_iter().map(|path| (label, path)));
            left_out.extend(found.left_out);
        }
        one_class_each(&items)?;
        items.sort_by_key(|(label, _)| *label); // stable: by path within a class
        Ok(ImageFolder { folder: folder.to_owned(), class_names, items, left_out, limits })
    }

    /// Image files with their classes, ordered by class; `origin` is where they are listed.
    pub(crate) fn of_items(
        origin: &Path,
        class_names: Vec<String>,
        items: Vec<(u32, PathBuf)>,
        limits: ImageLimits,
    ) -> Self {
        let (folder, left_out) = (origin.to_owned(), LeftOut::default());
        ImageFolder { folder, class_names, items, left_out, limits }
    }

    /// The same, which has found this, too, and not taken it.
    pub(crate) fn leaving_out(mut self, left_out: LeftOut) -> Self {
        self.left_out.extend(left_out);
        self
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
        stored_pixels(&read_whole(self.path(index), self.limits.file_bytes).ok()?)
    }

    fn describe(&self) -> String {
        let (folder, n, classes) = (self.folder.display(), self.len(), self.class_names.len());
        format!("{folder}: {n} image files, {classes} classes{}", self.left_out.tail())
    }

    fn left_out(&self) -> LeftOut {
        self.left_out.clone()
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

/// What is wrong with a class that leads to a folder of another one.
fn same_images(folder: &Path, other: &str) -> String {
    format!(
        "by a link its images, or some of them, are those of the class `{other}` ({}); an image has one class: \
         remove the link",
        folder.display()
    )
}

/// Makes sure that no link to a file gives an image of one class to another one.
fn one_class_each(items: &[(u32, PathBuf)]) -> Result<()> {
    let is_link = |path: &Path| path.symlink_metadata().is_ok_and(|found| found.is_symlink());
    // A link that leads nowhere is a broken image.
    let targets = items.iter().filter(|(_, path)| is_link(path));
    let targets = targets.filter_map(|(label, path)| Some((path.canonicalize().ok()?, *label)));
    let mut classes = BTreeMap::new();
    for (target, label) in targets {
        if classes.insert(target.clone(), label).is_some_and(|other| other != label) {
            return Err(Error::Layout { path: target, reason: TWO_CLASSES.to_owned() });
        }
    }
    if classes.is_empty() {
        return Ok(());
    }
    let mut folders = BTreeMap::new();
    for (label, path) in items {
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { continue };
        if !folders.contains_key(folder) {
            folders.insert(folder, real(folder)?);
        }
        let place = folders[folder].join(name);
        if classes.get(&place).is_some_and(|other| other != label) {
            return Err(Error::Layout { path: place, reason: TWO_CLASSES.to_owned() });
        }
    }
    Ok(())
}

const TWO_CLASSES: &str = "it is an image of two classes, to one of which a link leads; an image has one class: \
                           remove the link";

/// What is wrong with folders that are parts by pieces of their names, such as `seg_train` and `seg_test`,
/// where none holds images itself.
fn one_level_too_high(classes: &[PathBuf]) -> std::result::Result<(), String> {
    let part = |class: &PathBuf| Split::within(&name_of(class));
    let parts: BTreeSet<Split> = classes.iter().filter_map(part).collect();
    if parts.len() < 2 || classes.iter().any(|class| holds_images(class)) {
        return Ok(());
    }
    let named: Vec<&PathBuf> = classes.iter().filter(|class| part(class).is_some()).collect();
    let names: Vec<String> = named.iter().map(|class| format!("`{}`", name_of(class))).collect();
    let below =
        named.iter().flat_map(|class| entries(class).map_or_else(|_| Vec::new(), |below| below.0));
    let below: BTreeSet<String> = below.map(|folder| format!("`{}`", name_of(&folder))).collect();
    let below: Vec<String> = below.into_iter().take(5).collect();
    Err(format!(
        "its folders {} look like parts, not classes: they hold no image, but folders ({}); expected parts \
         called train, val and test with a folder per class in each, or the path of one part",
        names.join(", "),
        below.join(", ")
    ))
}

/// Whether a path is a folder; a link that leads nowhere is an error, for it may have been a class.
fn is_folder(path: &Path) -> Result<bool> {
    let metadata = std::fs::metadata(path);
    Ok(metadata.map_err(|source| Error::Read { path: path.to_owned(), source })?.is_dir())
}

/// What is wrong with the folder of a class that holds no image.
pub(crate) fn no_image(left_out: &LeftOut) -> String {
    let found = if left_out.is_empty() { "nothing" } else { &left_out.to_string() };
    format!(
        "expected images in it or in its folders ({}), found {found}",
        ENDINGS.map(|ending| format!(".{ending}")).join(", ")
    )
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
        assert!(source.describe().ends_with(
            "4 image files, 2 classes, left out: 1 .txt files, 1 hidden images or folders"
        ));
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
                "{} is not a readable image: its first bytes are not those of PNG, JPEG, BMP, GIF, TIFF, WebP or PNM",
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
    fn folders_that_are_numbers_are_ordered_by_value() {
        let folder = folder_of(&["10/0.png", "9/0.png", "0/0.png"]);
        assert_eq!(read(&folder).unwrap().class_names(), ["0", "9", "10"]);
        // Beside a name they are names.
        let folder = folder_of(&["10/0.png", "9/0.png", "none/0.png"]);
        assert_eq!(read(&folder).unwrap().class_names(), ["10", "9", "none"]);
        // Two folders are never one class.
        let folder = folder_of(&["1.0/0.png", "1/0.png"]);
        assert_eq!(read(&folder).unwrap().class_names(), ["1", "1.0"]);
    }

    #[test]
    fn what_lies_in_the_folders_of_a_class_belongs_to_it() {
        let folder =
            folder_of(&["b/0.png", "a/2024/01/0.png", "a/2023/7.png", "c.png", "list.csv"]);
        let source = read(&folder).unwrap();
        assert_eq!(source.labels(), [0, 0, 1]);
        assert!(source.path(0).ends_with("a/2023/7.png"));
        let expected = "1 .csv files, 1 images outside the folders of the classes";
        assert_eq!(source.left_out().to_string(), expected);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn folders_whose_names_are_not_utf8_keep_their_images_and_different_names() {
        use std::os::unix::ffi::OsStrExt;
        let folder = folder_of(&["ant/0.png"]);
        for name in [&b"caf\xe9"[..], b"caf\xe8"] {
            let class = folder.path().join(std::ffi::OsStr::from_bytes(name));
            std::fs::create_dir(&class).unwrap();
            ::image::GrayImage::new(2, 3).save(class.join("0.png")).unwrap();
        }
        let source = read(&folder).unwrap();
        assert_eq!(source.class_names(), ["ant", "caf\\xe8", "caf\\xe9"]);
        assert_eq!(source.labels(), [0, 1, 2]);
        (0..3).for_each(|item| assert!(source.decode(item).is_ok(), "{item}"));
        let class = folder.path().join("caf\\xe9");
        std::fs::create_dir(&class).unwrap();
        ::image::GrayImage::new(2, 3).save(class.join("0.png")).unwrap();
        let error = read(&folder).unwrap_err().to_string();
        let expected = "the names of two of its folders are both read as `caf\\xe9`";
        assert!(error.ends_with(expected), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn a_class_that_cannot_be_found_again_is_an_error() {
        let folder = folder_of(&["a/0.png", "b/0.png"]);
        std::os::unix::fs::symlink("/no/where", folder.path().join("c")).unwrap();
        let error = read(&folder).unwrap_err().to_string();
        let c = folder.path().join("c");
        assert!(error.starts_with(&format!("cannot read {}: ", c.display())), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_the_whole_or_above_it_is_no_class() {
        use std::os::unix::fs::symlink;
        let folder = folder_of(&["set/a/0.png", "set/b/0.png"]);
        let set = folder.path().join("set");
        for (to, link) in [(".", "all"), ("../set", "latest"), ("..", "above")] {
            symlink(to, set.join(link)).unwrap();
        }
        let source = ImageFolder::read(&set, ImageLimits::default()).unwrap();
        assert_eq!((source.class_names(), source.len()), (&["a", "b"].map(String::from)[..], 2));
        let expected = "3 links to folders that were entered before";
        assert_eq!(source.left_out().to_string(), expected);
    }

    #[cfg(unix)]
    #[test]
    fn images_that_a_link_gives_to_a_second_class_are_an_error() {
        use std::os::unix::fs::symlink;
        let error_with = |to: &str, link: &str| {
            let folder = folder_of(&["a/0.png", "a/x/1.png", "b/0.png"]);
            symlink(to, folder.path().join(link)).unwrap();
            read(&folder).map(|source| source.len()).map_err(|error| error.to_string())
        };
        // The class itself, a folder in it, or it in another class.
        for (to, link) in [("a", "c"), ("a/x", "c"), ("../a", "b/more"), ("../a/x", "b/more")] {
            let error = error_with(to, link).unwrap_err();
            assert!(
                error.contains("are those of the class `a` (") && error.contains("/a"),
                "{error}"
            );
        }
        let error = error_with("../a/0.png", "b/1.png").unwrap_err();
        assert!(
            error.contains("/a/0.png is not a data set: it is an image of two classes"),
            "{error}"
        );
        // Within a class an image may be there twice.
        assert_eq!(error_with("0.png", "a/2.png"), Ok(4));
        assert_eq!(error_with("/no/where.png", "b/1.png"), Ok(4));
        // Both may be links.
        let folder = folder_of(&["pool/0.png", "set/a/1.png", "set/b/1.png"]);
        let set = folder.path().join("set");
        for class in ["a", "b"] {
            symlink("../../pool/0.png", set.join(class).join("0.png")).unwrap();
        }
        let error = ImageFolder::read(&set, ImageLimits::default()).unwrap_err().to_string();
        assert!(error.contains("pool/0.png is not a data set"), "{error}");
    }

    #[test]
    fn a_class_without_images_is_an_error_that_says_what_it_has() {
        let folder = folder_of(&["a/0.png", "b/x/0.heic", "b/1.heic"]);
        let error = read(&folder).unwrap_err().to_string();
        let b = folder.path().join("b");
        let begin = format!("{} is not a data set: expected images in it or in its ", b.display());
        assert!(error.starts_with(&begin), "{error}");
        assert!(error.contains("(.png, ") && error.ends_with("found 2 .heic files"), "{error}");
        std::fs::create_dir(folder.path().join("a0")).unwrap();
        assert!(read(&folder).unwrap_err().to_string().ends_with("found nothing"));
    }

    #[test]
    fn a_test_part_takes_the_train_parts_numbers() {
        let folder = folder_of(&["b/0.png"]);
        let names = ["a".to_owned(), "b".to_owned()];
        let read = |names: &[String]| {
            ImageFolder::read_as(folder.path(), Some(names), ImageLimits::default())
        };
        assert_eq!(read(&names).unwrap().labels(), [1]);
        let error = read(&names[..1]).unwrap_err().to_string();
        assert!(error.ends_with("its class `b` is none of the 1 classes (`a`, …)"), "{error}");
    }
}

//! What a path or a name leads to: up to three parts.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::source::image_folder::{NO_CLASSES, entries, name_of};
use crate::source::parts::{PartOf, Parts};
use crate::source::{
    Columns, ImageFolder, ImageLimits, Source, cifar, embedded, idx_folder, is_image, list, named,
    parquet, tensors,
};

/// A data set: the parts that it comes in.
#[derive(Clone)]
pub struct Dataset {
    /// The path, or the name of an embedded set.
    pub name: String,
    /// The train part, or everything where the data comes in one part.
    pub train: Arc<dyn Source>,
    /// The validation part, where the data brings one.
    pub validation: Option<Arc<dyn Source>>,
    /// The test part, where the data brings one.
    pub test: Option<Arc<dyn Source>>,
}

impl std::fmt::Debug for Dataset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let describe = |part: &Option<Arc<dyn Source>>| part.as_ref().map(|part| part.describe());
        f.debug_struct("Dataset")
            .field("name", &self.name)
            .field("train", &self.train.describe())
            .field("validation", &describe(&self.validation))
            .field("test", &describe(&self.test))
            .finish()
    }
}

/// Opens a data set by the name of an embedded one (`digits`, `mnist-sample`), by a name of
/// [`NAMED`](crate::source::NAMED), or by path.
///
/// A path leads to a folder of IDX files named as MNIST names them, to one such file, to CIFAR-10's
/// binary files, to a parquet file or a folder of such, to a list of images (`.csv`, `.tsv`,
/// `.jsonl`), to a safetensors file with `images` and `labels`, to a folder with a folder of images
/// per class, or to a folder with such folders called as [`PartOf::named`] says, `train` among them.
/// A folder called like one of the names is reached as `./digits`.
///
/// # Errors
///
/// When there is nothing at the path, it has none of these layouts, or its files are broken.
///
/// ```
/// let digits = taper_dataset::open("digits")?;
/// assert_eq!(digits.train.len(), 1797);
/// assert!(digits.test.is_none());
/// # Ok::<(), taper_dataset::Error>(())
/// ```
pub fn open(spec: &str) -> Result<Dataset> {
    open_with(spec, &Columns::default())
}

/// As [`open`], the columns of a list or of parquet files being named.
///
/// # Errors
///
/// As [`open`]; a column that is not there.
pub fn open_with(spec: &str, columns: &Columns) -> Result<Dataset> {
    match (embedded::by_name(spec), named(spec)) {
        (Some(dataset), _) => Ok(dataset),
        (None, Some(named)) => named.open(),
        (None, None) => open_path(Path::new(spec), columns, ImageLimits::default()),
    }
}

fn open_path(path: &Path, columns: &Columns, limits: ImageLimits) -> Result<Dataset> {
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => return open_file(path, columns, limits),
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(Error::NotFound { path: path.to_owned() });
        }
        Err(source) => return Err(Error::Read { path: path.to_owned(), source }),
    }
    if idx_folder::is_idx_folder(path)? {
        return idx_folder::read(path);
    }
    if cifar::is_cifar(path) {
        return cifar::read(path);
    }
    if let Some(dataset) = parquet::read_folder(path, columns)? {
        return Ok(dataset);
    }
    let (folders, files) = entries(path)?;
    let layout = |reason| Err(Error::Layout { path: path.to_owned(), reason });
    if folders.is_empty() {
        return layout(match files.iter().any(|file| is_image(file)) {
            true => NO_CLASSES.to_owned(),
            false => "expected IDX files (train-images-idx3-ubyte, …), parquet files or a folder \
                      of images per class, found none of them"
                .to_owned(),
        });
    }
    let part = |folder: &PathBuf| PartOf::named(&name_of(folder));
    let (parts, others): (Vec<PathBuf>, Vec<PathBuf>) =
        folders.into_iter().partition(|folder| part(folder).is_some());
    match (parts.is_empty(), others.is_empty()) {
        (true, _) => open_folder(path, limits),
        (false, true) => open_parts(path, parts, limits),
        // A class may be called `test`; it holds images then.
        (false, false) if parts.iter().all(|folder| holds_images(folder)) => {
            open_folder(path, limits)
        }
        (false, false) => layout(format!(
            "{} can be parts of a data set, but {} cannot; expected either classes alone, or parts \
             alone (train, val, test) with a folder per class in each",
            names(&parts),
            names(&others)
        )),
    }
}

/// Whether images stand in a folder itself.
fn holds_images(folder: &Path) -> bool {
    entries(folder).is_ok_and(|(_, files)| files.iter().any(|file| is_image(file)))
}

fn names(folders: &[PathBuf]) -> String {
    let some = folders.iter().take(5).map(|folder| format!("`{}`", name_of(folder)));
    let more = if folders.len() > 5 { ", …" } else { "" };
    some.collect::<Vec<_>>().join(", ") + more
}

fn open_file(path: &Path, columns: &Columns, limits: ImageLimits) -> Result<Dataset> {
    let ending = path.extension().unwrap_or_default();
    if list::is_list(path) {
        list::read(path, columns, limits)
    } else if ending.eq_ignore_ascii_case("safetensors") {
        tensors::read(path)
    } else if parquet::is_parquet(path) {
        parquet::read(&path.display().to_string(), [vec![path.to_owned()], vec![], vec![]], columns)
    } else if idx_folder::is_idx_file(path) {
        idx_folder::read_file(path)
    } else {
        let one = if is_image(path) { "it is one image; " } else { "" };
        let reason = format!(
            "{one}expected a folder, a list (.csv, .tsv, .jsonl), a table (.parquet), tensors \
             (.safetensors) or a file named as MNIST's (train-images-idx3-ubyte)"
        );
        Err(Error::Layout { path: path.to_owned(), reason })
    }
}

fn open_folder(path: &Path, limits: ImageLimits) -> Result<Dataset> {
    let train = Arc::new(ImageFolder::read(path, limits)?);
    Ok(Dataset { name: path.display().to_string(), train, validation: None, test: None })
}

fn open_parts(path: &Path, folders: Vec<PathBuf>, limits: ImageLimits) -> Result<Dataset> {
    let mut parts = Parts::<PathBuf>::default();
    for folder in folders {
        let Some(part) = PartOf::named(&name_of(&folder)) else { continue };
        if let Some(other) = parts.part(part).replace(folder.clone()) {
            let reason = format!("{} are the same part", names(&[other, folder]));
            return Err(Error::Layout { path: path.to_owned(), reason });
        }
    }
    parts.into_dataset(path, |folder, class_names| match class_names {
        None => ImageFolder::read(&folder, limits),
        Some(class_names) => ImageFolder::read_as(&folder, class_names, limits),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_folder_is_an_error() {
        assert_eq!(
            open("no/such/folder").unwrap_err().to_string(),
            "no data at no/such/folder: no such file or folder, nor a name: `digits`, \
             `mnist-sample`, `mnist`, `fashion-mnist`, `kmnist`, `emnist-digits`, \
             `emnist-letters`, `qmnist`, `cifar10`"
        );
    }

    #[test]
    fn a_folder_with_nothing_known_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.csv"), "").unwrap();
        let error = open(folder.path().to_str().unwrap()).unwrap_err().to_string();
        assert!(error.contains("is no data set: expected IDX files"), "{error}");
    }

    #[test]
    fn a_file_that_is_no_idx_file_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a.txt", "a.csv", "a.parquet", "a.safetensors"] {
            let path = folder.path().join(name);
            std::fs::write(&path, "").unwrap();
            let error = open(path.to_str().unwrap()).unwrap_err().to_string();
            assert!(error.contains(&format!("{name} is no data set: ")), "{error}");
        }
    }

    #[test]
    fn folders_called_train_val_and_test_are_parts() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["train/a", "train/b", "val/b", "test/a"] {
            let class = folder.path().join(name);
            std::fs::create_dir_all(&class).unwrap();
            let image = ::image::GrayImage::new(2, 2);
            image.save_with_format(class.join("0.png"), ::image::ImageFormat::Png).unwrap();
        }
        let dataset = open(folder.path().to_str().unwrap()).unwrap();
        assert_eq!(dataset.train.labels(), [0, 1]);
        assert_eq!(dataset.validation.unwrap().labels(), [1]);
        assert_eq!(dataset.test.unwrap().labels(), [0]);
    }

    /// A folder with an image in each of these folders.
    fn folder_of(folders: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in folders {
            let class = folder.path().join(name);
            std::fs::create_dir_all(&class).unwrap();
            ::image::GrayImage::new(2, 2).save(class.join("0.png")).unwrap();
        }
        folder
    }

    fn error_of(folder: &tempfile::TempDir) -> String {
        open(folder.path().to_str().unwrap()).unwrap_err().to_string()
    }

    #[test]
    fn parts_go_by_several_names() {
        for [train, test] in [["Train", "Test"], ["training", "TESTING"], ["train", "test"]] {
            let (a, b) = (format!("{train}/a"), format!("{test}/a"));
            let folder = folder_of(&[&a, &b]);
            let dataset = open(folder.path().to_str().unwrap()).unwrap();
            assert_eq!((dataset.train.len(), dataset.test.unwrap().len()), (1, 1), "{train}");
        }
        // A class may have such a name.
        let folder = folder_of(&["bus", "train"]);
        assert_eq!(open(folder.path().to_str().unwrap()).unwrap().train.len(), 2);
    }

    #[test]
    fn parts_that_do_not_go_together_are_an_error() {
        let error = error_of(&folder_of(&["train/a", "test/a", "extra/a"]));
        assert!(
            error.ends_with(
                "`test`, `train` can be parts of a data set, but `extra` cannot; expected either \
                 classes alone, or parts alone (train, val, test) with a folder per class in each"
            ),
            "{error}"
        );
        let error = error_of(&folder_of(&["train/a", "val/a", "valid/a"]));
        assert!(error.ends_with("`val`, `valid` are the same part"), "{error}");
        let error = error_of(&folder_of(&["test/a"]));
        assert!(error.ends_with("expected a train part, found only others"), "{error}");
    }

    #[test]
    fn images_without_classes_are_an_error_that_says_where_classes_stand() {
        let error = error_of(&folder_of(&["."]));
        assert!(error.contains("it holds images, but no folder per class"), "{error}");
        assert!(error.contains("expected the folder above"), "{error}");
        let error = error_of(&folder_of(&["train", "test"]));
        assert!(error.contains("train is no data set: it holds images, but no folder"), "{error}");
    }

    #[test]
    fn an_image_is_no_data_set() {
        let folder = folder_of(&["."]);
        let path = folder.path().join("0.png");
        let error = open(path.to_str().unwrap()).unwrap_err().to_string();
        assert!(error.contains("0.png is no data set: it is one image; expected a "), "{error}");
        assert!(error.contains(".csv") && error.contains(".safetensors"), "{error}");
    }

    #[test]
    fn the_layout_on_disk_does_not_change_the_list() {
        use crate::idx::{Elements, Idx};
        // Three images of the classes 1, 0, 1: as IDX files and as PNG files.
        let pixels = [10, 20, 30, 40, 50, 60];
        let labels = [1u8, 0, 1];
        let (idx, png) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let write = |name: &str, shape: &[usize], values: &[u8]| {
            let array = Idx { shape: shape.to_vec(), elements: Elements::U8(values.to_vec()) };
            std::fs::write(idx.path().join(name), array.to_bytes().unwrap()).unwrap();
        };
        write("train-images-idx3-ubyte", &[3, 1, 2], &pixels);
        write("train-labels-idx1-ubyte", &[3], &labels);
        for (item, (image, label)) in pixels.chunks(2).zip(labels).enumerate() {
            let class = png.path().join(label.to_string());
            std::fs::create_dir_all(&class).unwrap();
            let image = ::image::GrayImage::from_raw(2, 1, image.to_vec()).unwrap();
            image.save(class.join(format!("{item}.png"))).unwrap();
        }
        let idx = open(idx.path().to_str().unwrap()).unwrap().train;
        let png = open(png.path().to_str().unwrap()).unwrap().train;
        assert_eq!(idx.labels(), png.labels());
        for item in 0..3 {
            assert_eq!(idx.decode(item).unwrap(), png.decode(item).unwrap());
        }
    }
}

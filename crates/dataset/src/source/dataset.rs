//! What a path or a name leads to: up to three parts.

use std::path::Path;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::source::image_folder::{entries, name_of};
use crate::source::{
    ImageFolder, ImageLimits, Source, cifar, embedded, idx_folder, list, named, parquet, tensors,
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
/// per class, or to a folder with such folders called `train` and, if there, `val` (or `valid`,
/// `validation`) and `test`. A folder called like one of the names is reached as `./digits`.
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
    match (embedded::by_name(spec), named(spec)) {
        (Some(dataset), _) => Ok(dataset),
        (None, Some(named)) => named.open(),
        (None, None) => open_path(Path::new(spec), ImageLimits::default()),
    }
}

fn open_path(path: &Path, limits: ImageLimits) -> Result<Dataset> {
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => return open_file(path, limits),
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
    if let Some(dataset) = parquet::read_folder(path)? {
        return Ok(dataset);
    }
    let (folders, _) = entries(path)?;
    if folders.is_empty() {
        return Err(Error::Layout {
            path: path.to_owned(),
            reason: "expected IDX files (train-images-idx3-ubyte, …), parquet files or a folder \
                     of images per class, found none of them"
                .to_owned(),
        });
    }
    let names: Vec<String> = folders.iter().map(|folder| name_of(folder)).collect();
    let is_part = |name: &String| [TRAIN, VALIDATION, TEST].concat().contains(&name.as_str());
    let parts = names.iter().all(is_part) && names.iter().any(|name| name == "train");
    if parts { open_parts(path, &names, limits) } else { open_folder(path, limits) }
}

fn open_file(path: &Path, limits: ImageLimits) -> Result<Dataset> {
    let ending = path.extension().unwrap_or_default();
    if list::is_list(path) {
        list::read(path, limits)
    } else if ending.eq_ignore_ascii_case("safetensors") {
        tensors::read(path)
    } else if parquet::is_parquet(path) {
        parquet::read(&path.display().to_string(), &[path.to_owned()], &[], &[])
    } else {
        idx_folder::read_file(path)
    }
}

const TRAIN: &[&str] = &["train"];
const VALIDATION: &[&str] = &["val", "valid", "validation"];
const TEST: &[&str] = &["test"];

fn open_folder(path: &Path, limits: ImageLimits) -> Result<Dataset> {
    let train = Arc::new(ImageFolder::read(path, limits)?);
    Ok(Dataset { name: path.display().to_string(), train, validation: None, test: None })
}

fn open_parts(path: &Path, names: &[String], limits: ImageLimits) -> Result<Dataset> {
    let train = ImageFolder::read(&path.join("train"), limits)?;
    let part = |spellings: &[&str]| -> Result<Option<Arc<dyn Source>>> {
        let Some(name) = names.iter().find(|name| spellings.contains(&name.as_str())) else {
            return Ok(None);
        };
        let source = ImageFolder::read_as(&path.join(name), train.class_names(), limits)?;
        Ok(Some(Arc::new(source)))
    };
    let (validation, test) = (part(VALIDATION)?, part(TEST)?);
    Ok(Dataset { name: path.display().to_string(), train: Arc::new(train), validation, test })
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

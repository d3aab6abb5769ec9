//! From a path or a name to a data set: the formats, and how each is recognized.

use std::path::{Path, PathBuf};

use taper_untrusted::{fenced, files};

use crate::error::{Error, Result};
use crate::source::columns::Columns;
use crate::source::dataset::Dataset;
use crate::source::files::entries;
use crate::source::image_file::is_image;
use crate::source::image_folder::{NO_CLASSES, holds_images};
use crate::source::left_out::LeftOut;
use crate::source::named::named;
use crate::source::{cifar, class_folders, embedded, idx_folder, list, metadata, parquet, tensors};

/// A layout on disk that is known.
struct Format {
    /// What it is and how it is told, as the end of "expected …".
    expected: &'static str,
    recognizes: fn(&Path, &Columns) -> Result<bool>,
    open: fn(&Path, &Columns) -> Result<Dataset>,
}

/// What a file may be; the first that recognizes it opens it.
const FILES: &[Format] = &[
    Format {
        expected: "a list (.csv, .tsv, .jsonl)",
        recognizes: |path, _| Ok(list::is_list(path)),
        open: list::read,
    },
    Format {
        expected: "a table (.parquet)",
        recognizes: |path, _| Ok(parquet::is_parquet(path)),
        open: parquet::read_table,
    },
    Format {
        expected: "tensors (.safetensors)",
        recognizes: |path, _| Ok(tensors::is_tensors(path)),
        open: |path, _| tensors::read(path),
    },
    Format {
        expected: "a file named as MNIST's (train-images-idx3-ubyte)",
        recognizes: |path, _| Ok(idx_folder::is_idx_file(path)),
        open: |path, _| idx_folder::read_file(path),
    },
];

/// What a folder may be; the first that recognizes it opens it.
const FOLDERS: &[Format] = &[
    Format {
        expected: "IDX files (train-images-idx3-ubyte, …)",
        recognizes: |path, _| idx_folder::is_idx_folder(path),
        open: |path, _| idx_folder::read(path),
    },
    Format {
        expected: "CIFAR's files (data_batch_1.bin, data_batch_1, …)",
        recognizes: |path, _| Ok(cifar::is_cifar(path)),
        open: |path, _| cifar::read(path),
    },
    Format {
        expected: "parquet files",
        recognizes: |path, _| parquet::is_parquet_folder(path),
        open: parquet::read_folder,
    },
    Format {
        expected: "a list beside the images (metadata.csv, metadata.jsonl)",
        recognizes: |path, columns| Ok(metadata::metadata_of(path, columns)?.is_some()),
        open: metadata::read_beside,
    },
    Format {
        expected: "a folder with such files of torchvision's or of an archive (MNIST/raw, …)",
        recognizes: |path, _| Ok(downloaded(path)?.is_some()),
        open: |path, columns| open_path(&downloaded(path)?.unwrap_or_default(), columns),
    },
    Format {
        expected: "a folder of images per class",
        recognizes: |path, _| class_folders::has_folders(path),
        open: class_folders::read,
    },
];

/// Opens a data set by the name of an embedded one (`digits`, `mnist-sample`), by a name of
/// [`NAMED`](crate::source::NAMED), or by path.
///
/// A path leads to a folder of IDX files named as MNIST names them, to one such file, to the
/// files of CIFAR-10 or CIFAR-100, to the folder into which torchvision has downloaded one of these, to a parquet file or a folder of
/// such, to a list of images (`.csv`, `.tsv`, `.jsonl`) or the folder with its `metadata.csv`, to a safetensors file with `images` and `labels`, to a folder with a folder of images
/// per class, or to a folder with such folders called as [`Split::named`](crate::split::Split::named)
/// says, `train` among them. A folder called like one of the names is reached as `./digits`.
///
/// # Errors
///
/// When there is nothing at the path, it has none of these layouts, or its files are broken.
///
/// ```
/// use taper_dataset::Images;
///
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
        (None, None) => open_path(Path::new(spec), columns),
    }
}

fn open_path(path: &Path, columns: &Columns) -> Result<Dataset> {
    let metadata = std::fs::metadata(path).map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => Error::NotFound { path: path.to_owned() },
        _ => Error::Read { path: path.to_owned(), source },
    })?;
    if !metadata.is_dir() {
        // What is no file is told of as what it is.
        files::open(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
    }
    let formats = if metadata.is_file() { FILES } else { FOLDERS };
    let failed = |reason| Err(Error::Layout { path: path.to_owned(), reason });
    for format in formats {
        if (format.recognizes)(path, columns)? {
            return fenced("its decoder", || (format.open)(path, columns)).unwrap_or_else(failed);
        }
    }
    let reason = if metadata.is_file() {
        let found = if is_image(path) { "it is one image; " } else { "" };
        format!("{found}expected a folder, {}", any_of(formats))
    } else if holds_images(path) {
        NO_CLASSES.to_owned()
    } else {
        let mut found = LeftOut::default();
        entries(path)?.1.iter().for_each(|file| found.add_other(file));
        let found = if found.is_empty() { "none of them".to_owned() } else { found.to_string() };
        format!("expected {}, found {found}", any_of(formats))
    };
    Err(Error::Layout { path: path.to_owned(), reason })
}

/// The most folders in which a download is looked for.
const FEW: usize = 20;

/// The folder below in which torchvision, or an archive, has put the files that a format needs:
/// `raw`, `MNIST/raw`, `cifar-10-batches-bin`.
///
/// # Errors
///
/// When there are several, or there is none, but files that are not read.
fn downloaded(folder: &Path) -> Result<Option<PathBuf>> {
    let folders = entries(folder)?.0;
    if folders.len() > FEW {
        return Ok(None);
    }
    let raws = folders.iter().map(|folder| folder.join("raw")).filter(|raw| raw.is_dir());
    let below: Vec<PathBuf> = folders.iter().cloned().chain(raws).collect();
    // A folder that cannot be read, such as `lost+found`, holds none.
    let holds =
        |path: &&PathBuf| idx_folder::is_idx_folder(path).unwrap_or(false) || cifar::is_cifar(path);
    let found: Vec<&PathBuf> = below.iter().filter(holds).collect();
    match &found[..] {
        [] => match below.iter().map(PathBuf::as_path).chain([folder]).find_map(unreadable) {
            Some((path, reason)) => Err(Error::Layout { path, reason: reason.to_owned() }),
            None => Ok(None),
        },
        [one] => Ok(Some(one.to_path_buf())),
        several => {
            let several: Vec<String> =
                several.iter().map(|path| path.display().to_string()).collect();
            let reason = format!("it holds several data sets; name one of {}", several.join(", "));
            Err(Error::Layout { path: folder.to_owned(), reason })
        }
    }
}

/// The folder, and what is wrong with it, if it holds a download that is known and not read.
fn unreadable(folder: &Path) -> Option<(PathBuf, &'static str)> {
    let has = |names: &[&str]| names.iter().all(|name| folder.join(name).is_file());
    let reason = if has(&["train.bin", "test.bin"]) {
        "it holds CIFAR-100's binary files, which are not read; expected the Python version \
         (cifar-100-python.tar.gz, unpacked: train, test, meta), or hub:uoft-cs/cifar100"
    } else if has(&["train_32x32.mat"]) || has(&["test_32x32.mat"]) {
        "it holds SVHN as MATLAB's files, which are not read; expected parquet files, such as \
         hub:ufldl-stanford/svhn"
    } else if has(&["train_X.bin", "train_y.bin"]) {
        "it holds STL-10's binary files, which are not read; expected a folder of images per class"
    } else {
        return None;
    };
    Some((folder.to_owned(), reason))
}

/// "a, b or c".
fn any_of(formats: &[Format]) -> String {
    let (last, rest) = formats.split_last().expect("a constant list that is not empty");
    let rest: Vec<&str> = rest.iter().map(|format| format.expected).collect();
    format!("{} or {}", rest.join(", "), last.expected)
}

#[cfg(test)]
mod tests;

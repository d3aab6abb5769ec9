//! The MNIST family by name.
//!
//! A name is looked for in the folder `$TAPER_DATA/NAME`, then in `data/NAME`; nothing is
//! downloaded here. A name promises the publisher's files: those that do not have the checksum are
//! refused. The folder's path takes whatever is in it.

use std::path::{Path, PathBuf};

use md5::{Digest, Md5};
use taper_untrusted::checksums::hex;

use crate::error::{Error, Result};
use crate::idx::{DEFAULT_LIMIT, Idx};
use crate::source::dataset::Dataset;
use crate::source::files::read_whole;
use crate::source::{cifar, idx_folder};

/// A data set with a name.
#[derive(Debug, Clone, Copy)]
pub struct Named {
    /// The name.
    pub name: &'static str,
    /// What it shows, and how much of it.
    pub about: &'static str,
    /// Where its publisher has it.
    pub url: &'static str,
    /// Its licence, as its publisher states it.
    pub licence: &'static str,
    /// What is unusual in its files, and handled.
    pub quirks: &'static str,
    /// A copy on the Hub, in its publisher's or the Hub's own hands, if there is one.
    pub hub: Option<&'static str>,
    /// Images in the train part, in the test part.
    pub counts: [usize; 2],
    /// What the names of its IDX files begin with; `None` for CIFAR's files.
    family: Option<&'static str>,
    /// Other folders than the name's.
    folders: &'static [&'static str],
    /// Names of the classes where its files do not tell them and they are not the numbers.
    classes: &'static [&'static str],
    checksums: Checksums,
}

/// MD5 of files.
#[derive(Debug, Clone, Copy)]
enum Checksums {
    /// Of the `.gz` files, as published.
    Packed(&'static [(&'static str, &'static str)]),
    /// Of the IDX files, unpacked.
    Unpacked(&'static [(&'static str, &'static str)]),
    /// None is known here: sizes and counts are checked.
    Unknown,
}

/// The family, in alphabetical order.
///
/// Checksums: Fashion-MNIST's are in its README; KMNIST's and QMNIST's as torchvision 0.29's
/// `datasets/mnist.py` lists them; CIFAR-10's and EMNIST's are published for an archive and not for
/// the files in it. Those of MNIST are of the unpacked files, computed from a copy, since it goes
/// around packed in many ways. Licences: as the READMEs of Fashion-MNIST, KMNIST and QMNIST state
/// them; MNIST's as its copies state it.
pub const NAMED: &[Named] = &[
    Named {
        name: "cifar10",
        about: "small colour photographs of 10 kinds of animals and vehicles, 32x32",
        url: "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz, unpacked",
        licence: "none stated; to be cited as Krizhevsky, 2009",
        quirks: "records of a label and three planes, or Python's pickles of them",
        hub: Some("uoft-cs/cifar10"),
        counts: [50_000, 10_000],
        family: None,
        folders: &["cifar-10-batches-bin", "cifar-10-batches-py"],
        classes: &[],
        checksums: Checksums::Unknown,
    },
    Named {
        name: "emnist-digits",
        about: "handwritten digits of NIST's forms, 28x28",
        url: "https://www.nist.gov/itl/products-and-services/emnist-dataset, gzip.zip, unpacked",
        licence: "none stated; of the US government; to be cited as Cohen et al., 2017",
        quirks: "images are stored transposed",
        hub: None,
        counts: [240_000, 40_000],
        family: Some("emnist-digits-"),
        folders: &["emnist", "gzip"],
        classes: &[],
        checksums: Checksums::Unknown,
    },
    Named {
        name: "emnist-letters",
        about: "handwritten letters, large and small as one class, of NIST's forms, 28x28",
        url: "https://www.nist.gov/itl/products-and-services/emnist-dataset, gzip.zip, unpacked",
        licence: "none stated; of the US government; to be cited as Cohen et al., 2017",
        quirks: "images are stored transposed; labels start at 1",
        hub: None,
        counts: [124_800, 20_800],
        family: Some("emnist-letters-"),
        folders: &["emnist", "gzip"],
        classes: &[
            "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p", "q",
            "r", "s", "t", "u", "v", "w", "x", "y", "z",
        ],
        checksums: Checksums::Unknown,
    },
    Named {
        name: "fashion-mnist",
        about: "grey pictures of 10 kinds of clothing from a shop, 28x28",
        url: "https://github.com/zalandoresearch/fashion-mnist",
        licence: "MIT",
        quirks: "",
        hub: Some("zalando-datasets/fashion_mnist"),
        counts: [60_000, 10_000],
        family: Some(""),
        folders: &["FashionMNIST/raw"],
        classes: &[
            "T-shirt/top",
            "Trouser",
            "Pullover",
            "Dress",
            "Coat",
            "Sandal",
            "Shirt",
            "Sneaker",
            "Bag",
            "Ankle boot",
        ],
        checksums: Checksums::Packed(&[
            ("train-images-idx3-ubyte.gz", "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
            ("train-labels-idx1-ubyte.gz", "25c81989df183df01b3e8a0aad5dffbe"),
            ("t10k-images-idx3-ubyte.gz", "bef4ecab320f06d8554ea6380940ec79"),
            ("t10k-labels-idx1-ubyte.gz", "bb300cfdad3c16e7a12a480ee83cd310"),
        ]),
    },
    Named {
        name: "kmnist",
        about: "10 kinds of handwritten Japanese characters from old books, 28x28",
        url: "http://codh.rois.ac.jp/kmnist/",
        licence: "CC BY-SA 4.0",
        quirks: "",
        hub: None,
        counts: [60_000, 10_000],
        family: Some(""),
        folders: &["KMNIST/raw"],
        classes: &["o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"],
        checksums: Checksums::Packed(&[
            ("train-images-idx3-ubyte.gz", "bdb82020997e1d708af4cf47b453dcf7"),
            ("train-labels-idx1-ubyte.gz", "e144d726b3acfaa3e44228e80efcd344"),
            ("t10k-images-idx3-ubyte.gz", "5c965bf0a639b31b8f53240b1b52f4d7"),
            ("t10k-labels-idx1-ubyte.gz", "7320c461ea6c1c855c0b718fb2a4b134"),
        ]),
    },
    Named {
        name: "mnist",
        about: "handwritten digits of NIST's forms, 28x28",
        // The publisher's own page, yann.lecun.com, has refused downloads for years.
        url: "https://ossci-datasets.s3.amazonaws.com/mnist/ (or \
              https://storage.googleapis.com/cvdf-datasets/mnist/)",
        licence: "CC BY-SA 3.0",
        quirks: "",
        hub: Some("ylecun/mnist"),
        counts: [60_000, 10_000],
        family: Some(""),
        folders: &["MNIST/raw"],
        classes: &[],
        checksums: Checksums::Unpacked(&[
            ("train-images-idx3-ubyte", "6bbc9ace898e44ae57da46a324031adb"),
            ("train-labels-idx1-ubyte", "a25bea736e30d166cdddb491f175f624"),
            ("t10k-images-idx3-ubyte", "2646ac647ad5339dbf082846283269ea"),
            ("t10k-labels-idx1-ubyte", "27ae3e4e09519cfbb04c329615203637"),
        ]),
    },
    Named {
        name: "qmnist",
        about: "MNIST made again from NIST's forms, with all 60,000 test digits, 28x28",
        url: "https://github.com/facebookresearch/qmnist",
        licence: "BSD 3-clause",
        quirks: "labels have eight columns, of which the first is the class",
        hub: None,
        counts: [60_000, 60_000],
        family: Some("qmnist-"),
        folders: &["QMNIST/raw"],
        classes: &[],
        checksums: Checksums::Packed(&[
            ("qmnist-train-images-idx3-ubyte.gz", "ed72d4157d28c017586c42bc6afe6370"),
            ("qmnist-train-labels-idx2-int.gz", "0058f8dd561b90ffdd0f734c6a30e5e4"),
            ("qmnist-test-images-idx3-ubyte.gz", "1394631089c404de565df7b7aeaf9412"),
            ("qmnist-test-labels-idx2-int.gz", "5b5b05890a5e13444e108efe57b788aa"),
        ]),
    },
];

/// The data set of a name, if the name is one of [`NAMED`].
pub fn named(name: &str) -> Option<&'static Named> {
    NAMED.iter().find(|named| named.name == name)
}

impl Named {
    /// Opens its files: in `$TAPER_DATA`, else in `data`.
    ///
    /// # Errors
    ///
    /// When they are in neither, or are not the publisher's.
    pub fn open(&self) -> Result<Dataset> {
        let root = std::env::var_os("TAPER_DATA").map_or("data".into(), PathBuf::from);
        self.open_in(&root)
    }

    /// Opens its files in a folder of `root`.
    ///
    /// # Errors
    ///
    /// As [`Named::open`].
    fn open_in(&self, root: &Path) -> Result<Dataset> {
        let folder = self.folder(root).ok_or_else(|| Error::NotHere {
            name: self.name,
            folder: root.join(self.name),
            url: self.url,
            files: self.files(),
            hub: self.hub.map_or(String::new(), |hub| format!("; or take hub:{hub}")),
        })?;
        self.check(&folder)?;
        let names = self.classes.iter().map(|name| name.to_string()).collect::<Vec<_>>();
        let mut dataset = match self.family {
            None => cifar::read(&folder)?,
            Some(family) => {
                let names = (!names.is_empty()).then_some(names);
                idx_folder::read_named(&folder, family, names)?
            }
        };
        self.name.clone_into(&mut dataset.name);
        let test = dataset.test.as_ref().map_or(0, |test| test.len());
        if [dataset.train.len(), test] != self.counts {
            let [train_count, test_count] = self.counts;
            return Err(Error::Layout {
                path: folder,
                reason: format!(
                    "expected {train_count} and {test_count} images, found {} and {test}",
                    dataset.train.len()
                ),
            });
        }
        Ok(dataset)
    }

    /// The files that are to be had, as the end of a sentence; nothing where they come in an archive.
    fn files(&self) -> String {
        match self.checksums {
            Checksums::Packed(files) | Checksums::Unpacked(files) => {
                let files =
                    files.iter().map(|(name, _)| format!("{}.gz", name.trim_end_matches(".gz")));
                format!(": {}", files.collect::<Vec<_>>().join(", "))
            }
            Checksums::Unknown => String::new(),
        }
    }

    /// The folder with its files.
    fn folder(&self, root: &Path) -> Option<PathBuf> {
        let own = [self.name].into_iter().chain(self.folders.iter().copied());
        let mut folders = own.map(|folder| root.join(folder));
        folders.find(|folder| match self.family {
            None => cifar::is_cifar(folder),
            Some(family) => idx_folder::has_family(folder, family),
        })
    }

    fn check(&self, folder: &Path) -> Result<()> {
        let (files, packed) = match self.checksums {
            Checksums::Packed(files) => (files, true),
            Checksums::Unpacked(files) => (files, false),
            Checksums::Unknown => return Ok(()),
        };
        for (name, expected) in files {
            let (plain, gzip) = (folder.join(name), folder.join(format!("{name}.gz")));
            let path = if packed || plain.is_file() { plain } else { gzip };
            if !path.is_file() {
                continue; // unpacked files have no checksum from the publisher
            }
            let mut bytes = read_whole(&path, DEFAULT_LIMIT as u64)?;
            if !packed {
                let idx = Idx::parse(&bytes).and_then(|idx| idx.to_bytes());
                bytes = idx.map_err(|source| Error::Idx { path: path.clone(), source })?;
            }
            let found = hex(&Md5::digest(&bytes));
            if found != *expected {
                let name = self.name;
                return Err(Error::Checksum { path, name, expected, found });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::idx::Elements;

    fn write(folder: &Path, name: &str, shape: &[usize], elements: Elements) {
        std::fs::create_dir_all(folder).unwrap();
        let idx = Idx { shape: shape.to_vec(), elements };
        std::fs::write(folder.join(name), idx.to_bytes().unwrap()).unwrap();
    }

    #[test]
    fn every_name_says_where_it_comes_from() {
        for named in NAMED {
            assert!(named.url.starts_with("http") && !named.licence.is_empty(), "{}", named.name);
        }
        assert!(NAMED.is_sorted_by_key(|named| named.name));
        assert!(named("mnist").is_some() && named("nist").is_none());
    }

    #[test]
    fn a_set_that_is_not_here_says_where_to_get_it() {
        let root = tempfile::tempdir().unwrap();
        let error = named("fashion-mnist").unwrap().open_in(root.path()).unwrap_err().to_string();
        assert_eq!(
            error,
            format!(
                "fashion-mnist is not here: put the files of \
                 https://github.com/zalandoresearch/fashion-mnist into {}: \
                 train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz, \
                 t10k-images-idx3-ubyte.gz, t10k-labels-idx1-ubyte.gz; or take \
                 hub:zalando-datasets/fashion_mnist",
                root.path().join("fashion-mnist").display()
            )
        );
        let error = named("mnist").unwrap().open_in(root.path()).unwrap_err().to_string();
        assert!(
            error.contains("ossci-datasets") && error.contains("t10k-labels-idx1-ubyte.gz; "),
            "{error}"
        );
        assert!(!error.contains("lecun.com"), "{error}");
    }

    #[test]
    fn files_that_are_not_the_publishers_are_refused() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("mnist");
        write(&folder, "train-images-idx3-ubyte", &[1, 1, 1], Elements::U8(vec![9]));
        write(&folder, "train-labels-idx1-ubyte", &[1], Elements::U8(vec![9]));
        let error = named("mnist").unwrap().open_in(root.path()).unwrap_err().to_string();
        assert!(error.contains("train-images-idx3-ubyte is not that of mnist"), "{error}");
        assert!(error.ends_with("open the folder by its path to take it as it is"), "{error}");
    }

    #[test]
    fn a_set_with_other_counts_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("emnist");
        for part in ["train", "test"] {
            let name = |rest: &str| format!("emnist-letters-{part}-{rest}");
            let images = Elements::U8(vec![1, 2, 3, 4]);
            write(&folder, &name("images-idx3-ubyte"), &[2, 1, 2], images);
            write(&folder, &name("labels-idx1-ubyte"), &[2], Elements::U8(vec![1, 26]));
        }
        let error = named("emnist-letters").unwrap().open_in(root.path()).unwrap_err().to_string();
        assert!(error.contains("expected 124800 and 20800 images, found 2 and 2"), "{error}");
        // Turned, and numbered from 0.
        let names = ('a'..='z').map(String::from).collect();
        let letters = idx_folder::read_named(&folder, "emnist-letters-", Some(names)).unwrap();
        assert_eq!(letters.train.labels(), [0, 25]);
        assert_eq!(letters.train.decode(0).unwrap().size(), [2, 1, 1]);
    }
}

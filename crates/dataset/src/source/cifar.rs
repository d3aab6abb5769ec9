//! CIFAR-10 and CIFAR-100 as their publisher has them: records of a label and three planes of 32x32, or
//! Python's pickles of the same.
//!
//! <https://www.cs.toronto.edu/~kriz/cifar.html>, "binary version" and "python version".

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::source::cifar_pickle::{Batch, Pickle, is_pickle};
use crate::source::dataset::Dataset;
use crate::source::files::read_whole;
use crate::source::in_memory::InMemory;
use crate::source::left_out::LeftOut;
use crate::split::Splits;

const SIDE: usize = 32;
const PLANE: usize = SIDE * SIDE;
const RECORD: usize = 1 + 3 * PLANE;

/// The largest file, in bytes; the largest that is published has 155 million.
const LIMIT: u64 = 256 << 20;

const CLASSES: [&str; 10] =
    ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

/// The files of a version.
struct Version {
    train: &'static [&'static str],
    test: &'static str,
    /// Of pickles the file that names the classes, under which key, and the key of a batch's labels.
    pickles: Option<[&'static str; 3]>,
}

const VERSIONS: [Version; 3] = [
    Version {
        train: &[
            "data_batch_1.bin",
            "data_batch_2.bin",
            "data_batch_3.bin",
            "data_batch_4.bin",
            "data_batch_5.bin",
        ],
        test: "test_batch.bin",
        pickles: None,
    },
    Version {
        train: &["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5"],
        test: "test_batch",
        pickles: Some(["batches.meta", "label_names", "labels"]),
    },
    Version {
        train: &["train"],
        test: "test",
        pickles: Some(["meta", "fine_label_names", "fine_labels"]),
    },
];

impl Version {
    /// The version whose files, or some of them, are in a folder.
    fn of(folder: &Path) -> Option<&'static Self> {
        VERSIONS.iter().find(|version| {
            let test = folder.join(version.test);
            let first = version.files(folder).into_iter().next().or(test.is_file().then_some(test));
            first.is_some_and(|first| version.pickles.is_none() || is_pickle(&first))
        })
    }

    /// The files of the train part that are there.
    fn files(&self, folder: &Path) -> Vec<PathBuf> {
        self.train.iter().map(|name| folder.join(name)).filter(|path| path.is_file()).collect()
    }

    /// The names of those that are not.
    fn missing(&self, folder: &Path) -> Vec<&'static str> {
        self.train.iter().copied().filter(|name| !folder.join(name).is_file()).collect()
    }
}

/// Whether a folder holds files of a version.
pub(crate) fn is_cifar(folder: &Path) -> bool {
    Version::of(folder).is_some()
}

/// Reads the train part, the test part, or both; the classes of CIFAR-100 are the hundred fine ones.
///
/// # Errors
///
/// When a file cannot be read, is no whole number of records or no pickle of such, or a label is out of range; of
/// pickles, which are downloaded together, also when some of the train part are missing.
pub(crate) fn read(folder: &Path) -> Result<Dataset> {
    let layout = |path: &Path, reason| Error::Layout { path: path.to_owned(), reason };
    let version = Version::of(folder)
        .ok_or_else(|| layout(folder, "expected CIFAR's files (data_batch_1.bin, …)".to_owned()))?;
    let pickle = |path: &Path| {
        let pickle = Pickle::new(read_whole(path, LIMIT)?);
        pickle.map_err(|reason| layout(path, reason))
    };
    let class_names = match version.pickles {
        None => CLASSES.map(str::to_owned).to_vec(),
        Some([meta, names, _]) => {
            let path = folder.join(meta);
            pickle(&path)?.texts(names).map_err(|reason| layout(&path, reason))?
        }
    };
    let batch = |path: &Path| match version.pickles {
        None => records(path),
        Some([.., labels]) => {
            let batch = pickle(path)?.batch(labels, 3 * PLANE);
            batch.map_err(|reason| layout(path, reason))
        }
    };
    let part = |files: Vec<PathBuf>| {
        let mut all = Batch::default();
        for path in &files {
            let batch = batch(path)?;
            all.labels.extend(batch.labels);
            let planes = batch.rows.chunks_exact(3 * PLANE);
            all.rows.extend(planes.flat_map(|planes| {
                (0..PLANE).flat_map(|place| [0, 1, 2].map(|c| planes[c * PLANE + place]))
            }));
        }
        Ok(all)
    };
    let (train, missing) = (version.files(folder), version.missing(folder));
    let is_part = !train.is_empty() && !missing.is_empty();
    if is_part && version.pickles.is_some() {
        let (some, all, missing) = (train.len(), version.train.len(), missing.join(", "));
        return Err(layout(
            folder,
            format!(
                "it has {some} of the {all} files of CIFAR's train part, {missing} missing, as an \
                 unfinished download leaves it; unpack the archive again"
            ),
        ));
    }
    let mut left_out = LeftOut::default();
    if is_part {
        left_out.add(format!("missing files ({})", missing.join(", ")), missing.len());
    }
    let train = (!train.is_empty()).then(|| part(train)).transpose()?;
    let test = folder.join(version.test);
    let test = test.is_file().then(|| part(vec![test])).transpose()?;
    Dataset::of_splits(folder, Splits { train, validation: None, test }, |part, _| {
        let name = folder.display().to_string();
        let (rows, labels) = (part.rows, part.labels);
        let part = InMemory::new(name, [SIDE, SIDE, 3], rows, labels, class_names.clone())?;
        Ok(part.leaving_out(std::mem::take(&mut left_out)))
    })
}

fn records(path: &Path) -> Result<Batch> {
    let bytes = read_whole(path, LIMIT)?;
    if bytes.is_empty() || !bytes.len().is_multiple_of(RECORD) {
        let reason = format!("expected records of {RECORD} bytes, found {} bytes", bytes.len());
        return Err(Error::Layout { path: path.to_owned(), reason });
    }
    let records = bytes.chunks_exact(RECORD);
    let labels = records.clone().map(|record| u32::from(record[0])).collect();
    Ok(Batch { labels, rows: records.flat_map(|record| &record[1..]).copied().collect() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::cifar_pickle::written;

    #[test]
    fn records_become_colour_images_ordered_by_class() {
        let folder = tempfile::tempdir().unwrap();
        let record = |label: u8| [vec![label], vec![10; PLANE], vec![20; PLANE], vec![30; PLANE]];
        let batch = [record(9).concat(), record(2).concat()].concat();
        std::fs::write(folder.path().join("data_batch_1.bin"), batch).unwrap();
        std::fs::write(folder.path().join("data_batch_2.bin"), record(0).concat()).unwrap();
        let dataset = read(folder.path()).unwrap();
        assert_eq!(dataset.train.labels(), [0, 2, 9]);
        assert_eq!(dataset.train.decode(0).unwrap().pixels[..4], [10, 20, 30, 10]);
        assert!(dataset.test.is_none() && is_cifar(folder.path()));
        let missing = "3 missing files (data_batch_3.bin, data_batch_4.bin, data_batch_5.bin)";
        assert_eq!(dataset.train.left_out().to_string(), missing);
        assert!(dataset.train.describe().ends_with(&format!(", left out: {missing}")));
        std::fs::write(folder.path().join("data_batch_2.bin"), [0; 99]).unwrap();
        let error = read(folder.path()).unwrap_err().to_string();
        assert!(error.ends_with("expected records of 3073 bytes, found 99 bytes"), "{error}");
    }

    /// Three rows of three planes, whose labels follow, as pickles that have been written in each way.
    fn planes() -> Vec<u8> {
        let row = |first: u8| [vec![first; PLANE], vec![200; PLANE], vec![30; PLANE]].concat();
        [row(1), row(2), row(3)].concat()
    }

    #[test]
    fn pickles_of_both_sets_are_read_as_they_were_written_by_any_python() {
        for (version, names) in [(1, ["bee", "ant"]), (2, ["apple", "fish"])] {
            let Some([meta, name_key, label_key]) = VERSIONS[version].pickles else { panic!() };
            for form in written::FORMS {
                let folder = tempfile::tempdir().unwrap();
                let write =
                    |name: &str, bytes| std::fs::write(folder.path().join(name), bytes).unwrap();
                write(meta, written::texts(form, name_key, &names));
                for (number, name) in VERSIONS[version].train.iter().enumerate() {
                    let rows = if number == 0 { planes() } else { Vec::new() };
                    let labels = &[1, 0, 1][..rows.len() / 3072];
                    write(name, written::batch(form, label_key, labels, 3072, &rows));
                }
                write(
                    VERSIONS[version].test,
                    written::batch(form, label_key, &[0, 0, 1], 3072, &planes()),
                );
                let above = folder.path().parent().unwrap();
                assert!(is_cifar(folder.path()) && !is_cifar(above), "{form:?}");
                let dataset = read(folder.path()).unwrap();
                // In the publisher's order, as the numbers of the labels are.
                assert_eq!(dataset.train.class_names(), names, "{form:?}");
                assert_eq!(dataset.train.labels(), [0, 1, 1], "{form:?}");
                assert_eq!(
                    dataset.train.decode(0).unwrap().pixels[..4],
                    [2, 200, 30, 2],
                    "{form:?}"
                );
                let test = dataset.test.unwrap();
                assert_eq!(test.labels(), [0, 0, 1], "{form:?}");
                assert_eq!(test.decode(2).unwrap().pixels[3069..], [3, 200, 30], "{form:?}");
            }
        }
    }

    #[test]
    fn a_pickle_that_is_no_batch_is_an_error_with_its_path() {
        let folder = tempfile::tempdir().unwrap();
        let write =
            |name: &str, bytes: Vec<u8>| std::fs::write(folder.path().join(name), bytes).unwrap();
        let form = written::FORMS[0];
        write("batches.meta", written::texts(form, "label_names", &["a", "b"]));
        let error = |bytes: Vec<u8>| {
            write("data_batch_1", bytes);
            read(folder.path()).unwrap_err().to_string()
        };
        let planes = planes();
        write("data_batch_4", written::batch(form, "labels", &[1, 0, 1], 3072, &planes));
        let expected = format!(
            "{} is not a data set: it has 2 of the 5 files of CIFAR's train part, data_batch_2, data_batch_3, \
             data_batch_5 missing, as an unfinished download leaves it; unpack the archive again",
            folder.path().display()
        );
        assert_eq!(error(Vec::from(b"\x80\x02].")), expected);
        for name in &VERSIONS[1].train[1..] {
            write(name, written::batch(form, "labels", &[], 3072, &[]));
        }
        let whole = written::batch(form, "labels", &[1, 0, 1], 3072, &planes);
        for (bytes, expected) in [
            (b"\x80\x02x".to_vec(), "an unknown operation 0x78"),
            (whole[..whole.len() / 2].to_vec(), "its pickle ends too soon"),
            (b"\x80\x02].".to_vec(), "expected a pickled dictionary, found a list"),
            (
                written::batch(form, "coarse", &[1], 3072, &planes),
                "it has no `labels`, but `data`, `coarse`",
            ),
            (
                written::batch(form, "labels", &[1, 0], 3072, &planes),
                "it has 3 images, but 2 labels",
            ),
            (
                written::batch(form, "labels", &[1, 0, 1], 3071, &planes),
                "expected an array of bytes, 3072 in each row; found 4x3071 of them",
            ),
            (
                written::batch(form, "labels", &[1, 0, 1], 3072, &planes[1..]),
                "its array of 3x3072 has 9215 bytes",
            ),
            (
                written::batch(form, "labels", &[1, 0, 2], 3072, &planes),
                "there are 2 classes, numbered from 0",
            ),
        ] {
            let error = error(bytes);
            assert!(error.contains(expected), "{expected}: {error}");
        }
        std::fs::remove_file(folder.path().join("batches.meta")).unwrap();
        assert!(error(whole).contains("batches.meta: "));
        let path = folder.path().join("data_batch_1");
        write("batches.meta", written::texts(form, "label_names", &["a", "b"]));
        assert!(error(b"\x80\x02].".to_vec()).starts_with(&path.display().to_string()));
    }
}

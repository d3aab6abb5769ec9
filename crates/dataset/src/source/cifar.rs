//! CIFAR-10's binary files: records of a label and three planes of 32x32.
//!
//! <https://www.cs.toronto.edu/~kriz/cifar.html>, "binary version".

use std::path::Path;

use crate::error::{Error, Result};
use crate::source::dataset::Dataset;
use crate::source::in_memory::InMemory;
use crate::split::Splits;

const SIDE: usize = 32;
const PLANE: usize = SIDE * SIDE;
const RECORD: usize = 1 + 3 * PLANE;

const CLASSES: [&str; 10] =
    ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

/// Whether a folder holds the first of the files.
pub(crate) fn is_cifar(folder: &Path) -> bool {
    folder.join("data_batch_1.bin").is_file()
}

/// Reads `data_batch_1.bin` and those that follow, and `test_batch.bin` if it is there.
///
/// # Errors
///
/// When a file cannot be read or is not a whole number of records, or a label is 10 or more.
pub(crate) fn read(folder: &Path) -> Result<Dataset> {
    let batch = |number: usize| folder.join(format!("data_batch_{number}.bin"));
    let mut train = Vec::new();
    for path in (1..).map(batch).take_while(|path| path.is_file()) {
        train.extend(records(&path)?);
    }
    let test = folder.join("test_batch.bin");
    let test = test.is_file().then(|| records(&test)).transpose()?;
    let splits = Splits { train: Some(train), validation: None, test };
    Dataset::of_splits(folder, splits, |records, _| {
        let (mut pixels, mut labels) = (Vec::new(), Vec::new());
        for record in records.chunks_exact(RECORD) {
            labels.push(u32::from(record[0]));
            let planes = &record[1..];
            pixels
                .extend((0..PLANE).flat_map(|place| [0, 1, 2].map(|c| planes[c * PLANE + place])));
        }
        let names = CLASSES.map(str::to_owned).to_vec();
        InMemory::new(folder.display().to_string(), [SIDE, SIDE, 3], pixels, labels, names)
    })
}

fn records(path: &Path) -> Result<Vec<u8>> {
    let bytes = std::fs::read(path).map_err(|source| Error::Read { path: path.into(), source })?;
    if bytes.is_empty() || !bytes.len().is_multiple_of(RECORD) {
        let reason = format!("expected records of {RECORD} bytes, found {} bytes", bytes.len());
        return Err(Error::Layout { path: path.to_owned(), reason });
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

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
        std::fs::write(folder.path().join("data_batch_2.bin"), [0; 99]).unwrap();
        let error = read(folder.path()).unwrap_err().to_string();
        assert!(error.ends_with("expected records of 3073 bytes, found 99 bytes"), "{error}");
    }
}

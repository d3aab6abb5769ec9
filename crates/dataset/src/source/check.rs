//! What a source promises, checked.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::image::Image;
use crate::source::dataset::Dataset;
use crate::source::images::{Images, Labelled};
use crate::source::watched::Watched;

/// Items that are decoded.
const LOOKED_AT: usize = 100;

/// What [`check_source`] found of a source that keeps its promises.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SourceCheck {
    /// Images of each class, in the classes' order.
    pub classes: Vec<usize>,
    /// How many of the items that were decoded have each size (height, width, channels).
    pub sizes: BTreeMap<[usize; 3], usize>,
}

/// Checks what every source promises: each label is below the number of classes; an item that is decoded twice is the
/// same image, of 1 or 3 channels, with a value for each channel of each pixel. Of more than 100 items, so many are
/// decoded, evenly spread.
///
/// ```
/// use taper_dataset::source::{check_source, embedded};
///
/// let check = check_source(&embedded::digits())?;
/// assert_eq!((check.classes.len(), check.sizes[&[8, 8, 1]]), (10, 100));
/// # Ok::<(), taper_dataset::Error>(())
/// ```
///
/// # Errors
///
/// The first promise that is broken, with the item and what was expected and found; an item that cannot be decoded.
pub fn check_source(source: &dyn Labelled) -> Result<SourceCheck> {
    let mut check =
        SourceCheck { classes: vec![0; source.class_names().len()], sizes: BTreeMap::new() };
    for index in 0..source.len() {
        check.classes[label(source, index)? as usize] += 1;
    }
    let count = source.len().min(LOOKED_AT);
    for place in 0..count {
        let index = place * source.len() / count;
        let image = sound(source, index, source.decode(index)?)?;
        if source.decode(index)? != image {
            return Err(Error::OtherImage { item: source.item_name(index) });
        }
        *check.sizes.entry(image.size()).or_default() += 1;
    }
    Ok(check)
}

/// A label that is one of the classes.
fn label(source: &dyn Labelled, index: usize) -> Result<u32> {
    let (label, classes) = (source.label(index), source.class_names().len());
    match (label as usize) < classes {
        true => Ok(label),
        false => Err(Error::NoSuchClass { item: source.item_name(index), label, classes }),
    }
}

/// An image that has the channels and pixels that it says.
pub(crate) fn sound(source: &dyn Images, index: usize, image: Image) -> Result<Image> {
    let Image { height, width, channels, pixels } = &image;
    let area = height.checked_mul(*width).and_then(|area| area.checked_mul(*channels));
    if [1, 3].contains(channels) && *height > 0 && *width > 0 && area == Some(pixels.len()) {
        return Ok(image);
    }
    let (item, bytes) = (source.item_name(index), pixels.len());
    Err(Error::Decoded { item, height: *height, width: *width, channels: *channels, bytes })
}

impl Dataset {
    /// The same, each label looked at now and each image when it is decoded: for sources of a program's own, of which
    /// nothing is known.
    ///
    /// # Errors
    ///
    /// A label that is none of the classes.
    pub fn checked(mut self) -> Result<Self> {
        let parts = [Some(&mut self.train), self.validation.as_mut(), self.test.as_mut()];
        for part in parts.into_iter().flatten() {
            for index in 0..part.len() {
                label(part.as_ref(), index)?;
            }
            let source = part.clone();
            let decoded = move |index, image: Result<Image>| sound(source.as_ref(), index, image?);
            *part = Arc::new(Watched { source: part.clone(), decoded });
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two items, the second as a fault wants it.
    struct Faulty {
        names: Vec<String>,
        label: u32,
        channels: usize,
        bytes: usize,
        /// Whether each item is another image each time.
        changes: std::sync::atomic::AtomicU8,
    }

    impl Images for Faulty {
        fn len(&self) -> usize {
            2
        }

        fn decode(&self, index: usize) -> Result<Image> {
            let turn = self.changes.load(std::sync::atomic::Ordering::Relaxed);
            self.changes.store(turn + u8::from(turn > 0), std::sync::atomic::Ordering::Relaxed);
            let (channels, bytes) = if index == 1 { (self.channels, self.bytes) } else { (1, 4) };
            Ok(Image { height: 2, width: 2, channels, pixels: vec![turn; bytes] })
        }

        fn item_name(&self, index: usize) -> String {
            format!("item {index}")
        }

        fn describe(&self) -> String {
            "two".to_string()
        }
    }

    impl Labelled for Faulty {
        fn label(&self, index: usize) -> u32 {
            if index == 1 { self.label } else { 0 }
        }

        fn class_names(&self) -> &[String] {
            &self.names
        }
    }

    fn faulty(label: u32, channels: usize, bytes: usize, changes: u8) -> Arc<dyn Labelled> {
        let names = vec!["a".to_string(), "b".to_string()];
        Arc::new(Faulty { names, label, channels, bytes, changes: changes.into() })
    }

    #[test]
    fn a_broken_promise_is_told_with_the_item_and_both_numbers() {
        for (source, expected) in [
            (
                faulty(2, 1, 4, 0),
                "item 1 has the label 2, expected one below 2, the number of classes",
            ),
            (
                faulty(1, 5, 20, 0),
                "item 1 is decoded as an image of 2x2 with 5 channels and 20 bytes, expected 1 or 3 channels and a \
                 byte for each channel of each pixel",
            ),
            (
                faulty(1, 3, 4, 0),
                "item 1 is decoded as an image of 2x2 with 3 channels and 4 bytes, ",
            ),
            (faulty(1, 1, 4, 1), "item 0 is another image each time that it is decoded; "),
        ] {
            let error = check_source(source.as_ref()).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
        let check = check_source(faulty(1, 3, 12, 0).as_ref()).unwrap();
        assert_eq!(check.classes, [1, 1]);
        assert_eq!(check.sizes.len(), 2);
    }

    #[test]
    fn a_checked_data_set_gives_no_image_that_is_none() {
        let whole = |source| Dataset::whole("two", source);
        let error = whole(faulty(7, 1, 4, 0)).checked().unwrap_err().to_string();
        assert!(error.starts_with("item 1 has the label 7"), "{error}");
        let checked = whole(faulty(1, 5, 20, 0)).checked().unwrap().train;
        assert!(checked.decode(0).is_ok());
        assert!(checked.decode(1).unwrap_err().to_string().contains("5 channels"));
    }
}

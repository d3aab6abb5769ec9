//! Images of one size, all in memory.

use crate::error::{Error, Result};
use crate::image::Image;
use crate::source::images::{Images, Labelled};
use crate::source::left_out::LeftOut;

/// Images of one size with their labels, in memory: IDX files, the embedded sets, a caller's own.
#[derive(Debug, Clone)]
pub struct InMemory {
    size: [usize; 3],
    pixels: Vec<u8>,
    /// Labels by record, as they came.
    labels: Vec<u32>,
    /// Record of each item: sorted by class, then by record.
    order: Vec<usize>,
    class_names: Vec<String>,
    name: String,
    left_out: LeftOut,
}

impl InMemory {
    /// Images of `size` (height, width, channels), one after the other, with their labels.
    ///
    /// `name` says where they are from; items are called "`name` item `record`".
    ///
    /// # Errors
    ///
    /// When the counts differ, the size is not usable, or a label is not below the number of
    /// class names.
    ///
    /// ```
    /// use taper_dataset::{Images, InMemory};
    ///
    /// let names = vec!["dark".to_owned(), "light".to_owned()];
    /// let source = InMemory::new("two pixels", [1, 1, 1], vec![9, 7], vec![1, 0], names)?;
    /// // Ordered by class: the dark one first.
    /// assert_eq!(source.decode(0)?.pixels, [7]);
    /// assert_eq!(source.item_name(0), "two pixels item 1");
    /// # Ok::<(), taper_dataset::Error>(())
    /// ```
    pub fn new(
        name: impl Into<String>,
        size: [usize; 3],
        pixels: Vec<u8>,
        labels: Vec<u32>,
        class_names: Vec<String>,
    ) -> Result<Self> {
        let name = name.into();
        let [height, width, channels] = size;
        let each = height.checked_mul(width).and_then(|area| area.checked_mul(channels));
        let each = match each {
            Some(each) if each > 0 && [1, 3].contains(&channels) => each,
            _ => return Err(Error::Pixels { height, width, channels, bytes: pixels.len() }),
        };
        if !pixels.len().is_multiple_of(each) || pixels.len() / each != labels.len() {
            return Err(Error::Counts {
                images: name.clone(),
                image_count: pixels.len() / each,
                labels: name,
                label_count: labels.len(),
            });
        }
        if let Some(item) = labels.iter().position(|&label| label as usize >= class_names.len()) {
            return Err(Error::Label {
                place: name,
                item,
                label: i64::from(labels[item]),
                reason: format!("there are {} classes, numbered from 0", class_names.len()),
            });
        }
        let mut order: Vec<usize> = (0..labels.len()).collect();
        order.sort_by_key(|&record| labels[record]); // stable: by record within a class
        let left_out = LeftOut::default();
        Ok(InMemory { size, pixels, labels, order, class_names, name, left_out })
    }

    /// The same, beside which this was found, too, and not taken.
    pub(crate) fn leaving_out(self, left_out: LeftOut) -> Self {
        InMemory { left_out, ..self }
    }

    /// Height, width and channels of every image.
    pub fn size(&self) -> [usize; 3] {
        self.size
    }

    /// The number of an item in the data it was made from.
    ///
    /// # Panics
    ///
    /// When `index` is not below `len()`.
    pub fn record(&self, index: usize) -> usize {
        self.order[index]
    }
}

impl Images for InMemory {
    fn len(&self) -> usize {
        self.labels.len()
    }

    fn decode(&self, index: usize) -> Result<Image> {
        let [height, width, channels] = self.size;
        let each = height * width * channels;
        let start = self.order[index] * each;
        let pixels = self.pixels[start..start + each].to_vec();
        Ok(Image { height, width, channels, pixels })
    }

    fn item_name(&self, index: usize) -> String {
        format!("{} item {}", self.name, self.order[index])
    }

    fn describe(&self) -> String {
        let [height, width, channels] = self.size;
        let (n, classes) = (self.len(), self.class_names.len());
        let left_out = self.left_out.tail();
        format!(
            "{}: {n} images of {height}x{width}x{channels}, {classes} classes{left_out}",
            self.name
        )
    }

    fn left_out(&self) -> LeftOut {
        self.left_out.clone()
    }

    fn in_memory(&self) -> bool {
        true
    }
}

impl Labelled for InMemory {
    fn label(&self, index: usize) -> u32 {
        self.labels[self.order[index]]
    }

    fn class_names(&self) -> &[String] {
        &self.class_names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(count: usize) -> Vec<String> {
        (0..count).map(|class| class.to_string()).collect()
    }

    #[test]
    fn items_are_ordered_by_class_then_record() {
        let source =
            InMemory::new("x", [1, 1, 1], vec![10, 11, 12, 13], vec![1, 0, 1, 0], names(2))
                .unwrap();
        let pixels: Vec<u8> = (0..4).map(|i| source.decode(i).unwrap().pixels[0]).collect();
        assert_eq!(pixels, [11, 13, 10, 12]);
        assert_eq!(source.labels(), [0, 0, 1, 1]);
        assert_eq!(source.record(2), 0);
    }

    #[test]
    fn counts_that_differ_are_an_error() {
        let error = InMemory::new("x", [1, 2, 1], vec![0; 6], vec![0; 2], names(1)).unwrap_err();
        assert_eq!(error.to_string(), "counts differ: x holds 3 images, x holds 2 labels");
    }

    #[test]
    fn a_label_out_of_range_is_an_error() {
        let error = InMemory::new("x", [1, 1, 1], vec![0; 3], vec![0, 1, 2], names(2)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "label 2 of item 2 in x is out of range: there are 2 classes, numbered from 0"
        );
    }
}

//! What every source of images answers, and what one with labels answers besides.

use crate::error::{Error, Result};
use crate::image::Image;
use crate::source::left_out::LeftOut;

/// A list of images that decodes one at a time, when asked.
///
/// Every number called `index` in this crate is a place in such a list. A `Vec<Image>` is one.
///
/// ```
/// use taper_dataset::{Image, Images};
///
/// let images = vec![Image::black(2, 2, 1)];
/// assert_eq!((images.item_name(0), images.decode(0)?), ("image 0".to_owned(), images[0].clone()));
/// # Ok::<(), taper_dataset::Error>(())
/// ```
pub trait Images: Send + Sync {
    /// How many items there are.
    fn len(&self) -> usize;

    /// Whether there is no item.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads and decodes an item.
    ///
    /// # Errors
    ///
    /// When its file cannot be read or is no image; the error names it.
    ///
    /// # Panics
    ///
    /// When `index` is not below `len()`.
    fn decode(&self, index: usize) -> Result<Image>;

    /// What to call an item when talking to people: its path, or its file and number.
    ///
    /// # Panics
    ///
    /// When `index` is not below `len()`.
    fn item_name(&self, index: usize) -> String;

    /// One line: what this is, where it came from, what was passed over.
    fn describe(&self) -> String;

    /// What was found and not taken, by reason; by default nothing.
    fn left_out(&self) -> LeftOut {
        LeftOut::default()
    }

    /// Whether `decode` only copies memory, so that parallel decoding would cost more than it gains.
    fn in_memory(&self) -> bool {
        false
    }

    /// How an item's pixels are stored, in words, where it is a file and its header tells: `grey`,
    /// `palette`, `colour and alpha, 16 bits`.
    ///
    /// # Panics
    ///
    /// When `index` is not below `len()`.
    fn stored(&self, index: usize) -> Option<String> {
        let _ = index;
        None
    }
}

/// Images with a class each.
///
/// Items are ordered by class, then by their place in the file or their name, whatever the layout on
/// disk; classes that are not in an order of their own are ordered by value where all are whole numbers, else
/// by their bytes. So the same images as an IDX file and as a folder are the same list.
pub trait Labelled: Images {
    /// The class of an item, below `class_names().len()`. It costs nothing.
    ///
    /// # Panics
    ///
    /// When `index` is not below `len()`.
    fn label(&self, index: usize) -> u32;

    /// The names of the classes, in the order of the labels.
    fn class_names(&self) -> &[String];

    /// The labels of all items.
    fn labels(&self) -> Vec<u32> {
        (0..self.len()).map(|index| self.label(index)).collect()
    }
}

impl Images for Vec<Image> {
    fn len(&self) -> usize {
        self.len()
    }

    fn decode(&self, index: usize) -> Result<Image> {
        Ok(self[index].clone())
    }

    fn item_name(&self, index: usize) -> String {
        format!("image {index}")
    }

    fn describe(&self) -> String {
        format!("{} images in memory", self.len())
    }

    fn in_memory(&self) -> bool {
        true
    }
}

/// Makes sure that every index leads to an item.
pub(crate) fn check_indices(source: &dyn Images, indices: &[usize]) -> Result<()> {
    let len = source.len();
    match indices.iter().find(|&&index| index >= len) {
        Some(index) => {
            Err(Error::setting("index", format!("below {len}, the number of items"), index))
        }
        None => Ok(()),
    }
}

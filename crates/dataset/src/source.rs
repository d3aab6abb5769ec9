//! Where labelled images come from.

mod cifar;
mod columns;
mod dataset;
pub mod embedded;
mod encoded;
mod faults;
pub mod idx_folder;
mod image_file;
mod image_folder;
mod in_memory;
mod labels;
mod list;
mod named;
pub mod parquet;
mod parts;
mod selected;
mod tensors;
mod whole_file;

pub use columns::Columns;
pub use dataset::{Dataset, open, open_with};
pub(crate) use faults::all as all_faults;
pub use faults::{broken, faults};
pub(crate) use image_file::stored_pixels;
pub use image_file::{ImageLimits, decode_image, image_files, is_image, read_image};
pub use image_folder::ImageFolder;
pub use in_memory::InMemory;
#[doc(hidden)]
pub use list::parse_bytes as parse_list;
pub use named::{NAMED, Named, named};
pub use parts::PartOf;
pub use selected::{keep_classes, only, without};

use crate::error::Result;
use crate::image::Image;

/// A list of labelled images that decodes one at a time, when asked.
///
/// Items are ordered by class, then by their place in the file or their name, whatever the layout
/// on disk: the same images as an IDX file and as a folder are the same list. Every number called
/// `index` in this crate is a place in this list.
pub trait Source: Send + Sync {
    /// How many items there are.
    fn len(&self) -> usize;

    /// Whether there is no item.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The class of an item, below `class_names().len()`. It costs nothing.
    ///
    /// # Panics
    ///
    /// When `index` is not below `len()`.
    fn label(&self, index: usize) -> u32;

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

    /// The names of the classes, in the order of the labels.
    fn class_names(&self) -> &[String];

    /// What to call an item when talking to people: its path, or its file and number.
    ///
    /// # Panics
    ///
    /// When `index` is not below `len()`.
    fn item_name(&self, index: usize) -> String;

    /// One line: what this is, where it came from, what was passed over.
    fn describe(&self) -> String;

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

    /// The labels of all items.
    fn labels(&self) -> Vec<u32> {
        (0..self.len()).map(|index| self.label(index)).collect()
    }
}

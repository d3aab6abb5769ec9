//! Where images come from, with a class each or without.

mod left_out;

mod images;

mod image_file;
mod in_memory;
mod selected;

mod class_names;
mod columns;
mod dataset;
mod faults;
mod files;
mod labels;
mod read_fault;
mod walk;

mod cifar;
mod cifar_pickle;
mod class_folders;
pub mod embedded;
mod encoded;
mod idx_folder;
mod image_folder;
mod list;
mod list_paths;
mod metadata;
mod named;
pub mod parquet;
mod tensors;
mod watched;

mod check;

mod open;

pub use check::{SourceCheck, check_source};
#[doc(hidden)]
pub use cifar_pickle::count_pickled;
pub use class_names::{class_number, class_places, sort_class_names};
pub use columns::Columns;
pub use dataset::Dataset;
pub use faults::broken;
pub use image_file::{ImageLimits, decode_image, read_image};
pub use image_folder::ImageFolder;
pub use images::{Images, Labelled};
pub use in_memory::InMemory;
pub use left_out::LeftOut;
#[doc(hidden)]
pub use list::parse_bytes as parse_list;
pub use named::{NAMED, Named, named};
pub use open::{open, open_with};
pub use selected::{keep_classes, only};
pub use walk::image_files;
pub use watched::Watched;

pub(crate) use check::sound;
pub(crate) use faults::with_all_faults;
pub(crate) use image_file::has_image_ending;
pub(crate) use images::check_indices;
pub(crate) use selected::relabelled;

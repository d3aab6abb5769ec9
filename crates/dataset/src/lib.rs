//! Image-classification data: from bytes to batches, without a tensor library.
//!
//! [`Labelled`] images are a list that decodes on demand; a [`split`] cuts its indices into parts; a [`Preprocessing`] brings an image to the channels, the size and the range that a net
//! takes; a [`Loader`] makes batches of an epoch ahead of the training thread. Whatever is random
//! is a pure function of a seed and a place, so nothing has to be saved to continue a run.
//!
//! ```
//! use taper_dataset::split::{SplitConfig, stratified};
//! use taper_dataset::{Labelled, Loader, LoaderConfig, Preprocessing, cache, open};
//!
//! // The embedded 8x8 digits; a path to IDX files or to a folder per class does as well.
//! let data = open("digits")?;
//! let split = stratified(&data.train.labels(), &SplitConfig::default())?;
//!
//! // Decoded and placed into 28x28 once, then kept as bytes: those that are trained on.
//! let ready = cache(data.train, &split.train, &Preprocessing::mnist(), 1 << 30)?;
//!
//! let config = LoaderConfig { batch_size: 128, shuffle: true, seed: 42, ..LoaderConfig::default() };
//! let mut seen = 0;
//! for batch in Loader::new(ready.source, split.train, ready.preprocessing, config)? {
//!     let batch = batch?;
//!     assert_eq!(batch.images.len(), batch.shape.iter().product::<usize>());
//!     seen += batch.labels.len();
//! }
//! assert_eq!(seen, 1797 - 359);
//! # Ok::<(), taper_dataset::Error>(())
//! ```

mod error;
mod image;

pub mod random;
mod sampler;
pub mod split;

pub mod idx;
pub mod source;

mod normalize;
mod preprocessing;
mod resize;
mod resize_mode;

pub mod augment;
mod one_hot;

mod prepare;

mod batch;
mod cache;
mod pieces;

mod loader;
mod part;

mod describe;
pub mod inspect;
pub mod sheet;

pub use augment::Augment;
pub use batch::Batch;
pub use cache::{Cached, cache};
pub use describe::{Description, Normalization, describe};
pub use error::{Error, Result};
pub use image::Image;
pub use loader::{Loader, LoaderConfig};
pub use one_hot::one_hot;
pub use part::{EpochConfig, Part};
pub use pieces::Pieces;
pub use preprocessing::Preprocessing;
pub use resize::{Filter, resize};
pub use resize_mode::{Crop, ResizeMode};
pub use source::{
    Columns, Dataset, ImageFolder, ImageLimits, Images, InMemory, Labelled, LeftOut, open,
    open_with,
};

/// The README's example, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

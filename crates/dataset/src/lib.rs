//! Image-classification data: from bytes to batches, without a tensor library.
//!
//! A [`Source`] is a list of labelled images that decodes on demand; a [`split`] cuts its indices
//! into parts; a [`Pipeline`] brings an image to the channels, the size and the range that a net
//! takes; a [`Loader`] makes batches of an epoch ahead of the training thread. Whatever is random
//! is a pure function of a seed and a place, so nothing has to be saved to continue a run.
//!
//! ```
//! use taper_dataset::split::{SplitConfig, stratified};
//! use taper_dataset::{Loader, LoaderConfig, Pipeline, cache, open};
//!
//! // The embedded 8x8 digits; a path to IDX files or to a folder per class does as well.
//! let data = open("digits")?;
//! let split = stratified(&data.train.labels(), &SplitConfig::default())?;
//!
//! // Decoded and placed into 28x28 once, then kept as bytes.
//! let ready = cache(data.train, &Pipeline::mnist(), 1 << 30)?;
//!
//! let config = LoaderConfig { batch_size: 128, shuffle: true, seed: 42, ..LoaderConfig::default() };
//! let mut seen = 0;
//! for batch in Loader::new(ready.source, split.train, ready.pipeline, config)? {
//!     let batch = batch?;
//!     assert_eq!(batch.images.len(), batch.shape.iter().product::<usize>());
//!     seen += batch.labels.len();
//! }
//! assert_eq!(seen, 1797 - 359);
//! # Ok::<(), taper_dataset::Error>(())
//! ```

mod error;
mod image;

pub mod idx;
pub mod source;

pub mod random;
pub mod sampler;
pub mod split;

mod placement;
mod resize;

pub mod augment;

mod normalize;
mod one_hot;

mod describe;
pub mod inspect;
pub mod sheet;

mod batch;
mod loader;
mod pipeline;

pub use augment::Augment;
pub use batch::Batch;
pub use describe::{Description, describe};
pub use error::{Error, Result};
pub use image::Image;
pub use loader::{Loader, LoaderConfig};
pub use normalize::Normalize;
pub use one_hot::one_hot;
pub use pipeline::{Cached, Pipeline, cache};
pub use placement::{Crop, Placement, place_digit};
pub use resize::{Filter, resize};
pub use source::{Columns, Dataset, ImageFolder, ImageLimits, InMemory, Source, open, open_with};

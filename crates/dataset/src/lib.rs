//! Image-classification data: from bytes to batches, without a tensor library.
//!
//! [`Labelled`] images are a list that decodes on demand; a [`split`] cuts its indices into parts; a [`Pipeline`] brings an image to the channels, the size and the range that a net
//! takes; a [`Loader`] makes batches of an epoch ahead of the training thread. Whatever is random
//! is a pure function of a seed and a place, so nothing has to be saved to continue a run.
//!
//! ```
//! use taper_dataset::split::{SplitConfig, stratified};
//! use taper_dataset::{Labelled, Loader, LoaderConfig, Pipeline, cache, open};
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

pub mod random;
pub mod sampler;
pub mod split;

pub mod idx;
pub mod source;

mod normalize;
mod placement;
mod resize;

mod pipeline;

pub mod augment;
mod one_hot;

mod prepare;

mod batch;
mod cache;
mod loader;

mod describe;
pub mod inspect;
pub mod sheet;

pub use augment::Augment;
pub use batch::Batch;
pub use cache::{Cached, cache};
pub use describe::{Description, describe};
pub use error::{Error, Result};
pub use image::Image;
pub use loader::{Loader, LoaderConfig};
pub use normalize::Normalize;
pub use one_hot::one_hot;
pub use pipeline::Pipeline;
pub use placement::{Crop, Placement, place_digit};
pub use resize::{Filter, resize};
pub use source::{
    Columns, Dataset, ImageFolder, ImageLimits, Images, InMemory, Labelled, open, open_with,
};

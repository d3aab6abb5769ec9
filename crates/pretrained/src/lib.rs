//! Checkpoints to start from: finding them, what they say of themselves, how others' are written.
//!
//! [`Pretrained::open`] finds weights by a name that [`Models`] knows, in a folder, in a file or on the
//! Hub. [`CheckpointMetadata`] is what they say of themselves, in the words of timm, of transformers or of
//! our own [`ModelConfig`], which is timm's. [`Fit`] says how a file's tensors become a net's, and
//! [`transformers_export`] writes a net as transformers reads it.
//!
//! ```no_run
//! use taper_pretrained::{Models, Pretrained};
//!
//! let pretrained = Pretrained::open("runs/photos-1", &Models::new())?;
//! if let Some(metadata) = &pretrained.metadata {
//!     println!("{} for {} classes", metadata.net, metadata.label_names.len());
//! }
//! # Ok::<(), taper_pretrained::PretrainedError>(())
//! ```

mod error;

mod models;

mod model_config;

mod classes;
mod json;
mod metadata;

mod timm;
mod transformers;
mod transformers_export;

mod contamination;
mod fit;
mod likely_net;
mod usual;

mod read;

mod adapter;
mod pretrained;

pub use adapter::save_adapter;
pub use classes::{ClassMatch, match_classes, numbered, shortened};
pub use contamination::{TRAINED_ON, trained_on};
pub use error::PretrainedError;
pub use fit::{Fit, Rename};
pub use json::{BadClasses, BadPreprocessing, check_classes, check_preprocessing};
pub use likely_net::{LikelyNet, likely_nets};
pub use metadata::CheckpointMetadata;
pub use model_config::{CalibrationConfig, ModelConfig, Rejection};
pub use models::Models;
#[cfg(feature = "hub")]
pub use models::OnDownload;
pub use pretrained::Pretrained;
pub use read::read_config;
pub use transformers_export::transformers_export;

/// The README's example, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

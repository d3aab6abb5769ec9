//! A trained image classifier: opened from a run's folder, a folder in the Hub's layout, a file or the Hub,
//! and asked about images. No training code, no optimizer.
//!
//! [`Classifier::open`] opens one; [`Classifier::predictions`] answers image files,
//! [`Classifier::probabilities`] images in memory, [`Classifier::evaluate`] a labelled part of a data set.
//!
//! ```no_run
//! use taper_classifier::{Classifier, DeviceChoice};
//! use taper_pretrained::Models;
//!
//! let device = DeviceChoice::Auto.open()?;
//! let classifier = Classifier::open("runs/photos-1", &device, &Models::new())?;
//! for predictions in classifier.predictions(&["photo.png".into()], 1)? {
//!     for prediction in predictions? {
//!         println!("{}: {}", prediction.image, prediction.classes[0].class_name);
//!     }
//! }
//! # Ok::<(), taper_classifier::ClassifierError>(())
//! ```

mod error;

mod device;

mod activations;
mod tta;

mod evaluation;

mod evaluate;

mod classifier;

mod probabilities;

mod predictions;
mod summary;

/// candle, in the version that this crate is built with: its tensors are those that this crate takes.
pub use candle_core as candle;

pub use activations::{evaluation_batch, layer_outputs};
pub use classifier::Classifier;
pub use device::{DeviceChoice, gpu_name};
pub use error::ClassifierError;
pub use evaluate::{evaluate, evaluate_by, evaluate_tta, images_of};
pub use evaluation::{Evaluation, top_k};
pub use predictions::{ClassProbability, Prediction, Predictions};
pub use summary::summarize;
pub use tta::Tta;

/// The README's example, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

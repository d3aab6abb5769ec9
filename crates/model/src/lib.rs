//! Layers, nets, losses and pretrained weights for candle.
//!
//! A net here is candle's `ModuleT` over candle's tensors, built from candle's `VarBuilder` or a
//! [`ParamBuilder`], which can carry more; what this crate adds is where the tensors come from and that the gradients are right.
//!
//! - [`weights`]: a safetensors file to a net's parameters, with a report of every tensor, and
//!   back. [`params`]: the parameters by name.
//! - [`init`] and [`rng`]: seeded initial values, and seeded randomness for layers such as
//!   dropout. No state: every number is a function of the seed and of where and when it is drawn.
//! - [`layers`], [`nets`] and [`loss`]: the parts of a model. [`summary`] lists them as a table.
//! - [`lora`]: low-rank adapters beside frozen layers.
//! - [`gradcheck`]: checks of layers by finite differences, for layers of your own too.
//!
//! From a checkpoint with ten classes to the gradients of a net with three:
//!
//! ```
//! use std::collections::BTreeMap;
//!
//! use candle_core::{DType, Device, ModuleT, Tensor};
//! use taper_model::loss::CrossEntropy;
//! use taper_model::nets::{self, NetConfig};
//! use taper_model::rng::RngKey;
//! use taper_model::weights::{self, Layout, TensorFile, Weights, WeightsConfig};
//!
//! let key = RngKey::new(7);
//! let info = nets::find("lenet5").expect("it is one of ours");
//! let device = Device::Cpu;
//!
//! // A checkpoint; here of fresh weights.
//! let folder = tempfile::tempdir()?;
//! let path = folder.path().join("model.safetensors");
//! let fresh = Weights::new(WeightsConfig { seed: 7, ..WeightsConfig::default() })?;
//! (info.build)(&info.config(), fresh.var_builder(DType::F32, &device), &key)?;
//! weights::save(&path, &fresh.finish()?.0, &BTreeMap::new())?;
//!
//! // The same net for three classes: the head is new, the first convolution frozen.
//! let config = NetConfig { num_classes: 3, ..info.config() };
//! let weights = Weights::new(WeightsConfig {
//!     source: Some(TensorFile::read(&path)?),
//!     freeze: vec!["conv1.*".to_string()],
//!     ..info.weights_config(&config, Layout::PyTorch)
//! })?;
//! let net = (info.build)(&config, weights.var_builder(DType::F32, &device), &key)?;
//! let (params, report) = weights.finish()?;
//! assert_eq!((report.loaded.len(), report.initialized.len()), (8, 2));
//!
//! // A step's forward and backward pass.
//! key.set_step(0);
//! let images = Tensor::ones((2, 1, 28, 28), DType::F32, &device)?;
//! let labels = Tensor::new(&[0u32, 2], &device)?;
//! let logits = net.forward_t(&images, true)?;
//! let loss = CrossEntropy::default().class_ids(&logits, &labels)?;
//! let gradients = taper_model::backward(&loss)?;
//! assert_eq!(params.trainable().len(), 8);
//! assert!(params.trainable().iter().all(|(_, var)| gradients.get(var).is_some()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod builder;
pub mod gradcheck;
pub mod init;
pub mod layers;
pub mod lora;
pub mod loss;
pub mod nets;
pub mod params;
pub mod pattern;
mod recompute;
pub mod rng;
pub mod summary;
mod tensor_error;
pub mod weights;

/// candle, in the version that this crate is built with: its tensors are those that this crate takes.
pub use candle_core as candle;

pub use builder::ParamBuilder;
pub use init::Initializer;
pub use params::{Param, ParamKind, Params, ParamsError};
pub use rng::{LayerRng, RngKey};
pub use taper_kernels::{
    keep_gpu_memory, kept_memory,
    relay::{backward, has_gradient, with_gradient, without_gradients},
};
pub use tensor_error::tensor_message;
pub use weights::{LoadReport, TensorFile, Weights, WeightsConfig, WeightsError};

/// The page's code, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/adding-a-layer.md")]
struct AddingALayer;

/// The README's example, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

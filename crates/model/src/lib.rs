//! Layers, nets, losses and pretrained weights for candle.
//!
//! - [`weights`] stands behind candle's `VarBuilder`: a checkpoint's tensors are mapped, converted,
//!   replaced or initialized, and a report says which; [`params`] holds them by name.
//! - [`layers`] and [`nets`] are plain candle `Module`s with right gradients, in PyTorch's names and
//!   layouts; [`loss`] has the cross-entropy.
//! - [`init`] and [`rng`] make every random number a function of (seed, where, when).
//! - [`summary`] tells what a net is made of, [`gradcheck`] whether a layer is right, yours too.
//!
//! One step of training, with candle's own optimizer:
//!
//! ```
//! use candle_core::{DType, Device, ModuleT, Tensor};
//! use candle_nn::{Optimizer, SGD};
//! use taper_model::loss::CrossEntropy;
//! use taper_model::nets::{self, NetConfig};
//! use taper_model::rng::RngKey;
//! use taper_model::weights::{Weights, WeightsConfig};
//!
//! // LeNet-5 for three classes, from seeded first values, its first convolution frozen.
//! let info = nets::find("lenet5").expect("it is one of ours");
//! let config = NetConfig { num_classes: 3, ..info.config() };
//! let weights = Weights::new(WeightsConfig {
//!     freeze: vec!["conv1.*".to_string()],
//!     seed: 7,
//!     ..WeightsConfig::default()
//! })?;
//! let key = RngKey::new(7);
//! let net = (info.build)(&config, weights.var_builder(DType::F32, &Device::Cpu), &key)?;
//! let (params, report) = weights.finish()?;
//! assert_eq!(report.initialized.len(), 10);
//! assert_eq!(params.trainable().len(), 8);
//!
//! // Images and labels; `key.set_step` gives each batch its own dropout masks.
//! let images = Tensor::arange(0f32, 1568.0, &Device::Cpu)?.reshape((2, 1, 28, 28))?;
//! let images = (images / 1568.0)?;
//! let labels = Tensor::new(&[0u32, 2], &Device::Cpu)?;
//! let vars = params.trainable().into_iter().map(|(_, var)| var).collect();
//! let mut optimizer = SGD::new(vars, 0.1)?;
//! let mut losses = Vec::new();
//! for step in 0..2 {
//!     key.set_step(step);
//!     let loss = CrossEntropy::default().class_ids(&net.forward_t(&images, true)?, &labels)?;
//!     optimizer.backward_step(&loss)?;
//!     losses.push(loss.to_scalar::<f32>()?);
//! }
//! assert!(losses[1] < losses[0]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A net here is candle's `ModuleT` over candle's tensors, built from a candle `VarBuilder`; what
//! this crate adds is where the tensors come from and that the gradients are right.
//!
//! - [`weights`]: a safetensors file to a net's parameters, with a report of every tensor, and
//!   back. [`params`]: the parameters by name.
//! - [`init`] and [`rng`]: seeded initial values, and seeded randomness for layers such as
//!   dropout. No state: every number is a function of the seed and of where and when it is drawn.
//! - [`layers`], [`nets`] and [`loss`]: the parts of a model. [`summary`] lists them as a table.
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
//!     ..WeightsConfig::for_net(info, &config, Layout::PyTorch)
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
//! let gradients = loss.backward()?;
//! assert_eq!(params.trainable().len(), 8);
//! assert!(params.trainable().iter().all(|(_, var)| gradients.get(var).is_some()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod gradcheck;
pub mod init;
pub mod layers;
pub mod loss;
pub mod nets;
pub mod params;
pub mod rng;
pub mod summary;
pub mod weights;

pub use init::Initializer;
pub use params::{Param, ParamKind, Params};
pub use rng::{LayerRng, RngKey};
pub use weights::{LoadReport, TensorFile, Weights, WeightsConfig, WeightsError};

/// The page's code, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/adding-a-layer.md")]
struct AddingALayer;

//! Low-rank adapters: fine-tuning a large net by a few numbers beside each layer.
//!
//! Beside a frozen dense layer or convolution stand two small ones, `lora_A` from the input to
//! `rank` features and `lora_B` from there to the output:
//! `y = layer(x) + alpha / rank * lora_B(lora_A(dropout(x)))`. `lora_B` starts at zero, so that the
//! net starts as it was. Names, shapes and scale are those of Python's `peft`.
//!
//! The adapter of one layer is [`layers::Lora`](crate::layers::Lora), and its files are written by
//! [`weights::save_adapter`](crate::weights::save_adapter). [`Linear`](crate::layers::Linear) and [`Conv2d`](crate::layers::Conv2d) ask for adapters by
//! themselves; a net that is built on [`Weights`](crate::weights::Weights) with
//! [`WeightsConfig::adapters`](crate::weights::WeightsConfig::adapters) gets them:
//!
//! ```
//! use candle_core::{DType, Device};
//! use taper_model::lora::{self, Adapters, LoraConfig};
//! use taper_model::nets;
//! use taper_model::rng::RngKey;
//! use taper_model::weights::{Weights, WeightsConfig};
//!
//! let info = nets::find("lenet5").expect("it is one of ours");
//! let key = RngKey::new(7);
//! let lora = LoraConfig { rank: 2, targets: vec!["fc1".into(), "conv2".into()], ..Default::default() };
//! let weights = Weights::new(WeightsConfig {
//!     trainable: lora::trainable(info.head),
//!     adapters: Some(Adapters { lora: lora.clone(), head: info.head.into(), key: key.clone() }),
//!     ..WeightsConfig::default()
//! })?;
//! let net = (info.build)(&info.config(), weights.var_builder(DType::F32, &Device::Cpu), &key)?;
//! let (params, _) = weights.finish()?;
//! let names: Vec<String> = params.trainable().into_iter().map(|(name, _)| name).collect();
//! let expected = ["conv2.lora_A.weight", "conv2.lora_B.weight", "fc1.lora_A.weight"];
//! assert_eq!(names[..3], expected);
//!
//! // One net without adapters that gives the same.
//! let merged = lora::merge(&params, &lora)?;
//! assert!(merged.get("fc1.lora_A.weight").is_none());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", 2021.

mod config;
mod merge;

pub use config::{Adapters, LoraConfig, trainable};
pub(crate) use config::{PARTS, is_target};
pub use merge::merge;

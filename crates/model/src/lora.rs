//! Low-rank adapters: fine-tuning a large net by a few numbers beside each layer.
//!
//! Beside a frozen dense layer or convolution stand two small ones, `lora_A` from the input to
//! `rank` features and `lora_B` from there to the output:
//! `y = layer(x) + alpha / rank * lora_B(lora_A(dropout(x)))`. `lora_B` starts at zero, so that the
//! net starts as it was. Names, shapes and scale are those of Python's `peft`.
//!
//! [`Linear`](crate::layers::Linear) and [`Conv2d`](crate::layers::Conv2d) ask for adapters by
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

mod adapter;
mod files;
mod grant;
mod merge;

pub use adapter::Lora;
pub(crate) use adapter::training;
pub use files::{ADAPTER_CONFIG, ADAPTER_WEIGHTS, AdapterConfig, read_adapter, save_adapter};
pub(crate) use grant::{attached, grant};
pub use merge::merge;

use crate::rng::RngKey;
use crate::weights::matches;

/// The last part of the name of the first of an adapter's two layers, and that of the second.
pub(crate) const PARTS: [&str; 2] = ["lora_A", "lora_B"];

/// Which layers are adapted, and how strongly.
#[derive(Clone, Debug, PartialEq)]
pub struct LoraConfig {
    /// Features between the two layers of an adapter, 1 or more; default 8.
    pub rank: usize,
    /// The adapter's output is multiplied by `alpha / rank`; default 16.
    pub alpha: f64,
    /// The probability that an element of the adapter's input is zeroed in training, from 0 to
    /// below 1; default 0.
    pub dropout: f64,
    /// Patterns of the layers' names; one that has no `*` also stands for all layers whose names
    /// end in it after a dot, as in `peft`: `qkv` for `blocks.0.attn.qkv`. Default `*`: all dense
    /// layers and convolutions but the head.
    pub targets: Vec<String>,
}

impl Default for LoraConfig {
    fn default() -> Self {
        Self { rank: 8, alpha: 16.0, dropout: 0.0, targets: vec!["*".to_string()] }
    }
}

impl LoraConfig {
    /// What an adapter's output is multiplied with.
    pub fn scale(&self) -> f64 {
        self.alpha / self.rank.max(1) as f64
    }

    /// Whether the layer called `name` is adapted.
    pub fn targets(&self, name: &str) -> bool {
        self.targets.iter().any(|target| is_target(target, name))
    }
}

/// Whether the layer called `name` is one that `target` stands for.
pub(crate) fn is_target(target: &str, name: &str) -> bool {
    let behind_a_dot = || name.strip_suffix(target).is_some_and(|rest| rest.ends_with('.'));
    matches(target, name) || (!target.is_empty() && behind_a_dot())
}

/// The adapters of a net in the making.
#[derive(Clone, Debug)]
pub struct Adapters {
    /// Which layers, and how.
    pub lora: LoraConfig,
    /// The prefix of the head, which is trained itself and gets none; empty for none.
    pub head: String,
    /// The randomness of the dropout.
    pub key: RngKey,
}

/// The patterns of what is trained beside frozen layers: the adapters and the head.
pub fn trainable(head: &str) -> Vec<String> {
    let mut patterns = PARTS.map(|part| format!("*.{part}.weight")).to_vec();
    if !head.is_empty() {
        patterns.push(format!("{head}.*"));
    }
    patterns
}

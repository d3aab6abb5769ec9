//! How pretrained weights are fine-tuned: what is trained, and at which rate.

use serde::{Deserialize, Serialize};

use super::keys::{Declared, settings};

/// Declares the methods: each a name in a recipe and the struct of its settings.
macro_rules! methods {
    ($($(#[$doc:meta])* $method:ident($settings:ident) = $name:literal,)*) => {
        /// Which parameters are trained.
        ///
        /// A net says as data what its blocks are and which layer is its head
        /// ([`NetInfo::stages`](taper_model::nets::NetInfo::stages)).
        ///
        /// `layer_decay` multiplies the learning rate of each block by that much for every block that
        /// is nearer to the head, so that what sees the image changes the least: with 0.75, the block
        /// before the head's has 0.75 of the rate, the one before that 0.5625. It goes on top of a
        /// group's `learning_rate_scale`.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "name")]
        #[non_exhaustive]
        pub enum Method {
            $($(#[$doc])* #[serde(rename = $name)] $method($settings),)*
        }

        impl Method {
            /// The methods' names in a recipe.
            pub const NAMES: &'static [&'static str] = &[$($name),*];

            pub(crate) const KEYS: &'static [&'static [Declared]] = &[$($settings::KEYS),*];

            /// Its name in a recipe.
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$method(_) => $name,)*
                }
            }
        }
    };
}

methods! {
    /// All parameters. The default.
    Full(FullMethod) = "full",
    /// The head alone. The rest runs in evaluation mode, and what it makes of an image is computed
    /// once and kept, so that all epochs but the first are nearly free. Whether it is kept changes no
    /// bit of the result.
    Head(HeadMethod) = "head",
    /// The head and the last blocks before it.
    LastN(LastNMethod) = "last-n",
    /// First the head alone, then all, the blocks nearer to the image at lower rates: a new head's
    /// first gradients do not spoil what is before it (Howard and Ruder, "Universal Language Model
    /// Fine-tuning for Text Classification", 2018).
    Gradual(GradualMethod) = "gradual",
    /// The head, and low-rank adapters beside layers that stay as they are (Hu et al., "LoRA", 2021;
    /// see [`taper_model::lora`]). What is saved is the adapter, in the layout of Python's `peft`.
    Lora(LoraMethod) = "lora",
}

settings! {
/// Settings of [`Method::Full`].
"method." => FullMethod {
    /// Of `full`: the factor of the learning rate from each block to the one before it, above 0, up to
    /// 1; 1: one rate for all.
    layer_decay: f64 = 1.0,
}
}

settings! {
/// Settings of [`Method::Head`].
"method." => HeadMethod {
    /// Of `head`: where the net's features are cached: `auto`, `memory`, `disk` or `off`.
    cache: FeatureCache = FeatureCache::Auto,
}
}

settings! {
/// Settings of [`Method::LastN`].
"method." => LastNMethod {
    /// Of `last-n`: how many blocks are trained besides the head, 0 or more.
    blocks: usize = 1,
    /// Of `last-n`: as for `full`.
    layer_decay: f64 = 1.0,
}
}

settings! {
/// Settings of [`Method::Gradual`].
"method." => GradualMethod {
    /// Of `gradual`: epochs in which the head alone is trained, 1 or more.
    frozen_epochs: usize = 1,
    /// Of `gradual`: blocks that are unfrozen with each epoch after that, from the head on; 0: all at
    /// once.
    blocks_per_epoch: usize = 0,
    /// Of `gradual`: as for `full`.
    layer_decay: f64 = 0.75,
}
}

settings! {
/// Settings of [`Method::Lora`].
"method." => LoraMethod {
    /// Of `lora`: features between the two halves of an adapter, 1 or more.
    rank: usize = 8,
    /// Of `lora`: an adapter's output is multiplied by `alpha / rank`.
    alpha: f64 = 16.0,
    /// Of `lora`: dropout of an adapter's input in training, from 0 to below 1.
    dropout: f64 = 0.0,
    /// Of `lora`: patterns of the layers' names, or their last parts (`qkv`); empty: the net's own
    /// choice, for a vision transformer its attention, for a ResNet the blocks' convolutions.
    targets: Vec<String> = [],
    /// With the method `lora`: also save the net with the adapters merged into its weights.
    merge: bool = false,
}
}

impl Default for Method {
    fn default() -> Self {
        Self::Full(FullMethod::default())
    }
}

/// Where the features of a frozen net are cached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum FeatureCache {
    /// In memory up to 1 GiB, on disk above that; nowhere for a net that is not made of a body and
    /// a head.
    #[default]
    Auto,
    /// In memory.
    Memory,
    /// In a file in the run's folder without a name, which is gone when the run ends.
    Disk,
    /// Nowhere: they are computed again in each epoch.
    Off,
}

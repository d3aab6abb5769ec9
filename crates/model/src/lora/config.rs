//! Which layers are adapted, and how.

use crate::pattern::{is_under, matches};
use crate::rng::RngKey;

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

impl Adapters {
    /// Whether the layer called `name` gets one.
    pub(crate) fn are_for(&self, name: &str) -> bool {
        let is_head = || is_under(std::slice::from_ref(&self.head), name);
        // Without a name there would be none for the adapter's parameters.
        !name.is_empty() && self.lora.targets(name) && (self.head.is_empty() || !is_head())
    }

    /// The layer beside which the parameter called `name` stands, if it is an adapter's.
    pub(crate) fn layer_of(name: &str) -> Option<&str> {
        PARTS
            .iter()
            .find_map(|part| name.strip_suffix(".weight")?.strip_suffix(part)?.strip_suffix('.'))
    }
}

/// The patterns of what is trained beside frozen layers: the adapters and the head.
pub fn trainable(head: &str) -> Vec<String> {
    let mut patterns = PARTS.map(|part| format!("*.{part}.weight")).to_vec();
    if !head.is_empty() {
        patterns.push(format!("{head}.*"));
    }
    patterns
}

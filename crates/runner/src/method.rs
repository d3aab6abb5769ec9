//! What a method comes to for a net: the parameters that are trained, epoch by epoch, and their
//! rates.

mod groups;
#[cfg(test)]
mod tests;

use taper_model::lora::{self, Adapters, LoraConfig};
use taper_model::nets::NetInfo;
use taper_model::rng::RngKey;

use crate::error::{RunnerError, setting};
use crate::recipe::{FullMethod, GradualMethod, LastNMethod, LoraMethod, Method};

pub(crate) use groups::groups;

/// What is trained in some epochs of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TrainableSet {
    /// Patterns of the parameters; empty: all.
    pub trainable: Vec<String>,
    /// Whether that is the head alone, so that the rest runs in evaluation mode.
    pub head_only: bool,
}

impl TrainableSet {
    fn all() -> Self {
        Self { trainable: Vec::new(), head_only: false }
    }

    fn head(net: &NetInfo) -> Self {
        Self { trainable: vec![format!("{}.*", net.head)], head_only: true }
    }

    /// The head and the `blocks` before it.
    fn last(net: &NetInfo, blocks: usize) -> Self {
        let steps = &net.stages;
        let first = steps.len().saturating_sub(blocks.saturating_add(1));
        match first {
            0 => Self::all(),
            _ => Self { trainable: steps[first..].concat(), head_only: false },
        }
    }
}

impl Method {
    /// What is trained in an epoch: a function of the epoch alone, so that a resumed run needs
    /// nothing else.
    pub(crate) fn trainable_set(&self, net: &NetInfo, epoch: usize) -> TrainableSet {
        match *self {
            Self::Gradual(GradualMethod { frozen_epochs, blocks_per_epoch, .. }) => {
                match epoch.checked_sub(frozen_epochs) {
                    None => TrainableSet::head(net),
                    Some(_) if blocks_per_epoch == 0 => TrainableSet::all(),
                    Some(after) => {
                        TrainableSet::last(net, (after + 1).saturating_mul(blocks_per_epoch))
                    }
                }
            }
            _ => self.largest_set(net),
        }
    }

    /// All that is trained at some time.
    pub(crate) fn largest_set(&self, net: &NetInfo) -> TrainableSet {
        match *self {
            Self::Full(_) | Self::Gradual(_) => TrainableSet::all(),
            Self::Head(_) => TrainableSet::head(net),
            Self::LastN(LastNMethod { blocks, .. }) => TrainableSet::last(net, blocks),
            Self::Lora(_) => {
                TrainableSet { trainable: lora::trainable(net.head), head_only: false }
            }
        }
    }

    /// The adapters that it puts beside the net's layers.
    pub(crate) fn adapters(&self, net: &NetInfo, seed: u64) -> Option<Adapters> {
        let Self::Lora(LoraMethod { rank, alpha, dropout, targets, .. }) = self else {
            return None;
        };
        let targets = match targets.is_empty() {
            true => net.lora.iter().map(|target| target.to_string()).collect(),
            false => targets.clone(),
        };
        let lora = LoraConfig { rank: *rank, alpha: *alpha, dropout: *dropout, targets };
        Some(Adapters { lora, head: net.head.to_string(), key: RngKey::new(seed) })
    }

    fn layer_decay(&self) -> f64 {
        match *self {
            Self::Full(FullMethod { layer_decay })
            | Self::LastN(LastNMethod { layer_decay, .. })
            | Self::Gradual(GradualMethod { layer_decay, .. }) => layer_decay,
            Self::Head(_) | Self::Lora(_) => 1.0,
        }
    }

    /// Checks the settings, and that the net says what they need.
    ///
    /// # Errors
    /// A setting outside its range; a net without a head or blocks by name.
    pub(crate) fn check(&self, net: &NetInfo) -> Result<(), RunnerError> {
        if let (Self::LastN(LastNMethod { blocks, .. }), steps @ 1..) = (self, net.stages.len())
            && *blocks >= steps
        {
            let expected =
                format!("up to {}: `{}` has no more before its head", steps - 1, net.name);
            return Err(setting("method.blocks", blocks, expected));
        }
        let decay = self.layer_decay();
        if !(decay > 0.0 && decay <= 1.0) {
            return Err(setting("method.layer_decay", decay, "a number above 0, up to 1"));
        }
        if let Self::Gradual(GradualMethod { frozen_epochs: 0, .. }) = self {
            return Err(setting("method.frozen_epochs", 0, "1 or more"));
        }
        if let Self::Lora(LoraMethod { rank, alpha, dropout, .. }) = *self {
            if rank == 0 {
                return Err(setting("method.rank", rank, "1 or more"));
            }
            if !(alpha > 0.0 && alpha.is_finite()) {
                return Err(setting("method.alpha", alpha, "a number above 0"));
            }
            if !(0.0..1.0).contains(&dropout) {
                return Err(setting("method.dropout", dropout, "0 to below 1"));
            }
        }
        let needs_head = matches!(self, Self::Head(_) | Self::Gradual(_));
        let per_epoch = matches!(self, Self::Gradual(GradualMethod { blocks_per_epoch: 1.., .. }));
        let needs_blocks = matches!(self, Self::LastN(_)) || per_epoch || decay != 1.0;
        let unknown = |what| {
            let expected = format!("full without layer_decay: `{}` does not say {what}", net.name);
            Err(setting("method", self.name(), expected))
        };
        if needs_head && net.head.is_empty() {
            return unknown("which layer is its head");
        }
        if needs_blocks && net.stages.is_empty() {
            return unknown("what its blocks are");
        }
        Ok(())
    }
}

//! A loss: the focal loss.

use serde::{Deserialize, Serialize};
use taper_cli::taper_runner::candle::{D, Module, Tensor};
use taper_cli::taper_runner::taper_model::layers::Softmax;
use taper_cli::taper_runner::taper_model::loss::{Loss, LossError, Targets};

/// `-(1 - p)^gamma ln p` of the true class (Lin et al. 2017, <https://arxiv.org/abs/1708.02002>).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Focal {
    /// How little what is right already counts. Default 2; 0 is the cross-entropy.
    pub gamma: f64,
}

impl Default for Focal {
    fn default() -> Self {
        Self { gamma: 2.0 }
    }
}

impl Loss for Focal {
    fn loss(&self, logits: &Tensor, targets: &Targets) -> Result<Tensor, LossError> {
        let p = (Softmax.forward(logits)? * targets.shares(logits)?)?.sum(D::Minus1)?;
        let (sure, log) = (p.affine(-1.0, 1.0)?.clamp(1e-7, 1.0)?, p.clamp(1e-7, 1.0)?.log()?);
        Ok((sure.powf(self.gamma)? * log)?.mean_all()?.neg()?)
    }
}

//! The adapter beside a layer.

use std::cell::Cell;

use candle_core::{Result, Shape, Tensor};
use candle_nn::VarBuilder;
use taper_kernels::Conv2dConfig;

use crate::init::{self, Initializer};
use crate::lora::{Adapters, PARTS, granted};
use crate::recompute;
use crate::rng::LayerRng;

/// What stands beside a layer.
///
/// Parameters, below the layer's name: `lora_A.weight`, (rank, in) or (rank, in, kh, kw), from
/// PyTorch's default for such a layer, and `lora_B.weight`, (out, rank) or (out, rank, 1, 1), from
/// zero.
#[derive(Clone, Debug)]
pub struct Lora {
    /// From the layer's input to `rank` features.
    pub a: Tensor,
    /// From there to the layer's output.
    pub b: Tensor,
    /// What the output is multiplied with.
    pub scale: f64,
    /// The probability that an element of the input is zeroed in training.
    pub dropout: f64,
    rng: LayerRng,
}

impl Lora {
    /// The adapter of the layer that `vb` is for, if it gets one. `shapes` gives those of its two
    /// weights for a rank.
    pub(super) fn attached(
        vb: &VarBuilder<'_>,
        shapes: impl FnOnce(usize) -> (Shape, Shape),
    ) -> Result<Option<Self>> {
        let [first, second] = PARTS.map(|part| vb.pp(part));
        granted();
        if !first.contains_tensor("weight") {
            return Ok(None);
        }
        let Some(Adapters { lora, key, .. }) = granted() else {
            return Ok(None);
        };
        let (a, b) = shapes(lora.rank);
        Ok(Some(Self {
            a: init::get(&first, a, "weight", &Initializer::pytorch_weight())?,
            b: init::get(&second, b, "weight", &Initializer::Zeros)?,
            scale: lora.scale(),
            dropout: lora.dropout,
            rng: key.layer(&vb.pp("lora_dropout").prefix()),
        }))
    }

    /// What it adds to a dense layer's output.
    pub(crate) fn linear(&self, x: &Tensor) -> Result<Tensor> {
        let inner = taper_kernels::linear(&self.dropped(x)?, &self.a, None)?;
        taper_kernels::linear(&inner.affine(self.scale, 0.0)?, &self.b, None)
    }

    /// What it adds to a convolution's output; `lora_A` has the convolution's own geometry.
    pub(crate) fn conv2d(&self, x: &Tensor, geometry: &Conv2dConfig) -> Result<Tensor> {
        let inner = taper_kernels::conv2d(&self.dropped(x)?, &self.a, None, geometry)?;
        let inner = inner.affine(self.scale, 0.0)?;
        taper_kernels::conv2d(&inner, &self.b, None, &Conv2dConfig::default())
    }

    /// Its multiply-adds for one multiply-add of a layer of as many outputs.
    pub(crate) fn elements(&self) -> usize {
        self.a.elem_count() + self.b.elem_count()
    }

    fn dropped(&self, x: &Tensor) -> Result<Tensor> {
        // A segment that is computed again for its gradient is one of training.
        let training = TRAINING.get() || recompute::replaying();
        match self.dropout > 0.0 && training {
            true => taper_kernels::dropout(x, self.dropout, self.rng.next_seed()),
            false => Ok(x.clone()),
        }
    }
}

thread_local! {
    static TRAINING: Cell<bool> = const { Cell::new(false) };
}

/// Runs a net's forward pass, saying whether it is in training mode: dense layers and convolutions
/// are candle's `Module`s, which are not told, and their adapters' dropout has to know.
pub(crate) fn training<T>(train: bool, forward: impl FnOnce() -> T) -> T {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            TRAINING.set(self.0);
        }
    }
    let _restore = Restore(TRAINING.replace(train));
    forward()
}

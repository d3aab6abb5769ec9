//! The adapter beside a layer.

use candle_core::{Result, Shape, Tensor};
use taper_kernels::Conv2dConfig;

use crate::builder::ParamBuilder;
use crate::init::Initializer;
use crate::lora::{Adapters, PARTS};
use crate::rng::LayerRng;

/// A low-rank adapter beside a dense layer or convolution: `scale * b(a(dropout(x)))`, added to the
/// layer's output.
///
/// Parameters, below the layer's name: `lora_A.weight`, (rank, in) or (rank, in, kh, kw), from
/// PyTorch's default for such a layer, and `lora_B.weight`, (out, rank) or (out, rank, 1, 1), from
/// zero.
///
/// # Shapes
///
/// Those of the layer: (…, in) to (…, out), or (n, in, h, w) to (n, out, h', w').
///
/// Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", 2021.
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
        vb: &ParamBuilder<'_>,
        shapes: impl FnOnce(usize) -> (Shape, Shape),
    ) -> Result<Option<Self>> {
        let Some(Adapters { lora, key, .. }) = vb.adapters() else { return Ok(None) };
        let [first, second] = PARTS.map(|part| vb.pp(part));
        let (a, b) = shapes(lora.rank);
        Ok(Some(Self {
            a: first.get(a, "weight", Initializer::pytorch_weight())?,
            b: second.get(b, "weight", Initializer::Zeros)?,
            scale: lora.scale(),
            dropout: lora.dropout,
            rng: key.layer(&vb.pp("lora_dropout").prefix()),
        }))
    }

    /// What it adds to a dense layer's output.
    pub(super) fn linear(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let inner = taper_kernels::linear(&self.dropped(x, train)?, &self.a, None)?;
        taper_kernels::linear(&inner.affine(self.scale, 0.0)?, &self.b, None)
    }

    /// What it adds to a convolution's output; `lora_A` has the convolution's own geometry.
    pub(super) fn conv2d(
        &self,
        x: &Tensor,
        geometry: &Conv2dConfig,
        train: bool,
    ) -> Result<Tensor> {
        let inner = taper_kernels::conv2d(&self.dropped(x, train)?, &self.a, None, geometry)?;
        let inner = inner.affine(self.scale, 0.0)?;
        taper_kernels::conv2d(&inner, &self.b, None, &Conv2dConfig::default())
    }

    /// Its multiply-adds for one multiply-add of a layer of as many outputs.
    pub(super) fn elements(&self) -> usize {
        self.a.elem_count() + self.b.elem_count()
    }

    fn dropped(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        match self.dropout > 0.0 && train {
            true => taper_kernels::dropout(x, self.dropout, self.rng.next_seed()),
            false => Ok(x.clone()),
        }
    }
}

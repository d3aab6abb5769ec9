//! Stochastic depth.

use candle_core::{ModuleT, Result, Tensor, bail};

use crate::builder::ParamBuilder;
use crate::rng::{LayerRng, RngKey};
use crate::summary;

/// Stochastic depth: timm's `DropPath`, the last layer of a residual path.
///
/// In training each image's path is zeroed with probability `rate`, the others are divided by
/// `1 - rate`; in evaluation nothing happens. Its draws are a function of (seed, layer's name, step,
/// call within the step, image), as those of [`Dropout`](super::Dropout).
///
/// # Shapes
///
/// (n, …), to the same.
///
/// ```
/// use candle_core::{DType, Device, ModuleT, Tensor};
/// use candle_nn::{VarBuilder, VarMap};
/// use taper_model::layers::DropPath;
/// use taper_model::rng::RngKey;
///
/// let vb = VarBuilder::from_varmap(&VarMap::new(), DType::F32, &Device::Cpu);
/// let drop = DropPath::new(0.5, &RngKey::new(7), vb.pp("drop_path"))?;
/// let x = Tensor::ones((64, 2, 3), DType::F32, &Device::Cpu)?;
/// let images = drop.forward_t(&x, true)?.flatten_from(1)?.to_vec2::<f32>()?;
/// assert!(images.iter().all(|image| image == &[0.0; 6] || image == &[2.0; 6]));
/// assert_eq!(drop.forward_t(&x, false)?.sum_all()?.to_scalar::<f32>()?, 384.0);
/// # Ok::<(), candle_core::Error>(())
/// ```
///
/// Huang et al., "Deep Networks with Stochastic Depth", 2016.
#[derive(Clone, Debug)]
pub struct DropPath {
    /// The probability that an image's path is zeroed, from 0 to 1, 1 excluded.
    pub rate: f64,
    rng: LayerRng,
}

impl DropPath {
    /// One of `rate` whose draws come from `key` under the name of `vb`'s prefix; it asks `vb` for no
    /// tensor.
    ///
    /// # Errors
    ///
    /// A rate below 0, of 1 or more, or not a number.
    pub fn new<'a>(rate: f64, key: &RngKey, vb: impl Into<ParamBuilder<'a>>) -> Result<Self> {
        let vb = vb.into();
        let name = vb.prefix();
        if !(0.0..1.0).contains(&rate) {
            bail!("drop path `{name}`: the rate must be at least 0 and below 1, found {rate}");
        }
        Ok(Self { rate, rng: key.layer(&name) })
    }
}

impl ModuleT for DropPath {
    fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let y = if train && self.rate > 0.0 {
            let one = vec![1; x.rank().saturating_sub(1)];
            let images = Tensor::ones([&[x.dim(0)?], &one[..]].concat(), x.dtype(), x.device())?;
            let factors = taper_kernels::dropout(&images, self.rate, self.rng.next_seed())?;
            x.broadcast_mul(&factors)?
        } else {
            x.clone()
        };
        summary::record("DropPath", "", &y, |_| 0);
        Ok(y)
    }
}

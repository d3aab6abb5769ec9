//! Dropout.

use candle_core::{ModuleT, Result, Tensor, bail};

use crate::builder::ParamBuilder;
use crate::rng::{LayerRng, RngKey};
use crate::summary;

/// Inverted dropout: PyTorch's `nn.Dropout`.
///
/// In training each element is zeroed with probability `rate`, the others are divided by
/// `1 - rate`; in evaluation nothing happens. The mask is a function of (seed, layer's name, step,
/// call within the step, element), so a run that is resumed draws the masks it would have drawn;
/// which elements fall differs from PyTorch.
///
/// # Shapes
///
/// Any, to the same.
///
/// ```
/// use candle_core::{DType, Device, ModuleT, Tensor};
/// use candle_nn::{VarBuilder, VarMap};
/// use taper_model::layers::Dropout;
/// use taper_model::rng::RngKey;
///
/// let vb = VarBuilder::from_varmap(&VarMap::new(), DType::F32, &Device::Cpu);
/// let key = RngKey::new(7);
/// let dropout = Dropout::new(0.5, &key, vb.pp("dropout1"))?;
/// let x = Tensor::ones(1000, DType::F32, &Device::Cpu)?;
///
/// key.set_step(3);
/// let first = dropout.forward_t(&x, true)?.to_vec1::<f32>()?;
/// assert!(first.iter().all(|&y| y == 0.0 || y == 2.0));
/// key.set_step(4);
/// assert_ne!(dropout.forward_t(&x, true)?.to_vec1::<f32>()?, first);
/// key.set_step(3);
/// assert_eq!(dropout.forward_t(&x, true)?.to_vec1::<f32>()?, first);
/// # Ok::<(), candle_core::Error>(())
/// ```
///
/// Srivastava et al., "Dropout", 2014.
#[derive(Clone, Debug)]
pub struct Dropout {
    /// The probability that an element is zeroed, from 0 to 1, 1 excluded (PyTorch allows it).
    pub rate: f64,
    rng: LayerRng,
}

impl Dropout {
    /// A dropout of `rate` whose masks come from `key` under the name of `vb`'s prefix; it asks
    /// `vb` for no tensor.
    ///
    /// # Errors
    ///
    /// A rate below 0, of 1 or more, or not a number.
    pub fn new<'a>(rate: f64, key: &RngKey, vb: impl Into<ParamBuilder<'a>>) -> Result<Self> {
        let vb = vb.into();
        let name = vb.prefix();
        if !(0.0..1.0).contains(&rate) {
            bail!("dropout `{name}`: the rate must be at least 0 and below 1, found {rate}");
        }
        Ok(Self { rate, rng: key.layer(&name) })
    }
}

impl ModuleT for Dropout {
    fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let y = if train && self.rate > 0.0 {
            taper_kernels::dropout(x, self.rate, self.rng.next_seed())?
        } else {
            x.clone()
        };
        summary::record("Dropout", "", &y, |_| 0);
        Ok(y)
    }
}

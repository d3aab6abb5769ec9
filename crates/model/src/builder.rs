//! What layers are built from: a builder that gives parameters by name.

use candle_core::{DType, Device, Result, Shape, Tensor};
use candle_nn::VarBuilder;

use crate::init::Initializer;
use crate::lora::Adapters;
use crate::params::Params;
use crate::weights::{LoadReport, Request, Unwrap, Weights, WeightsConfig, WeightsError};

/// Gives a layer its parameters by name.
///
/// It is candle's `VarBuilder` with two things more that candle's cannot carry: an [`Initializer`]
/// for each parameter, and which layers get low-rank adapters. [`Weights::var_builder`] makes one,
/// and so does `.into()` from any `VarBuilder` of candle's: layers take either. For a layer of
/// candle's own, [`candle`](Self::candle) gives a `VarBuilder` back.
///
/// ```
/// use candle_core::{DType, Device};
/// use taper_model::init::Initializer;
/// use taper_model::weights::{Weights, WeightsConfig};
///
/// let weights = Weights::new(WeightsConfig { seed: 7, ..WeightsConfig::default() })?;
/// let vb = weights.var_builder(DType::F32, &Device::Cpu);
/// let weight = vb.pp("fc").get((10, 128), "weight", Initializer::GlorotUniform)?;
/// let bound = (6.0f32 / 138.0).sqrt();
/// assert!(weight.abs()?.max_all()?.to_scalar::<f32>()? <= bound);
///
/// let norm = candle_nn::batch_norm(8, 1e-5, vb.pp("norm").candle())?;
/// let (params, _) = weights.finish()?;
/// assert_eq!(params.names().next(), Some("fc.weight"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct ParamBuilder<'a> {
    source: Source<'a>,
    prefix: String,
    dtype: DType,
    device: Device,
}

#[derive(Clone)]
enum Source<'a> {
    Weights(Weights),
    /// At its root.
    Candle(VarBuilder<'a>),
}

impl Weights {
    /// The builder to build the net with.
    ///
    /// A request that can't be met is noted and answered with zeros, so that [`Weights::finish`]
    /// can tell of all. Asked for a name again, it gives the same tensor (shared weights); with
    /// another shape or dtype that is candle's error.
    pub fn var_builder(&self, dtype: DType, device: &Device) -> ParamBuilder<'static> {
        let source = Source::Weights(self.clone());
        ParamBuilder { source, prefix: String::new(), dtype, device: device.clone() }
    }

    /// Builds a net on weights: what [`new`](Self::new), [`var_builder`](Self::var_builder), `build` and
    /// [`finish`](Self::finish) do.
    ///
    /// Where the file does not fit, but does when a prefix is taken off its names (`module.`,
    /// `_orig_mod.module.`, `model.`, `backbone.`, …, as training tools add them), or the names of
    /// wrappers such as `_orig_mod` out of their middle, the net is built once more with that done, and
    /// [`LoadReport::notes`] says so. Tensors outside of the prefix are passed over if all of the net is
    /// below it. So `build` may be called twice.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new) and [`finish`](Self::finish), [`WeightsError::SeveralStates`] where the net
    /// is there under several prefixes; what `build` reports.
    pub fn load<T>(
        config: WeightsConfig,
        dtype: DType,
        device: &Device,
        build: impl Fn(ParamBuilder<'static>) -> Result<T>,
    ) -> std::result::Result<(T, Params, LoadReport), WeightsError> {
        let attempt = |unwrap: &Unwrap| {
            let weights = Self::unwrapped(config.clone(), unwrap)?;
            let net = build(weights.var_builder(dtype, device));
            Ok::<_, WeightsError>((weights, net))
        };
        let (mut weights, mut net) = attempt(&Unwrap::default())?;
        let mut finished = weights.finish();
        let fits = match &finished {
            Err(WeightsError::Faults { .. }) => false,
            // What may be missing and unused may be all there is.
            Ok((_, report)) => config.source.is_none() || !report.uses_nothing(),
            Err(_) => true,
        };
        if !fits && let Some(unwrap) = weights.find_unwrap(&config)? {
            (weights, net) = attempt(&unwrap)?;
            finished = weights.finish();
        }
        // A fault of the weights says more than what it led to in the net.
        let (params, report) = finished?;
        Ok((net?, params, report))
    }
}

impl<'a> From<VarBuilder<'a>> for ParamBuilder<'a> {
    fn from(vb: VarBuilder<'a>) -> Self {
        let (prefix, dtype, device) = (vb.prefix(), vb.dtype(), vb.device().clone());
        Self { source: Source::Candle(vb.root()), prefix, dtype, device }
    }
}

impl<'a> ParamBuilder<'a> {
    /// The builder of what is called `name` below this one: its prefix is longer by a dot and the
    /// name.
    pub fn pp(&self, name: impl ToString) -> Self {
        Self { prefix: self.full(&name.to_string()), ..self.clone() }
    }

    /// The builder without a prefix.
    pub fn root(&self) -> Self {
        Self { prefix: String::new(), ..self.clone() }
    }

    /// The names before this one, joined by dots: the layer's name.
    pub fn prefix(&self) -> String {
        self.prefix.clone()
    }

    /// The type of the parameters.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Where the parameters are.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The parameter called `name` below the prefix; where it has to be initialized, `initializer`
    /// says how.
    ///
    /// With [`Weights`] behind it the values are seeded. Any other backend (candle's `VarMap`, a
    /// plain safetensors file) gets the nearest of candle's own hints: the same distribution,
    /// except that the truncated normal is not cut, and unseeded on a CPU.
    ///
    /// # Errors
    ///
    /// Those of the backend. [`Weights`] gathers its own until it is finished, but for a name that
    /// was asked for with another shape before, and for more than 2^31 elements.
    pub fn get(
        &self,
        shape: impl Into<Shape>,
        name: &str,
        initializer: Initializer,
    ) -> Result<Tensor> {
        let (shape, name) = (shape.into(), self.full(name));
        match &self.source {
            Source::Weights(weights) => {
                let (dtype, device) = (self.dtype, &self.device);
                weights.answer(&Request { name: &name, shape, dtype, device }, initializer)
            }
            Source::Candle(vb) => {
                let hint = initializer.hint(&shape);
                vb.get_with_hints_dtype(shape, &name, hint, self.dtype)
            }
        }
    }

    /// The same builder as candle's, for layers that are not of this crate: initial values are as
    /// they ask, and none of them gets an adapter. Nor do layers of this crate that are built from
    /// it, whose truncated normals are not cut then: a layer that contains some takes a
    /// `ParamBuilder`.
    pub fn candle(&self) -> VarBuilder<'a> {
        let root = match &self.source {
            Source::Weights(weights) => {
                let backend = Box::new(weights.clone());
                VarBuilder::from_backend(backend, self.dtype, self.device.clone())
            }
            Source::Candle(vb) => vb.to_dtype(self.dtype),
        };
        if self.prefix.is_empty() { root } else { root.set_prefix(&self.prefix) }
    }

    /// The adapters, if this layer gets one.
    pub(crate) fn adapters(&self) -> Option<Adapters> {
        match &self.source {
            Source::Weights(weights) => weights.adapters_of(&self.prefix),
            Source::Candle(_) => None,
        }
    }

    fn full(&self, name: &str) -> String {
        if self.prefix.is_empty() { name.to_string() } else { format!("{}.{name}", self.prefix) }
    }
}

//! Pretrained weights: from a file's tensors to a net's parameters, and back to a file.
//!
//! [`Weights`] stands behind a [`ParamBuilder`](crate::ParamBuilder). As a net is built, it answers each request from
//! the file (after the key map and the layout), or with seeded initial values, and notes what it
//! did. [`Weights::finish`] then gives the [`Params`] and a [`LoadReport`], or all faults at once:
//! nothing is skipped in silence.
//!
//! ```
//! use std::collections::BTreeMap;
//! use candle_core::{DType, Device, Tensor};
//! use taper_model::weights::{TensorFile, Weights, WeightsConfig};
//!
//! // A checkpoint with ten classes, as a file would give it.
//! let tensor = |shape: &[usize]| Tensor::ones(shape, DType::F32, &Device::Cpu);
//! let file = TensorFile::from_tensors(
//!     BTreeMap::from([
//!         ("fc1.weight".to_string(), tensor(&[16, 4])?),
//!         ("fc1.bias".to_string(), tensor(&[16])?),
//!         ("fc2.weight".to_string(), tensor(&[10, 16])?),
//!         ("fc2.bias".to_string(), tensor(&[10])?),
//!     ]),
//!     "a checkpoint",
//! )?;
//!
//! // A net with three: the head is replaced, the first layer frozen. Layers of candle's own will do.
//! let weights = Weights::new(WeightsConfig {
//!     source: Some(file),
//!     head: vec!["fc2".to_string()],
//!     freeze: vec!["fc1.*".to_string()],
//!     ..WeightsConfig::default()
//! })?;
//! let vb = weights.var_builder(DType::F32, &Device::Cpu).candle();
//! let fc1 = candle_nn::linear(4, 16, vb.pp("fc1"))?;
//! let fc2 = candle_nn::linear(16, 3, vb.pp("fc2"))?;
//! let (params, report) = weights.finish()?;
//!
//! assert_eq!(report.loaded.len(), 2);
//! assert_eq!(report.initialized[1].note, "head replaced: the file has [10, 16]");
//! assert_eq!(params.trainable().len(), 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod adapt;
mod adapter_file;
mod answer;
mod buffers;
mod config;
mod error;
mod export;
mod find_unwrap;
mod key_map;
mod layout;
mod leftovers;
mod loading;
mod pickle;
mod position_grid;
mod read;
mod report;
mod save;
mod state_key;
mod tensor_file;
mod unwrap;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use candle_core::{DType, Device, Result, Shape, Tensor};
use candle_nn::Init;
use candle_nn::var_builder::SimpleBackend;

pub use adapter_file::{
    ADAPTER_CONFIG, ADAPTER_WEIGHTS, AdapterConfig, read_adapter, save_adapter,
};
pub(crate) use answer::Request;
pub use buffers::{NAMES_OF_NO_WEIGHTS, Role, role};
pub use config::{HeadClasses, WeightsConfig};
pub use error::WeightsError;
pub use export::export;
pub use find_unwrap::count_found;
pub use key_map::{Join, KeyMap};
pub use layout::{Flatten, Layout};
pub use position_grid::PositionGrid;
pub use report::{Entry, LoadReport};
pub use save::{save, save_as, to_bytes};
pub use tensor_file::{METADATA_KEY, TensorFile};

use crate::init::Initializer;
use crate::lora::Adapters;
use crate::params::Params;
use loading::{Loading, Source};
pub(crate) use unwrap::Unwrap;

/// The weights of a net in the making; see the [module](self).
///
/// [`Weights::var_builder`] builds the net. Clones share everything.
#[derive(Clone, Debug)]
pub struct Weights {
    loading: Arc<Mutex<Loading>>,
}

impl Weights {
    /// Weights as `config` says.
    ///
    /// # Errors
    ///
    /// What the file's names and layout alone show: [`WeightsError::SameName`],
    /// [`WeightsError::LayoutDiffers`], [`WeightsError::FlattenUnknown`],
    /// [`WeightsError::FlattenShape`], [`WeightsError::FlattenOfNothing`],
    /// [`WeightsError::Metadata`].
    pub fn new(config: WeightsConfig) -> std::result::Result<Self, WeightsError> {
        Self::unwrapped(config, &Unwrap::default())
    }

    /// Weights from the file of `config`, with `unwrap` taken off its names.
    pub(crate) fn unwrapped(
        config: WeightsConfig,
        unwrap: &Unwrap,
    ) -> std::result::Result<Self, WeightsError> {
        let source = match &config.source {
            None => Source::Nothing,
            Some(file) => Source::File(layout::map(
                file,
                &config.key_map,
                config.layout,
                config.flatten.as_ref(),
                unwrap,
            )?),
        };
        let file = config.source.as_ref();
        let report = LoadReport {
            source: file.map(|file| file.origin().to_string()),
            notes: file
                .map_or(&[][..], TensorFile::notes)
                .iter()
                .cloned()
                .chain(unwrap.note())
                .collect(),
            prefix: unwrap.prefix.clone(),
            ..LoadReport::default()
        };
        Ok(Self::with(Loading::new(WeightsConfig { source: None, ..config }, source, report)))
    }

    /// What has to be taken off the file's names where the net that was built does not find its own.
    pub(crate) fn find_unwrap(
        &self,
        config: &WeightsConfig,
    ) -> std::result::Result<Option<Unwrap>, WeightsError> {
        let wanted = self.lock().asked_for();
        find_unwrap::find_unwrap(config, &wanted)
    }

    /// Weights that hand out `params` again, for a net that is built anew with another set of
    /// frozen names.
    ///
    /// The values are shared with `params`, not copied; the kinds follow `freeze` alone. Every
    /// parameter must be asked for, with the same shape.
    pub fn from_params<S: Into<String>>(
        params: &Params,
        freeze: impl IntoIterator<Item = S>,
    ) -> Self {
        let freeze = freeze.into_iter().map(Into::into).collect();
        Self::rebuild(params, WeightsConfig { freeze, ..WeightsConfig::default() })
    }

    /// As [`from_params`](Self::from_params), the kinds following `freeze`, `trainable` and
    /// `freeze_statistics` of `config`, the adapters its `adapters`; of the rest of it nothing is
    /// used.
    pub fn rebuild(params: &Params, config: WeightsConfig) -> Self {
        let source = Source::Params(params.clone());
        let config = WeightsConfig { source: None, ..config };
        let origin = Some("the set of parameters".to_string());
        Self::with(Loading::new(
            config,
            source,
            LoadReport { source: origin, ..LoadReport::default() },
        ))
    }

    fn with(loading: Loading) -> Self {
        Self { loading: Arc::new(Mutex::new(loading)) }
    }

    /// The parameters that were asked for so far, and what became of each.
    ///
    /// # Errors
    ///
    /// [`WeightsError::Faults`] with all that is missing, mismatched or unused;
    /// [`WeightsError::NoLayerMatches`] and [`WeightsError::AllowsNothing`] for a target and a
    /// pattern that stand for nothing, likewise
    /// [`ParamsError::NothingMatches`](crate::ParamsError::NothingMatches) for a pattern to freeze
    /// by, in [`WeightsError::Params`].
    pub fn finish(&self) -> std::result::Result<(Params, LoadReport), WeightsError> {
        self.lock().finish()
    }

    /// The shape of a parameter as it was asked for, or else as the file has it, by the net's name.
    pub fn shape_of(&self, name: &str) -> Option<Shape> {
        self.lock().shape_of(name)
    }

    /// The parameter that is asked for; `initializer` says what it starts from where nothing else
    /// does.
    pub(crate) fn answer(&self, request: &Request<'_>, initializer: Initializer) -> Result<Tensor> {
        self.lock().answer(request, initializer)
    }

    /// What stands beside the layer called `name`, if it is adapted.
    pub(crate) fn adapters_of(&self, name: &str) -> Option<Adapters> {
        self.lock().adapters_of(name).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, Loading> {
        // A panic between two changes could at worst lose an entry of a run that panicked anyway.
        self.loading.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What candle's own layers ask.
impl SimpleBackend for Weights {
    fn get(
        &self,
        shape: Shape,
        name: &str,
        hint: Init,
        dtype: DType,
        device: &Device,
    ) -> Result<Tensor> {
        let initializer = Initializer::from_candle(hint, &shape);
        self.answer(&Request { name, shape, dtype, device }, initializer)
    }

    fn get_unchecked(&self, name: &str, dtype: DType, device: &Device) -> Result<Tensor> {
        let Some(shape) = self.lock().shape_of(name) else {
            candle_core::bail!("there is no tensor `{name}`, and no shape to initialize it with")
        };
        self.answer(&Request { name, shape, dtype, device }, Initializer::Zeros)
    }

    /// Whether the file (or the set of parameters) has the tensor, or it was asked for before.
    fn contains_tensor(&self, name: &str) -> bool {
        self.lock().shape_of(name).is_some()
    }
}

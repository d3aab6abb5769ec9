//! Pretrained weights: from a file's tensors to a net's parameters, and back to a file.
//!
//! [`Weights`] stands behind a candle `VarBuilder`. As a net is built, it answers each request from
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
//! // A net with three: the head is replaced, the first layer frozen. Any candle layer will do.
//! let weights = Weights::new(WeightsConfig {
//!     source: Some(file),
//!     head: vec!["fc2".to_string()],
//!     freeze: vec!["fc1.*".to_string()],
//!     ..WeightsConfig::default()
//! })?;
//! let vb = weights.var_builder(DType::F32, &Device::Cpu);
//! let fc1 = candle_nn::linear(4, 16, vb.pp("fc1"))?;
//! let fc2 = candle_nn::linear(16, 3, vb.pp("fc2"))?;
//! let (params, report) = weights.finish()?;
//!
//! assert_eq!(report.loaded.len(), 2);
//! assert_eq!(report.initialized[1].note, "head replaced: the file has [10, 16]");
//! assert_eq!(params.trainable().len(), 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod adapter_file;
mod backend;
mod buffers;
mod error;
mod export;
mod key_map;
mod layout;
mod pickle;
mod position_grid;
mod read;
mod report;
mod save;
mod sharded;
mod tensor_file;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{DType, Device};
use candle_nn::VarBuilder;

pub use adapter_file::{
    ADAPTER_CONFIG, ADAPTER_WEIGHTS, AdapterConfig, read_adapter, save_adapter,
};
pub use buffers::{NAMES_OF_NO_WEIGHTS, Role, role};
pub use error::WeightsError;
pub use export::export;
pub use key_map::{Join, KeyMap, NamedKeyMap};
pub use layout::{Flatten, Layout};
pub use position_grid::PositionGrid;
pub use report::{Entry, LoadReport};
pub use save::{save, save_as, to_bytes};
pub use sharded::{INDEX_SUFFIX, ShardIndex};
pub use tensor_file::{METADATA_KEY, TensorFile};

use crate::lora::Adapters;
use crate::params::Params;
use backend::{Source, State};

/// Where a net's weights come from, and what may differ.
///
/// The default has no file: all parameters are initialized from seed 0.
#[derive(Clone, Debug, Default)]
pub struct WeightsConfig {
    /// The file; `None` initializes everything.
    pub source: Option<TensorFile>,
    /// From the file's names to the net's; applied after the layout.
    pub key_map: KeyMap,
    /// Whose order of dimensions and names the file has.
    pub layout: Layout,
    /// For the layout [`Keras`](Layout::Keras): the dense weights, by the net's name, that follow a
    /// flatten.
    ///
    /// `None` takes them from the file's metadata; where that lacks them too, a file with both
    /// convolutions and dense layers is an error. An empty map says that there are none, as in a
    /// net that ends in a global average pool.
    pub flatten: Option<BTreeMap<String, Flatten>>,
    /// Prefixes of the head, such as `fc2`: it is initialized where the file's has another shape, or
    /// the file has none at all.
    pub head: Vec<String>,
    /// What becomes of a head that has the right shape. Default: it is kept.
    pub classes: HeadClasses,
    /// Prefixes of the stem, such as `conv1`: its convolution takes a file's input channels as 1
    /// (their sum), or repeats them and scales them down where more are needed, so that a gray image
    /// gives the same as its copy in several channels did.
    pub stem: Vec<String>,
    /// The position embeddings and the grid of patches, for a transformer: a file's for another grid
    /// are resampled.
    pub positions: Option<PositionGrid>,
    /// Patterns of the parameters to freeze; each must match one at least.
    pub freeze: Vec<String>,
    /// Patterns of the parameters that may be trained, each of which must match one at least; all
    /// others are frozen, and of these those that `freeze` names. Empty: all may.
    pub trainable: Vec<String>,
    /// Whether batch-norms use their running statistics in training too, and leave them as they
    /// are, though their scale and shift may be trained.
    pub freeze_statistics: bool,
    /// The low-rank adapters to put beside the net's layers. They are initialized; what of it all is
    /// trained is for `trainable` to say, see [`lora::trainable`](crate::lora::trainable).
    pub adapters: Option<Adapters>,
    /// Patterns of the parameters that the file may lack; they are initialized.
    pub allow_missing: Vec<String>,
    /// Patterns of the file's tensors, by the net's name or the file's, that the net may leave.
    pub allow_unused: Vec<String>,
    /// The seed of all initial values.
    pub seed: u64,
}

/// Which classes a file's head is for, beside those of the net.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum HeadClasses {
    /// The same, in the same order; or nobody knows.
    #[default]
    Same,
    /// The same in another order: for each class of the net its row in the file.
    Reordered(Vec<usize>),
    /// Others: the head is initialized, and this is said in the report.
    Others(String),
}

/// The weights of a net in the making; see the [module](self).
///
/// Clones share everything.
#[derive(Clone, Debug)]
pub struct Weights {
    state: Arc<Mutex<State>>,
}

impl Weights {
    /// Weights as `config` says.
    ///
    /// # Errors
    ///
    /// What the file's names and layout alone show: [`WeightsError::SameName`],
    /// [`WeightsError::LayoutDiffers`], [`WeightsError::FlattenUnknown`],
    /// [`WeightsError::FlattenShape`], [`WeightsError::FlattenOfNothing`].
    pub fn new(config: WeightsConfig) -> Result<Self, WeightsError> {
        let source = match &config.source {
            None => Source::Nothing,
            Some(file) => Source::File(layout::map(
                file,
                &config.key_map,
                config.layout,
                config.flatten.as_ref(),
            )?),
        };
        let origin = config.source.as_ref().map(|file| file.origin().to_string());
        Ok(Self::with(State::new(WeightsConfig { source: None, ..config }, source, origin)))
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
        Self::with(State::new(config, source, Some("the set of parameters".to_string())))
    }

    fn with(state: State) -> Self {
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// The builder to build the net with: ours or any other made for candle.
    ///
    /// A request that can't be met is noted and answered with zeros, so that [`Weights::finish`]
    /// can tell of all. Asked for a name again, it gives the same tensor (shared weights); with
    /// another shape or dtype that is candle's error.
    pub fn var_builder(&self, dtype: DType, device: &Device) -> VarBuilder<'static> {
        VarBuilder::from_backend(Box::new(self.clone()), dtype, device.clone())
    }

    /// The parameters that were asked for so far, and what became of each.
    ///
    /// # Errors
    ///
    /// [`WeightsError::Faults`] with all that is missing, mismatched or unused;
    /// [`WeightsError::NothingMatches`] for a pattern to freeze by.
    pub fn finish(&self) -> Result<(Params, LoadReport), WeightsError> {
        self.lock().finish()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        // A panic between two changes could at worst lose an entry of a run that panicked anyway.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

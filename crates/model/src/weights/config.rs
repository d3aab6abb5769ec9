//! Where a net's weights come from, and what may differ.

use std::collections::BTreeMap;

use super::key_map::KeyMap;
use super::layout::{Flatten, Layout};
use super::position_grid::PositionGrid;
use super::tensor_file::TensorFile;
use crate::lora::Adapters;
use crate::pattern::first_match;

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

impl WeightsConfig {
    /// Whether the weight `name` is frozen.
    pub(super) fn is_frozen(&self, name: &str) -> bool {
        let trainable = self.trainable.is_empty() || first_match(&self.trainable, name).is_some();
        !trainable || first_match(&self.freeze, name).is_some()
    }
}

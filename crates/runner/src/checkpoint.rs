//! Checkpoints: all that a run needs to go on as if it had never stopped.
//!
//! A [`Checkpoint`] is one safetensors file: parameters, buffers, the optimizer's state, averages,
//! and as TOML the position, the listeners' states, the recipe and what the run's result depends on
//! besides ([`Identity`]). No generator has a state to save: order, dropout and initialization are
//! functions of (seed, where, when). [`Checkpoints`] is the folder that holds a run's.

mod identity;
mod state;

mod file;
mod folder;
mod stage;

pub use file::CheckpointError;
pub use folder::{Checkpoints, Newest};
pub use identity::Identity;
#[doc(hidden)]
pub use stage::{Stage, at_each_stage};
pub use state::{Checkpoint, EpochValue, FORMAT, Header, Tensors};

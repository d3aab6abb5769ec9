//! What a run tells while it goes on: typed events, and who listens to them.
//!
//! The loop emits events and knows none of its listeners. A listener answers with a [`Verdict`], and
//! may have a state that checkpoints save.

mod counter;
mod listener;
mod log_file;

#[cfg(feature = "hub")]
mod download;
mod early_stopping;
mod history;
mod interrupt;
mod limit;
mod own;
mod plateau;
mod progress;
mod tensorboard;

pub use counter::{Counter, counted};
#[cfg(feature = "hub")]
pub(crate) use download::download_bar;
pub use early_stopping::EarlyStopping;
pub use history::History;
pub use interrupt::Interrupt;
pub use limit::Limit;
pub use listener::{Listener, Scored, Verdict, When};
pub(crate) use listener::{
    Verdicts, check_names, notify, notify_finished, notify_warnings, restore, show_scored, states,
    tell_working,
};
pub use plateau::Plateau;
pub use progress::Progress;
pub use taper_run_folder::{Epoch, Event, Step};
pub use tensorboard::TensorBoard;

/// The names of those that write a run's files.
pub(crate) const OF_FILES: [&str; 2] = ["history", "tensorboard"];

//! Which handle a result was made from: candle does not tell an operation what its argument came from.

use super::slot::Slot;
use candle_core::{Tensor, TensorId};
use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, MutexGuard, OnceLock, PoisonError};

/// Where a result stands on the tape, and where its gradient lies.
#[derive(Clone)]
pub(super) struct Link {
    pub handle: Tensor,
    pub slot: Slot,
}

/// The links of all results that live.
static LINKS: LazyLock<Mutex<HashMap<TensorId, Link>>> = LazyLock::new(Mutex::default);

fn links() -> MutexGuard<'static, HashMap<TensorId, Link>> {
    LINKS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The link of a result; nothing for other tensors.
pub(super) fn find(id: TensorId) -> Option<Link> {
    links().get(&id).cloned()
}

/// An entry of the table, for as long as it lives; empty at first.
#[derive(Default)]
pub(super) struct Entry(OnceLock<TensorId>);

impl Entry {
    pub fn fill(&self, id: TensorId, link: Link) {
        if self.0.set(id).is_ok() {
            links().insert(id, link);
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let link = self.0.get().and_then(|id| links().remove(id));
        // Only now that the table is free again: with the link other entries may go.
        drop(link);
    }
}

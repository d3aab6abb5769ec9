//! Which handle a result was made from: candle does not tell an operation what its argument came from.

use crate::element::sum;
use candle_core::{Result, Tensor, TensorId};
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, OnceLock, PoisonError};

/// Where a result stands on the tape, and where its gradient lies.
#[derive(Clone)]
pub(super) struct Link {
    pub handle: Tensor,
    pub slot: Slot,
}

/// The gradient of a result, so far: what was added and not yet taken.
#[derive(Clone, Default)]
pub(super) struct Slot(Arc<Mutex<Option<Tensor>>>);

impl Slot {
    pub fn add(&self, gradient: Tensor) -> Result<()> {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *slot = Some(match slot.take() {
            Some(before) => sum(&before, &gradient)?,
            None => gradient,
        });
        Ok(())
    }

    pub fn take(&self) -> Option<Tensor> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
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

//! Where the gradient of a result lies while a backward pass runs.

use crate::element::sum;
use candle_core::{CpuStorage, CustomOp1, DType, Device, Layout, Result, Shape, Tensor, Var};
use std::sync::{Arc, Mutex, PoisonError};

/// The gradient of a result, so far: what was added and not yet taken.
#[derive(Clone, Default)]
pub(super) struct Slot(Arc<Mutex<Option<Tensor>>>);

impl Slot {
    /// Adds a gradient of the result, and gives that of its handle: one element that nobody reads.
    ///
    /// The pass keeps what it is given for the handle until the handle's turn has come, or the pass fails, whoever's
    /// operation it is that does. With it the slot is emptied: nothing is left to another pass.
    pub fn add(&self, gradient: Tensor) -> Result<Tensor> {
        let filled = Filled(self.clone());
        // On a tape of its own, so that what candle adds to it keeps it.
        let of_handle = Var::zeros(1, DType::F32, &Device::Cpu)?.apply_op1(filled)?;
        let gradient = match self.take() {
            Some(before) => sum(&before, &gradient)?,
            None => gradient,
        };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(gradient);
        Ok(of_handle)
    }

    pub fn take(&self) -> Option<Tensor> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Empties the slot when it goes.
struct Filled(Slot);

impl Drop for Filled {
    fn drop(&mut self) {
        self.0.take();
    }
}

impl CustomOp1 for Filled {
    fn name(&self) -> &'static str {
        "relay"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        Ok((CpuStorage::F32(vec![0.]), 1.into()))
    }
}

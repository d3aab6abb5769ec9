//! Where the gradient of a result lies while a backward pass runs.

use super::pass::running;
use crate::element::sum;
use candle_core::{CpuStorage, CustomOp1, Device, Layout, Result, Shape, Tensor, Var, bail};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The gradients of a result, so far: what each pass added and has not yet taken. Passes over one graph may run at the
/// same time, on several threads.
#[derive(Clone, Default)]
pub(super) struct Slot(Arc<Mutex<Vec<Found>>>);

/// What one pass added.
struct Found {
    /// The pass.
    pass: u64,
    gradient: Tensor,
    /// The sum of the tickets that were given for it.
    tickets: f64,
}

impl Slot {
    fn found(&self) -> MutexGuard<'_, Vec<Found>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a gradient of the result, and gives that of its handle: one element, a ticket for it.
    ///
    /// The pass keeps what it is given for the handle until the handle's turn has come, or the pass fails, whoever's
    /// operation it is that does. With it the slot is emptied: nothing is left to another pass.
    pub fn add(&self, gradient: Tensor) -> Result<Tensor> {
        // Whole numbers of 32 bits, millions of which f64 adds without rounding.
        static TICKETS: AtomicU32 = AtomicU32::new(1);
        let ticket = f64::from(TICKETS.fetch_add(1, Ordering::Relaxed));
        let pass = running();
        let filled = Filled { slot: self.clone(), pass, ticket };
        // On a tape of its own, so that what candle adds to it keeps it.
        let of_handle = Var::new(&[ticket], &Device::Cpu)?.apply_op1(filled)?;
        let added = match self.remove(pass) {
            Some(Found { gradient: before, tickets, .. }) => {
                Found { pass, gradient: sum(&before, &gradient)?, tickets: tickets + ticket }
            }
            None => Found { pass, gradient, tickets: ticket },
        };
        self.found().push(added);
        Ok(of_handle)
    }

    /// The gradient that the running pass added; none where it added none. `of_handle` is what it has of the handle.
    pub fn take(&self, of_handle: &Tensor) -> Result<Option<Tensor>> {
        let found = self.remove(running());
        let tickets = found.as_ref().map_or(0., |found| found.tickets);
        if of_handle.to_vec1::<f64>()? != [tickets] {
            // On one thread a pass began while another waited within one of candle's operations.
            bail!(
                "gradients of one graph were asked for twice at once on one thread; call `backward` of taper-model \
                 (or of taper-kernels' `relay`) in place of candle's method"
            )
        }
        Ok(found.map(|found| found.gradient))
    }

    fn remove(&self, pass: u64) -> Option<Found> {
        let mut found = self.found();
        let place = found.iter().position(|found| found.pass == pass)?;
        Some(found.remove(place))
    }
}

/// Empties the slot of what a pass added when it goes.
struct Filled {
    slot: Slot,
    pass: u64,
    ticket: f64,
}

impl Drop for Filled {
    fn drop(&mut self) {
        // Only now that the slot is free again: with gradients results may go.
        drop(self.slot.remove(self.pass));
    }
}

impl CustomOp1 for Filled {
    fn name(&self) -> &'static str {
        "relay"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        Ok((CpuStorage::F64(vec![self.ticket]), 1.into()))
    }
}

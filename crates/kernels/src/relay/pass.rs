//! The backward passes that run on this thread, and what they found for variables.

use crate::element::sum;
use candle_core::{Result, Tensor, TensorId};
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

type Gradients = HashMap<TensorId, Tensor>;

thread_local! {
    /// What operations gave to variables so far, in the innermost pass last; `None` where that is left to the tape.
    /// Candle's own passes, whose beginning nobody tells, are not among them.
    static PASSES: RefCell<Vec<Option<Gradients>>> = const { RefCell::new(vec![]) };
    /// The numbers of these passes; the first is that of candle's own passes that run in none of them.
    static NUMBERS: RefCell<Vec<u64>> = RefCell::new(vec![number()]);
}

/// A number that nobody else has.
fn number() -> u64 {
    static NUMBERS: AtomicU64 = AtomicU64::new(0);
    NUMBERS.fetch_add(1, Ordering::Relaxed)
}

/// The number of the innermost pass that runs on this thread.
pub(super) fn running() -> u64 {
    NUMBERS.with_borrow(|numbers| numbers.last().copied()).unwrap_or_default()
}

/// A pass that runs; it ends when this is dropped, also by an error or a panic.
pub(super) struct Pass {
    depth: usize,
}

impl Pass {
    /// `collects` gradients of variables, or leaves them to the tape.
    pub(super) fn begin(collects: bool) -> Self {
        NUMBERS.with_borrow_mut(|numbers| numbers.push(number()));
        PASSES.with_borrow_mut(|passes| {
            passes.push(collects.then(Gradients::new));
            Self { depth: passes.len() - 1 }
        })
    }

    /// The gradients of variables that were collected.
    pub(super) fn take_found(&self) -> Gradients {
        PASSES.with_borrow_mut(|passes| passes[self.depth].take()).unwrap_or_default()
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        NUMBERS.with_borrow_mut(|numbers| numbers.truncate(self.depth + 1));
        let ended = PASSES.with_borrow_mut(|passes| passes.split_off(self.depth));
        // Only now that the list is free again: with gradients results may go.
        drop(ended);
    }
}

/// Adds to what the innermost pass found, or the one whose operation calls; where that leaves gradients to the tape,
/// gives it back.
pub(super) fn collect(of_caller: bool, id: TensorId, gradient: Tensor) -> Result<Option<Tensor>> {
    let collecting = PASSES.with_borrow_mut(|passes| {
        // In an operation's own backward pass, which leaves gradients to the tape.
        let outside = of_caller && passes.last().is_some_and(Option::is_none);
        let depth = passes.len().checked_sub(1 + usize::from(outside))?;
        Some((depth, passes[depth].as_mut()?.remove(&id)))
    });
    let Some((depth, before)) = collecting else { return Ok(Some(gradient)) };
    let gradient = match before {
        // The list is free: the threads that add may take up another pass meanwhile.
        Some(before) => sum(&before, &gradient)?,
        None => gradient,
    };
    PASSES.with_borrow_mut(|passes| {
        passes[depth].get_or_insert_default().insert(id, gradient);
    });
    Ok(None)
}

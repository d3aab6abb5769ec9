//! The backward passes that run on this thread, what they found, and the slots that they filled.

use crate::element::sum;
use candle_core::{Result, Tensor, TensorId};
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

type Gradients = HashMap<TensorId, Tensor>;
type Content = Mutex<Option<Tensor>>;

#[derive(Default)]
struct State {
    /// What operations gave to variables so far; `None` where candle's method may be what runs.
    found: Option<Gradients>,
    /// Slots that a step filled and no other has emptied yet.
    filled: Vec<Weak<Content>>,
}

thread_local! {
    /// The innermost last. The first stands for candle's own passes, whose beginning nobody tells.
    static PASSES: RefCell<Vec<State>> = RefCell::new(vec![State::default()]);
}

fn innermost<R>(f: impl FnOnce(&mut State) -> R) -> R {
    PASSES.with_borrow_mut(|passes| f(passes.last_mut().expect("the first is never taken")))
}

/// A pass that runs; it ends when this is dropped, also by an error or a panic, and leaves no gradient in a slot.
pub(super) struct Pass {
    depth: usize,
}

impl Pass {
    /// `collects` gradients of variables, or leaves them to the tape.
    pub(super) fn begin(collects: bool) -> Self {
        PASSES.with_borrow_mut(|passes| {
            passes.push(State { found: collects.then(Gradients::new), filled: Vec::new() });
            Self { depth: passes.len() - 1 }
        })
    }

    /// The gradients of variables that were collected.
    pub(super) fn take_found(&self) -> Gradients {
        PASSES.with_borrow_mut(|passes| passes[self.depth].found.take()).unwrap_or_default()
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let ended = PASSES.with_borrow_mut(|passes| passes.split_off(self.depth));
        // Only now that the list is free again: with gradients results may go.
        ended.into_iter().for_each(|state| empty(state.filled));
    }
}

fn empty(slots: Vec<Weak<Content>>) {
    for slot in slots.iter().filter_map(Weak::upgrade) {
        Slot(slot).take_content();
    }
}

/// Runs a step of the innermost pass. Where it fails or panics, so does the pass: its slots are emptied.
pub(super) fn step<R>(f: impl FnOnce() -> Result<R>) -> Result<R> {
    struct Unfinished;
    impl Drop for Unfinished {
        fn drop(&mut self) {
            empty(innermost(|pass| std::mem::take(&mut pass.filled)));
        }
    }
    let unfinished = Unfinished;
    let result = f()?;
    std::mem::forget(unfinished);
    Ok(result)
}

/// Adds to what the innermost pass found, or the one whose operation calls; where that leaves gradients to the tape,
/// gives it back.
pub(super) fn collect(of_caller: bool, id: TensorId, gradient: Tensor) -> Result<Option<Tensor>> {
    let (depth, before) = PASSES.with_borrow_mut(|passes| {
        let last = passes.len() - 1;
        // In an operation's own backward pass, which leaves gradients to the tape.
        let outside = of_caller && last > 0 && passes[last].found.is_none();
        let depth = last - usize::from(outside);
        (depth, passes[depth].found.as_mut().map(|found| found.remove(&id)))
    });
    let gradient = match before {
        None => return Ok(Some(gradient)),
        Some(None) => gradient,
        // The list is free: the threads that add may take up another pass meanwhile.
        Some(Some(before)) => sum(&before, &gradient)?,
    };
    PASSES.with_borrow_mut(|passes| {
        passes[depth].found.get_or_insert_default().insert(id, gradient);
    });
    Ok(None)
}

/// The gradient of a result, so far: what was added and not yet taken.
#[derive(Clone, Default)]
pub(super) struct Slot(Arc<Content>);

impl Slot {
    pub fn add(&self, gradient: Tensor) -> Result<()> {
        let gradient = match self.take() {
            Some(before) => sum(&before, &gradient)?,
            None => gradient,
        };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(gradient);
        innermost(|pass| pass.filled.push(Arc::downgrade(&self.0)));
        Ok(())
    }

    pub fn take(&self) -> Option<Tensor> {
        let this = Arc::as_ptr(&self.0);
        innermost(|pass| pass.filled.retain(|slot| slot.as_ptr() != this));
        self.take_content()
    }

    fn take_content(&self) -> Option<Tensor> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

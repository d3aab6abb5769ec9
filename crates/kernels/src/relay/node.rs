//! What stands on the tape: operations between handles of one element.

use super::pass::{Pass, collect};
use super::slot::Slot;
use super::table::{self, Entry, Link};
use candle_core::{
    CpuStorage, CustomOp1, CustomOp2, CustomOp3, Layout, Result, Shape, Tensor, bail,
};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// What an operation's forward pass gives.
type Output = (CpuStorage, Shape);

/// The gradients of an operation's inputs, from the inputs, the result and its gradient.
pub(crate) type Backward<const N: usize> =
    Box<dyn Fn([&Tensor; N], &Tensor, &Tensor) -> Result<[Option<Tensor>; N]> + Send + Sync>;

/// Puts an operation of one to three inputs with its output on the tape, and gives the result.
pub(crate) fn join<const N: usize>(
    output: Output,
    inputs: [&Tensor; N],
    backward: Backward<N>,
) -> Result<Tensor> {
    let links = inputs.map(|x| table::find(x.id()));
    let slot = Slot::default();
    let result = Arc::new(OnceLock::new());
    let node = Node {
        inputs: inputs.map(Tensor::clone),
        slots: std::array::from_fn(|i| links[i].as_ref().map(|link| link.slot.clone())),
        result: result.clone(),
        slot: slot.clone(),
        backward,
    };
    let on_tape: [&Tensor; N] =
        std::array::from_fn(|i| links[i].as_ref().map_or(inputs[i], |link| &link.handle));
    let handle = match on_tape[..] {
        [x] => x.apply_op1(node)?,
        [a, b] => a.apply_op2(b, node)?,
        [a, b, c] => a.apply_op3(b, c, node)?,
        _ => bail!("expected an operation of one to three inputs, found {N}"),
    };
    let entry = Arc::new(Entry::default());
    let output = Mutex::new(Some(output));
    let y = handle.apply_op1(ResultOp { output, slot: slot.clone(), entry: entry.clone() })?;
    // Detached: a node that holds its own result would never go.
    let _ = result.set(y.detach());
    entry.fill(y.id(), Link { handle, slot });
    Ok(y)
}

/// An operation of `N` inputs. What it gives on the tape is a handle.
struct Node<const N: usize> {
    inputs: [Tensor; N],
    /// For inputs that are results too.
    slots: [Option<Slot>; N],
    result: Arc<OnceLock<Tensor>>,
    slot: Slot,
    backward: Backward<N>,
}

impl<const N: usize> Node<N> {
    /// Takes the gradient of the result, and passes on those of the inputs. Those that have no slot go by the tape.
    fn propagate(&self, of_handle: &Tensor) -> Result<impl FnMut() -> Option<Tensor>> {
        let Some(result) = self.result.get() else { bail!("backward called before forward") };
        let gradient = match self.slot.take(of_handle)? {
            Some(gradient) => gradient,
            // It was used where no gradient comes from.
            None => result.zeros_like()?,
        };
        let inputs = std::array::from_fn(|i| &self.inputs[i]);
        // Another pass may run within the operation's own.
        let within = Pass::begin(false);
        let mut gradients = (self.backward)(inputs, result, &gradient)?;
        drop(within);
        for ((gradient, slot), input) in gradients.iter_mut().zip(&self.slots).zip(inputs) {
            if let Some(slot) = slot {
                let found = gradient.take();
                // Something, so that the handle's turn comes.
                *gradient = Some(found.map_or_else(|| of_handle.zeros_like(), |g| slot.add(g))?);
            } else if let Some(found) = gradient.take_if(|_| input.is_variable()) {
                *gradient = collect(false, input.id(), found)?;
            }
        }
        let mut gradients = gradients.into_iter();
        Ok(move || gradients.next().flatten())
    }
}

/// A handle's one element; nobody reads it.
fn handle() -> Result<Output> {
    Ok((CpuStorage::F64(vec![0.]), 1.into()))
}

impl<const N: usize> CustomOp1 for Node<N> {
    fn name(&self) -> &'static str {
        "relay"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<Output> {
        handle()
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        Ok(self.propagate(gradient)?())
    }
}

impl<const N: usize> CustomOp2 for Node<N> {
    fn name(&self) -> &'static str {
        "relay"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout, _: &CpuStorage, _: &Layout) -> Result<Output> {
        handle()
    }

    fn bwd(
        &self,
        _: &Tensor,
        _: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let mut next = self.propagate(gradient)?;
        Ok((next(), next()))
    }
}

impl<const N: usize> CustomOp3 for Node<N> {
    fn name(&self) -> &'static str {
        "relay"
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<Output> {
        handle()
    }

    fn bwd(
        &self,
        _: &Tensor,
        _: &Tensor,
        _: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let mut next = self.propagate(gradient)?;
        Ok((next(), next(), next()))
    }
}

/// From a handle to the result that it stands for.
struct ResultOp {
    output: Mutex<Option<Output>>,
    slot: Slot,
    /// The result's; both go together.
    #[expect(dead_code, reason = "it is there to be dropped")]
    entry: Arc<Entry>,
}

impl CustomOp1 for ResultOp {
    fn name(&self) -> &'static str {
        "relay"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<Output> {
        match self.output.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(output) => Ok(output),
            None => bail!("a result is made once"),
        }
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        self.slot.add(gradient.clone()).map(Some)
    }
}

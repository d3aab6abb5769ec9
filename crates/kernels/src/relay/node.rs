//! What stands on the tape: operations between handles of one element.

use super::Output;
use super::backward::{collect, within};
use super::table::{self, Entry};
use crate::add::sum;
use candle_core::{
    CpuStorage, CustomOp1, CustomOp2, CustomOp3, DType, Layout, Result, Tensor, bail,
};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Puts an operation with its output on the tape, and gives the result.
pub(super) fn join<const N: usize>(
    output: Output,
    inputs: [&Tensor; N],
    backward: impl Fn([&Tensor; N], &Tensor, &Tensor) -> Result<[Option<Tensor>; N]>
    + Send
    + Sync
    + 'static,
) -> Result<Tensor>
where
    Node<N>: OnTape<N>,
{
    let links = inputs.map(|x| table::find(x.id()));
    let slot = Slot::default();
    let result = Arc::new(OnceLock::new());
    let node = Node {
        inputs: inputs.map(Tensor::clone),
        slots: std::array::from_fn(|i| links[i].as_ref().map(|link| link.slot.clone())),
        result: result.clone(),
        slot: slot.clone(),
        backward: Box::new(backward),
    };
    let on_tape = |i: usize| links[i].as_ref().map_or(inputs[i], |link| &link.handle);
    let handle = node.put(std::array::from_fn(on_tape))?;
    let entry = Arc::new(Entry::default());
    let output = Mutex::new(Some(output));
    let y = handle.apply_op1(Leave { output, slot: slot.clone(), entry: entry.clone() })?;
    // Detached: a node that holds its own result would never go.
    let _ = result.set(y.detach());
    entry.fill(y.id(), Link { handle, slot });
    Ok(y)
}

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
    fn add(&self, gradient: Tensor) -> Result<()> {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *slot = Some(match slot.take() {
            Some(before) => sum(&before, &gradient)?,
            None => gradient,
        });
        Ok(())
    }

    fn take(&self) -> Option<Tensor> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The gradients of an operation's inputs, from the inputs, the result and its gradient.
type Backward<const N: usize> =
    Box<dyn Fn([&Tensor; N], &Tensor, &Tensor) -> Result<[Option<Tensor>; N]> + Send + Sync>;

/// An operation of `N` inputs. What it gives on the tape is a handle.
pub(super) struct Node<const N: usize> {
    inputs: [Tensor; N],
    /// For inputs that are results too.
    slots: [Option<Slot>; N],
    result: Arc<OnceLock<Tensor>>,
    slot: Slot,
    backward: Backward<N>,
}

/// How an operation of `N` inputs gets on the tape.
pub(super) trait OnTape<const N: usize> {
    fn put(self, inputs: [&Tensor; N]) -> Result<Tensor>;
}

impl OnTape<1> for Node<1> {
    fn put(self, [x]: [&Tensor; 1]) -> Result<Tensor> {
        x.apply_op1(self)
    }
}

impl OnTape<2> for Node<2> {
    fn put(self, [a, b]: [&Tensor; 2]) -> Result<Tensor> {
        a.apply_op2(b, self)
    }
}

impl OnTape<3> for Node<3> {
    fn put(self, [a, b, c]: [&Tensor; 3]) -> Result<Tensor> {
        a.apply_op3(b, c, self)
    }
}

impl<const N: usize> Node<N> {
    /// Takes the gradient of the result, and hands on those of the inputs. Those that have no slot go by the tape.
    fn hand_on(&self, of_handle: &Tensor) -> Result<[Option<Tensor>; N]> {
        let Some(result) = self.result.get() else { bail!("backward called before forward") };
        let gradient = match self.slot.take() {
            Some(gradient) => gradient,
            // It was used where no gradient comes from.
            None => result.zeros_like()?,
        };
        let inputs = std::array::from_fn(|i| &self.inputs[i]);
        let mut gradients = within(|| (self.backward)(inputs, result, &gradient))?;
        for ((gradient, slot), input) in gradients.iter_mut().zip(&self.slots).zip(inputs) {
            if let Some(slot) = slot {
                let found = gradient.replace(of_handle.clone());
                found.map_or(Ok(()), |found| slot.add(found))?;
            } else if let Some(found) = gradient.take_if(|_| input.is_variable()) {
                *gradient = collect(input, found)?;
            }
        }
        Ok(gradients)
    }
}

/// A handle's one element; nobody reads it.
fn handle() -> Result<Output> {
    Ok((CpuStorage::F32(vec![0.]), 1.into()))
}

impl CustomOp1 for Node<1> {
    fn name(&self) -> &'static str {
        "relay"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<Output> {
        handle()
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let [of_x] = self.hand_on(gradient)?;
        Ok(of_x)
    }
}

impl CustomOp2 for Node<2> {
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
        self.hand_on(gradient).map(Into::into)
    }
}

impl CustomOp3 for Node<3> {
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
        self.hand_on(gradient).map(Into::into)
    }
}

/// From a handle to the result that it stands for.
struct Leave {
    output: Mutex<Option<Output>>,
    slot: Slot,
    /// The result's; both go together.
    #[expect(dead_code, reason = "it is there to be dropped")]
    entry: Arc<Entry>,
}

impl CustomOp1 for Leave {
    fn name(&self) -> &'static str {
        "relay"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<Output> {
        match self.output.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(output) => Ok(output),
            None => bail!("a result is made once"),
        }
    }

    fn bwd(&self, handle: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        self.slot.add(gradient.clone())?;
        Tensor::zeros(handle.shape(), DType::F32, handle.device()).map(Some)
    }
}

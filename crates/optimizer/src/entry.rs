//! A parameter in an optimizer, with its state.

use candle_core::{DType, Device, Result, Shape, Tensor, Var, bail};

use crate::group::Assignment;
use crate::rule::{Slot, StepContext, WholeUpdate};
use crate::values::working_dtype;

#[derive(Debug)]
pub(crate) struct Entry {
    pub var: Var,
    pub assignment: Assignment,
    pub steps: u64,
    pub buffers: Buffers,
}

/// The state of one parameter: a buffer for each slot of the rule.
#[derive(Clone, Debug)]
pub(crate) enum Buffers {
    F32(Vec<Vec<f32>>),
    F64(Vec<Vec<f64>>),
    /// One-dimensional tensors on the parameter's device, where that is not the CPU.
    Device(Vec<Tensor>),
}

impl Entry {
    pub fn name(&self) -> &str {
        &self.assignment.parameter
    }

    /// The state on the parameter's device; empty on a CPU.
    pub fn tensors(&self) -> &[Tensor] {
        match &self.buffers {
            Buffers::Device(tensors) => tensors,
            Buffers::F32(_) | Buffers::F64(_) => &[],
        }
    }
}

impl Entry {
    /// Updates parameter and state by a rule that looks at them as a whole, in the state's dtype.
    pub fn update_whole(
        &mut self,
        whole: &dyn WholeUpdate,
        context: &StepContext,
        gradient: &Tensor,
    ) -> Result<()> {
        let (var, shape) = (&self.var, self.var.shape());
        let dtype = working_dtype(var.dtype());
        let working = |tensor: &Tensor| tensor.detach().to_dtype(dtype)?.contiguous();
        let slots = match &self.buffers {
            Buffers::F32(slots) => slots.len(),
            Buffers::F64(slots) => slots.len(),
            Buffers::Device(tensors) => tensors.len(),
        };
        let state = (0..slots).map(|slot| self.buffers.tensor(slot, shape));
        let state = state.collect::<Result<Vec<_>>>()?;
        let (parameter, gradient) = (working(var.as_tensor())?, working(gradient)?);
        let (parameter, state) = whole.update(context, &parameter, &gradient, &state)?;
        if state.len() != slots || state.iter().any(|new| new.shape() != shape) {
            let found: Vec<_> = state.iter().map(Tensor::dims).collect();
            bail!(
                "`{}`: the new state must be {slots} tensors of {shape:?}, found {found:?}",
                self.name()
            );
        }
        var.set(&parameter.to_dtype(var.dtype())?)?;
        self.buffers = self.buffers.with(&state, var)?;
        Ok(())
    }
}

impl Buffers {
    /// Fresh state for a parameter.
    pub fn new(slots: &[Slot], var: &Var) -> Result<Self> {
        if !var.device().is_cpu() {
            return Self::on_device(slots, var);
        }
        let count = var.elem_count();
        Ok(match working_dtype(var.dtype()) {
            DType::F64 => Self::F64(slots.iter().map(|slot| vec![slot.initial; count]).collect()),
            _ => Self::F32(slots.iter().map(|slot| vec![slot.initial as f32; count]).collect()),
        })
    }

    /// Fresh state in tensors.
    pub fn on_device(slots: &[Slot], var: &Var) -> Result<Self> {
        let tensor = |slot: &Slot| {
            let zeros = Tensor::zeros(var.elem_count(), working_dtype(var.dtype()), var.device())?;
            if slot.initial == 0.0 { Ok(zeros) } else { zeros.affine(1.0, slot.initial) }
        };
        Ok(Self::Device(slots.iter().map(tensor).collect::<Result<_>>()?))
    }

    /// The same kind of state with other values, which are copied.
    pub fn with(&self, tensors: &[Tensor], var: &Var) -> Result<Self> {
        let dtype = working_dtype(var.dtype());
        let flat = |tensor: &Tensor| tensor.detach().flatten_all()?.to_dtype(dtype);
        let host = |tensor: &Tensor| flat(tensor)?.to_device(&Device::Cpu);
        let tensors = tensors.iter();
        Ok(match self {
            Self::F32(_) => {
                Self::F32(tensors.map(|tensor| host(tensor)?.to_vec1()).collect::<Result<_>>()?)
            }
            Self::F64(_) => {
                Self::F64(tensors.map(|tensor| host(tensor)?.to_vec1()).collect::<Result<_>>()?)
            }
            Self::Device(_) => {
                let there = tensors.map(|tensor| flat(tensor)?.to_device(var.device())?.copy());
                Self::Device(there.collect::<Result<_>>()?)
            }
        })
    }

    /// A slot as a tensor of the shape, on the parameter's device or the CPU.
    pub fn tensor(&self, slot: usize, shape: &Shape) -> Result<Tensor> {
        match self {
            Self::F32(slots) => Tensor::from_slice(&slots[slot], shape, &Device::Cpu),
            Self::F64(slots) => Tensor::from_slice(&slots[slot], shape, &Device::Cpu),
            Self::Device(tensors) => tensors[slot].reshape(shape),
        }
    }
}

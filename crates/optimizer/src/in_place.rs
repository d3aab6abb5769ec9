//! One update of one parameter on a CPU: in place, but for half precision.

use std::cell::RefCell;

use candle_core::{CpuStorage, DType, Device, InplaceOp1, Layout, Result, Tensor, Var, bail};
use rayon::prelude::*;

use crate::entry::Buffers;
use crate::rule::{AnyRule, Chunk, StepContext};
use crate::values::{self, CHUNK, PARALLEL_FROM, Values};

/// Updates `var` and `buffers` by `rule`.
pub(crate) fn update(
    rule: &dyn AnyRule,
    context: &StepContext,
    var: &Var,
    gradient: &Tensor,
    buffers: &mut Buffers,
) -> Result<()> {
    let dtype = values::working_dtype(var.dtype());
    let mut gradient = values::on_host(gradient, dtype)?;
    let tensor = var.as_tensor();
    if tensor.dtype() == dtype && tensor.is_contiguous() {
        if values::share_storage(&gradient, tensor) {
            gradient = gradient.force_contiguous()?;
        }
        let op = InPlace { rule, context, gradient: &gradient, buffers: RefCell::new(buffers) };
        return tensor.inplace_op1(&op);
    }
    // Update a copy in the working dtype and set it back.
    let copy = tensor.to_dtype(dtype)?.flatten_all()?;
    let updated = match dtype {
        DType::F64 => {
            let mut parameter = copy.to_vec1::<f64>()?;
            run(rule, context, ParameterMut::F64(&mut parameter), &gradient, buffers)?;
            Tensor::from_vec(parameter, tensor.shape(), &Device::Cpu)?
        }
        _ => {
            let mut parameter = copy.to_vec1::<f32>()?;
            run(rule, context, ParameterMut::F32(&mut parameter), &gradient, buffers)?;
            Tensor::from_vec(parameter, tensor.shape(), &Device::Cpu)?
        }
    };
    var.set(&updated.to_dtype(tensor.dtype())?)
}

struct InPlace<'a> {
    rule: &'a dyn AnyRule,
    context: &'a StepContext,
    gradient: &'a Tensor,
    buffers: RefCell<&'a mut Buffers>,
}

impl InplaceOp1 for InPlace<'_> {
    fn name(&self) -> &'static str {
        "optimizer-step"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> Result<()> {
        let Some((start, end)) = layout.contiguous_offsets() else {
            bail!("expected a contiguous variable, found strides {:?}", layout.stride())
        };
        let parameter = match storage {
            CpuStorage::F32(values) => ParameterMut::F32(&mut values[start..end]),
            CpuStorage::F64(values) => ParameterMut::F64(&mut values[start..end]),
            _ => bail!("expected a variable of f32 or f64"),
        };
        run(self.rule, self.context, parameter, self.gradient, &mut self.buffers.borrow_mut())
    }
}

enum ParameterMut<'a> {
    F32(&'a mut [f32]),
    F64(&'a mut [f64]),
}

fn run(
    rule: &dyn AnyRule,
    context: &StepContext,
    parameter: ParameterMut<'_>,
    gradient: &Tensor,
    buffers: &mut Buffers,
) -> Result<()> {
    values::read(gradient, |gradient| {
        match (parameter, gradient, buffers) {
            (ParameterMut::F32(p), Values::F32(g), Buffers::F32(state)) => {
                in_chunks(p, g, state, |chunk| rule.update_f32(context, chunk));
            }
            (ParameterMut::F64(p), Values::F64(g), Buffers::F64(state)) => {
                in_chunks(p, g, state, |chunk| rule.update_f64(context, chunk));
            }
            _ => bail!("the dtypes of parameter, gradient and state differ"),
        }
        Ok(())
    })
}

/// Hands a small parameter over whole, and a large one in chunks on several threads.
fn in_chunks<T: Send + Sync>(
    parameter: &mut [T],
    gradient: &[T],
    state: &mut [Vec<T>],
    update: impl Fn(Chunk<'_, T>) + Send + Sync,
) {
    if parameter.len() < PARALLEL_FROM {
        let state = state.iter_mut().map(Vec::as_mut_slice).collect();
        return update(Chunk { parameter, gradient, state, taken: None });
    }
    let mut slots: Vec<_> = state.iter_mut().map(|slot| slot.chunks_mut(CHUNK)).collect();
    let chunks: Vec<_> = parameter
        .chunks_mut(CHUNK)
        .zip(gradient.chunks(CHUNK))
        .map(|(parameter, gradient)| {
            let state = slots.iter_mut().filter_map(Iterator::next).collect();
            Chunk { parameter, gradient, state, taken: None }
        })
        .collect();
    chunks.into_par_iter().for_each(update);
}

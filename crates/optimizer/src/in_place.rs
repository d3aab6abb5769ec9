//! One update of one parameter on a CPU: in place, but for half precision.

use std::cell::RefCell;

use candle_core::{CpuStorage, InplaceOp1, Layout, Result, Tensor, Var, bail};
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
    // What is not plain is updated as a copy and set back.
    let copy = match tensor.dtype() == dtype {
        true if tensor.is_contiguous() => None,
        true => Some(tensor.detach().force_contiguous()?),
        false => Some(tensor.detach().to_dtype(dtype)?),
    };
    let target = copy.as_ref().unwrap_or(tensor);
    if values::share_storage(&gradient, target) {
        gradient = gradient.force_contiguous()?;
    }
    let op = InPlace { rule, context, gradient: &gradient, buffers: RefCell::new(buffers) };
    target.inplace_op1(&op)?;
    copy.map_or(Ok(()), |copy| var.set(&copy.to_dtype(tensor.dtype())?))
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
        let (rule, context) = (self.rule, self.context);
        values::read(self.gradient, |gradient| {
            match (storage, gradient, &mut **self.buffers.borrow_mut()) {
                (CpuStorage::F32(p), Values::F32(g), Buffers::F32(state)) => {
                    in_chunks(&mut p[start..end], g, state, |c| rule.update_f32(context, c));
                }
                (CpuStorage::F64(p), Values::F64(g), Buffers::F64(state)) => {
                    in_chunks(&mut p[start..end], g, state, |c| rule.update_f64(context, c));
                }
                _ => bail!("the dtypes of parameter, gradient and state differ"),
            }
            Ok(())
        })
    }
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

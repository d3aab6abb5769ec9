//! Operations of candle's kind, applied so that they take part.

use super::node::join;
use super::recording::has_gradient;
use candle_core::{
    CpuStorage, CustomOp1, CustomOp2, CustomOp3, DType, Layout, Result, Storage, Tensor, bail,
};

/// `x.apply_op1(op)` that passes its gradient on.
///
/// # Errors
///
/// Those of the operation.
pub fn apply_op1(x: &Tensor, op: impl CustomOp1 + Send + Sync + 'static) -> Result<Tensor> {
    if !takes_part([x]) {
        return untracked(x).apply_op1(op);
    }
    let output = on_cpu(x, |x, layout| op.cpu_fwd(x, layout))?;
    join(output, [x], Box::new(move |[x], y, gradient| Ok([op.bwd(x, y, gradient)?])))
}

/// `a.apply_op2(b, op)` that passes its gradients on.
///
/// # Errors
///
/// Those of the operation.
pub fn apply_op2(
    a: &Tensor,
    b: &Tensor,
    op: impl CustomOp2 + Send + Sync + 'static,
) -> Result<Tensor> {
    if !takes_part([a, b]) {
        return untracked(a).apply_op2(&untracked(b), op);
    }
    let output =
        on_cpu(a, |a, a_layout| on_cpu(b, |b, b_layout| op.cpu_fwd(a, a_layout, b, b_layout)))?;
    join(
        output,
        [a, b],
        Box::new(move |[a, b], y, gradient| op.bwd(a, b, y, gradient).map(Into::into)),
    )
}

/// `a.apply_op3(b, c, op)` that passes its gradients on.
///
/// # Errors
///
/// Those of the operation.
pub fn apply_op3(
    a: &Tensor,
    b: &Tensor,
    c: &Tensor,
    op: impl CustomOp3 + Send + Sync + 'static,
) -> Result<Tensor> {
    if !takes_part([a, b, c]) {
        return untracked(a).apply_op3(&untracked(b), &untracked(c), op);
    }
    let output = on_cpu(a, |a, a_layout| {
        on_cpu(b, |b, b_layout| {
            on_cpu(c, |c, c_layout| op.cpu_fwd(a, a_layout, b, b_layout, c, c_layout))
        })
    })?;
    join(
        output,
        [a, b, c],
        Box::new(move |[a, b, c], y, gradient| op.bwd(a, b, c, y, gradient).map(Into::into)),
    )
}

/// Whether there will be a gradient, and on the CPU.
pub(super) fn takes_part<const N: usize>(inputs: [&Tensor; N]) -> bool {
    let ours = |x: &Tensor| x.device().is_cpu() && matches!(x.dtype(), DType::F32 | DType::F64);
    inputs.iter().all(|x| ours(x)) && has_gradient(inputs)
}

/// The tensor as candle is to see it.
fn untracked(x: &Tensor) -> Tensor {
    if has_gradient([x]) { x.clone() } else { x.detach() }
}

fn on_cpu<R>(x: &Tensor, f: impl FnOnce(&CpuStorage, &Layout) -> Result<R>) -> Result<R> {
    let (storage, layout) = x.storage_and_layout();
    match &*storage {
        Storage::Cpu(storage) => f(storage, layout),
        _ => bail!("a kernel of the CPU was called on another device's tensor"),
    }
}

//! Attention as operations on candle's tape.

use super::heads::{Heads, Inputs, Outcome};
use crate::element::{read_all, slice, tensor};
use crate::relay;
use crate::scratch::Output;
use candle_core::{CpuStorage, CustomOp1, CustomOp3, Layout, Result, Shape, Tensor, bail};
use std::sync::OnceLock;

pub(super) fn separate(q: &Tensor, k: &Tensor, v: &Tensor, heads: Heads) -> Result<Tensor> {
    let op = Separate { heads, log_sums: OnceLock::new() };
    relay::apply_op3(&q.contiguous()?, &k.contiguous()?, &v.contiguous()?, op)
}

pub(super) fn packed(qkv: &Tensor, heads: Heads) -> Result<Tensor> {
    relay::apply_op1(&qkv.contiguous()?, Packed { heads, log_sums: OnceLock::new() })
}

/// Queries, keys and values in tensors of their own.
struct Separate {
    heads: Heads,
    log_sums: OnceLock<Vec<f32>>,
}

impl CustomOp3 for Separate {
    fn name(&self) -> &'static str {
        "attention"
    }

    fn cpu_fwd(
        &self,
        q: &CpuStorage,
        q_layout: &Layout,
        k: &CpuStorage,
        k_layout: &Layout,
        v: &CpuStorage,
        v_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (q, k, v) = (slice(q, q_layout)?, slice(k, k_layout)?, slice(v, v_layout)?);
        let (y, log_sums) = self.heads.forward(Inputs { q, k, v });
        let _ = self.log_sums.set(log_sums);
        Ok((CpuStorage::F32(y), q_layout.shape().clone()))
    }

    fn bwd(
        &self,
        q: &Tensor,
        k: &Tensor,
        v: &Tensor,
        y: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (own, others) = (self.heads.input_len(), self.heads.others_len());
        let [mut dq, mut dk, mut dv] = [own, others, others].map(Output::<f32>::new);
        let to = [dq.shared(), dk.shared(), dv.shared()];
        let log_sums = kept(&self.log_sums)?;
        read_all([q, k, v, y, grad], |[q, k, v, y, grad]| {
            assert_eq!((q.len(), k.len(), v.len()), (own, others, others));
            let outcome = Outcome { y, log_sums, grad };
            // SAFETY: the gradients have the lengths of the inputs, and lie like them.
            unsafe { self.heads.backward(Inputs { q, k, v }, outcome, to) };
            Ok(())
        })?;
        // SAFETY: the heads cover all elements.
        let (dq, dk, dv) = unsafe { (dq.finish(), dk.finish(), dv.finish()) };
        Ok((Some(tensor(dq, q)?), Some(tensor(dk, k)?), Some(tensor(dv, v)?)))
    }
}

/// All in one tensor.
struct Packed {
    heads: Heads,
    log_sums: OnceLock<Vec<f32>>,
}

impl Packed {
    fn inputs<'a>(&self, qkv: &'a [f32]) -> Inputs<'a> {
        let part = self.heads.part();
        Inputs { q: qkv, k: &qkv[part..], v: &qkv[2 * part..] }
    }
}

impl CustomOp1 for Packed {
    fn name(&self) -> &'static str {
        "attention"
    }

    fn cpu_fwd(&self, qkv: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (batch, tokens, features) = layout.shape().dims3()?;
        let (y, log_sums) = self.heads.forward(self.inputs(slice(qkv, layout)?));
        let _ = self.log_sums.set(log_sums);
        Ok((CpuStorage::F32(y), (batch, tokens, features / 3).into()))
    }

    fn bwd(&self, qkv: &Tensor, y: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let mut dqkv = Output::<f32>::new(self.heads.input_len());
        let to = dqkv.shared();
        let part = self.heads.part();
        let log_sums = kept(&self.log_sums)?;
        read_all([qkv, y, grad], |[x, y, grad]| {
            assert_eq!(x.len(), self.heads.input_len());
            let outcome = Outcome { y, log_sums, grad };
            // SAFETY: the gradient has the input's length, and its parts lie like the input's.
            unsafe {
                let parts = [to, to.offset(part), to.offset(2 * part)];
                self.heads.backward(self.inputs(x), outcome, parts);
            }
            Ok(())
        })?;
        // SAFETY: the heads cover queries, keys and values of all tokens.
        Ok(Some(tensor(unsafe { dqkv.finish() }, qkv)?))
    }
}

fn kept(log_sums: &OnceLock<Vec<f32>>) -> Result<&[f32]> {
    match log_sums.get() {
        Some(log_sums) => Ok(log_sums),
        None => bail!("attention: backward called before forward"),
    }
}

//! Attention as an operation.

use super::composed;
use super::vector::{Inputs, Plan, Sizes};
use crate::element::{Element, expect_f32, from_f32};
use crate::implementation::{Implementation, resolve};
use crate::operation::{self, Operation, Output};
use crate::scratch::UninitVec;
use candle_core::{DType, Result, Tensor, bail};

/// Mixes values by how well their keys fit a query: `softmax(q kᵀ / sqrt(width)) v`, head by head.
///
/// PyTorch's `scaled_dot_product_attention` without mask and dropout. The probabilities are never
/// stored as a whole: the backward pass computes them again from each row's log-sum-exp of the scores.
///
/// # Shapes
///
/// `q` (batch, heads, q_len, width), `k` and `v` (batch, heads, kv_len, width): the result has
/// the shape of `q`.
///
/// # Errors
///
/// If a rank is not 4, the shapes do not fit together, or one of the sizes is zero.
pub fn attention(q: &Tensor, k: &Tensor, v: &Tensor) -> Result<Tensor> {
    let &[batch, heads, q_len, width] = q.dims() else {
        bail!(
            "attention: expected queries of rank 4 (batch, heads, q_len, width), found {:?}",
            q.dims()
        )
    };
    let kv_len = k.dims().get(2).copied().unwrap_or(0);
    for (what, x) in [("keys", k), ("values", v)] {
        if x.dims() != [batch, heads, kv_len, width] {
            bail!(
                "attention: expected {what} of shape [{batch}, {heads}, {kv_len}, {width}], found {:?}",
                x.dims()
            )
        }
    }
    let sizes = Sizes { batch, heads, q_len, kv_len, width };
    sizes.check()?;
    match resolve(q) {
        Implementation::Naive | Implementation::Composed => composed::attention(q, k, v),
        _ if q.dtype() != DType::F32 => composed::attention(q, k, v),
        chosen => {
            let plan = Plan::separate(sizes, chosen.isa());
            operation::apply(Attention { plan }, [q, k, v], q.shape())
        }
    }
}

/// [`attention`] of tokens to each other, from one tensor that holds each token's queries, keys
/// and values one after the other, as a single linear layer makes them.
///
/// # Shapes
///
/// `qkv` (batch, tokens, 3 * heads * width): the result is (batch, tokens, heads * width).
///
/// # Errors
///
/// If the rank is not 3, three times the heads do not divide the features, or one of the sizes is
/// zero.
pub fn attention_packed(qkv: &Tensor, heads: usize) -> Result<Tensor> {
    let &[batch, tokens, features] = qkv.dims() else {
        bail!(
            "attention: expected an input of rank 3 (batch, tokens, 3 * heads * width), found {:?}",
            qkv.dims()
        )
    };
    if heads == 0 || !features.is_multiple_of(3 * heads) {
        bail!("attention: {features} features are no queries, keys and values of {heads} heads")
    }
    let width = features / (3 * heads);
    let sizes = Sizes { batch, heads, q_len: tokens, kv_len: tokens, width };
    sizes.check()?;
    match resolve(qkv) {
        Implementation::Naive | Implementation::Composed => composed::packed(qkv, heads, width),
        _ if qkv.dtype() != DType::F32 => composed::packed(qkv, heads, width),
        chosen => {
            let plan = Plan::packed(sizes, chosen.isa());
            operation::apply(Attention { plan }, [qkv], (batch, tokens, features / 3))
        }
    }
}

struct Attention {
    plan: Plan,
}

impl Attention {
    /// Queries, keys and values, in tensors of their own or all in one.
    fn inputs<'a, T: Element, const N: usize>(&self, inputs: [&'a [T]; N]) -> Result<Inputs<'a>> {
        let mut data = [&[][..]; N];
        for (data, input) in data.iter_mut().zip(inputs) {
            *data = expect_f32(input)?;
        }
        match data[..] {
            [q, k, v] => Ok(Inputs { q, k, v }),
            [qkv] => {
                let part = self.plan.part();
                Ok(Inputs { q: qkv, k: &qkv[part..], v: &qkv[2 * part..] })
            }
            _ => bail!("attention: expected one or three inputs, found {N}"),
        }
    }
}

/// Of queries, keys and values, or of the one tensor that holds them.
impl<const N: usize> Operation<N> for Attention {
    /// The log-sum-exp of each head's and query's scores.
    type Saved = Vec<f32>;

    fn forward<T: Element>(&self, inputs: [&[T]; N]) -> Result<(Vec<T>, Vec<f32>)> {
        let (y, lse) = self.plan.forward(self.inputs(inputs)?);
        Ok((from_f32(y)?, lse))
    }

    fn backward<T: Element>(
        &self,
        inputs: [&[T]; N],
        Output { y, saved, grad }: Output<T, Vec<f32>>,
        wanted: [bool; N],
    ) -> Result<[Option<Vec<T>>; N]> {
        self.plan.check_inputs(&inputs.map(<[T]>::len));
        let mut gradients: [Option<UninitVec<f32>>; N] =
            std::array::from_fn(|i| wanted[i].then(|| UninitVec::new(inputs[i].len())));
        let to = gradients.each_mut().map(|gradient| gradient.as_mut().map(UninitVec::send_ptr));
        let to = match to[..] {
            [dq, dk, dv] => [dq, dk, dv],
            _ => [0, 1, 2].map(|i| to[0].map(|to| to.offset(i * self.plan.part()))),
        };
        let output = Output { y: expect_f32(y)?, saved, grad: expect_f32(grad)? };
        // SAFETY: those that are there have the lengths of the inputs, which were checked, and lie like them.
        unsafe { self.plan.backward(self.inputs(inputs)?, &output, to) };
        let mut found = [const { None }; N];
        for (found, gradient) in found.iter_mut().zip(gradients) {
            // SAFETY: the heads cover all elements, whose number was checked.
            let gradient = gradient.map(|gradient| unsafe { gradient.finish() });
            *found = gradient.map(from_f32).transpose()?;
        }
        Ok(found)
    }
}

//! Softmax and cross-entropy as operations.

use super::vector::{self, Function};
use super::{composed, naive};
use crate::element::{Element, as_f32, from_f32};
use crate::implementation::{Implementation, resolve};
use crate::operation::{self, Operation, Output};
use crate::simd::Isa;
use candle_core::{D, Result, Tensor, bail};

fn check_rows(op: &str, x: &Tensor) -> Result<()> {
    match x.dims().last() {
        Some(&last) if last > 0 => Ok(()),
        _ => bail!("{op}: expected rows of at least one element, found {:?}", x.dims()),
    }
}

/// Probabilities from scores: `p_k = exp(x_k) / sum_j exp(x_j)` over the last dimension.
///
/// The largest score of a row is subtracted first, so that nothing overflows.
///
/// # Errors
///
/// If the rows have no elements.
pub fn softmax(x: &Tensor) -> Result<Tensor> {
    check_rows("softmax", x)?;
    match resolve(x) {
        Implementation::Composed => composed::softmax(x),
        chosen => apply(x, chosen, false),
    }
}

/// The logarithm of [`softmax`], without its loss of precision for small probabilities.
///
/// # Errors
///
/// If the rows have no elements.
pub fn log_softmax(x: &Tensor) -> Result<Tensor> {
    check_rows("log_softmax", x)?;
    match resolve(x) {
        Implementation::Composed => composed::log_softmax(x),
        chosen => apply(x, chosen, true),
    }
}

/// The cross-entropy of each row: `-sum_k t_k log p_k` with `p` the [`softmax`] of the logits.
///
/// Targets are weights of any non-negative size: one-hot rows, smoothed or mixed labels, rows
/// scaled by a class weight. The gradient of the logits is `p sum(t) - t`.
///
/// # Shapes
///
/// `logits` and `targets` (n, k): the result is (n). Take its mean for the usual loss.
///
/// # Errors
///
/// If the ranks are not 2, the shapes differ, or there are no classes.
pub fn softmax_cross_entropy(logits: &Tensor, targets: &Tensor) -> Result<Tensor> {
    if logits.rank() != 2 || logits.dims() != targets.dims() {
        bail!(
            "softmax_cross_entropy: expected logits and targets of one shape (n, k), found {:?} \
             and {:?}",
            logits.dims(),
            targets.dims()
        )
    }
    check_rows("softmax_cross_entropy", logits)?;
    match resolve(logits) {
        Implementation::Composed => composed::softmax_cross_entropy(logits, targets),
        _ => operation::apply(
            CrossEntropy { k: logits.dims()[1] },
            [logits, targets],
            logits.dims()[0],
        ),
    }
}

fn apply(x: &Tensor, chosen: Implementation, log: bool) -> Result<Tensor> {
    let op = Softmax { k: x.dim(D::Minus1)?, log, isa: chosen.simd_isa() };
    operation::apply(op, [x], x.shape())
}

/// [`softmax`] of rows of `k`, or its logarithm.
struct Softmax {
    k: usize,
    log: bool,
    isa: Option<Isa>,
}

impl Softmax {
    /// Rows in vectors, if there is an instruction set and the elements are `f32`.
    fn vectors<T: Element>(&self, x: &[T], function: Function) -> Option<Result<Vec<T>>> {
        Some(from_f32(vector::rows(self.isa?, self.k, as_f32(x)?, function)))
    }
}

impl Operation<1> for Softmax {
    type Saved = ();

    fn forward<T: Element>(&self, [x]: [&[T]; 1]) -> Result<(Vec<T>, ())> {
        let function = if self.log { Function::LogSoftmax } else { Function::Softmax };
        let y = match self.vectors(x, function) {
            Some(y) => y?,
            None if self.log => naive::log_softmax(self.k, x),
            None => naive::softmax(self.k, x),
        };
        Ok((y, ()))
    }

    fn backward<T: Element>(
        &self,
        _: [&[T]; 1],
        Output { y, grad, .. }: Output<T, ()>,
        _: [bool; 1],
    ) -> Result<[Option<Vec<T>>; 1]> {
        let function =
            if self.log { Function::LogSoftmaxGradient } else { Function::SoftmaxGradient };
        let dx = match as_f32(grad).and_then(|grad| self.vectors(y, function(grad))) {
            Some(dx) => dx?,
            None if self.log => naive::log_softmax_gradient(self.k, y, grad),
            None => naive::softmax_gradient(self.k, y, grad),
        };
        Ok([Some(dx)])
    }
}

/// Of logits and targets in rows of `k`.
struct CrossEntropy {
    k: usize,
}

impl Operation<2> for CrossEntropy {
    type Saved = ();

    fn forward<T: Element>(&self, [logits, targets]: [&[T]; 2]) -> Result<(Vec<T>, ())> {
        Ok((naive::cross_entropy(self.k, logits, targets), ()))
    }

    fn backward<T: Element>(
        &self,
        [logits, targets]: [&[T]; 2],
        Output { grad, .. }: Output<T, ()>,
        [want_logits, want_targets]: [bool; 2],
    ) -> Result<[Option<Vec<T>>; 2]> {
        let k = self.k;
        Ok([
            want_logits.then(|| naive::cross_entropy_gradient(k, logits, targets, grad)),
            want_targets.then(|| naive::cross_entropy_targets_gradient(k, logits, grad)),
        ])
    }
}

//! The kernels: one head of one image a task, some of its queries at a time.

use crate::gemm::{Epilogue, Matrix, Panels, multiply_part};
use crate::operation::Output;
use crate::scratch::{self, SendPtr, UninitVec};
use crate::simd::math::exp;
use crate::simd::{Isa, Kernel, Simd, load_some, store_some, sum_lanes};
use candle_core::{Result, bail};
use rayon::prelude::*;
use std::mem::MaybeUninit;
use std::ops::Range;

/// Queries whose scores are there at once: with 200 keys, two such blocks and the packed operands
/// fill half of a second-level cache of 512 KiB.
pub(super) const QUERIES: usize = 128;
/// Rows of a block, whose number is rounded up to a multiple of the product's six.
const MOST_QUERIES: usize = 132;

#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    pub batch: usize,
    pub heads: usize,
    /// Queries of a head.
    pub q_len: usize,
    /// Keys and values of a head.
    pub kv_len: usize,
    pub width: usize,
}

impl Sizes {
    pub(super) fn check(&self) -> Result<()> {
        let Self { batch, heads, q_len, kv_len, width } = *self;
        if [batch, heads, q_len, kv_len, width].contains(&0) {
            bail!(
                "attention: expected sizes above zero, found batch {batch}, heads {heads}, tokens \
                 {q_len} and {kv_len}, width {width}"
            )
        }
        Ok(())
    }
}

/// Distances in a tensor, and the length of the whole.
#[derive(Clone, Copy, Debug)]
struct Strides {
    image: usize,
    head: usize,
    token: usize,
    len: usize,
}

/// The heads of a batch and how they lie in memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    sizes: Sizes,
    isa: Isa,
    queries: Strides,
    /// Of keys and values.
    kv: Strides,
    output: Strides,
}

/// The inputs, each from its first element on.
#[derive(Clone, Copy)]
pub(super) struct Inputs<'a> {
    pub q: &'a [f32],
    pub k: &'a [f32],
    pub v: &'a [f32],
}

impl Plan {
    /// Queries, keys and values in tensors (batch, heads, tokens, width).
    pub(super) fn separate(sizes: Sizes, isa: Isa) -> Self {
        let Sizes { batch, heads, q_len, kv_len, width } = sizes;
        let strides = |len: usize| Strides {
            image: heads * len * width,
            head: len * width,
            token: width,
            len: batch * heads * len * width,
        };
        let (queries, kv) = (strides(q_len), strides(kv_len));
        Self { sizes, isa, queries, kv, output: queries }
    }

    /// All in one tensor (batch, tokens, 3, heads, width), the result (batch, tokens, heads, width).
    pub(super) fn packed(sizes: Sizes, isa: Isa) -> Self {
        let Sizes { batch, heads, q_len, width, .. } = sizes;
        let strides = |parts: usize| Strides {
            image: q_len * parts * heads * width,
            head: width,
            token: parts * heads * width,
            len: batch * q_len * parts * heads * width,
        };
        Self { sizes, isa, queries: strides(3), kv: strides(3), output: strides(1) }
    }

    /// Where keys and values start in a packed tensor.
    pub(super) fn part(&self) -> usize {
        self.sizes.heads * self.sizes.width
    }

    /// Panics unless one or three inputs have the lengths that the heads cover.
    pub(super) fn check_inputs(&self, lengths: &[usize]) {
        let (queries, kv) = (self.queries.len, self.kv.len);
        assert!(lengths == [queries, kv, kv] || lengths == [queries], "{lengths:?}");
    }

    /// Queries in equal blocks.
    fn blocks(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let q_len = self.sizes.q_len;
        let size = q_len.div_ceil(q_len.div_ceil(QUERIES)).next_multiple_of(6);
        (0..q_len).step_by(size).map(move |first| first..(first + size).min(q_len))
    }

    fn scale(&self) -> f32 {
        1. / (self.sizes.width as f32).sqrt()
    }

    /// Length of a row of scores: whole panels of any instruction set.
    fn row(&self) -> usize {
        self.sizes.kv_len.next_multiple_of(32)
    }

    fn each(&self, f: impl Fn(usize, usize) + Sync) {
        let Sizes { batch, heads, .. } = self.sizes;
        (0..batch * heads).into_par_iter().for_each(|i| f(i / heads, i % heads));
    }

    /// The result, and for each head and query the logarithm of its sum of exponentials.
    pub(super) fn forward(&self, x: Inputs) -> (Vec<f32>, Vec<f32>) {
        let Sizes { batch, heads, q_len, .. } = self.sizes;
        let mut y = UninitVec::<f32>::new(self.output.len);
        let mut lse = UninitVec::<f32>::new(batch * heads * q_len);
        let (to, sums) = (y.send_ptr(), lse.send_ptr());
        self.each(|image, head| {
            let y = to.offset(image * self.output.image + head * self.output.head);
            let lse = sums.offset((image * heads + head) * q_len);
            // SAFETY: the head's elements of both outputs belong to this task.
            unsafe { self.head_forward(x, image, head, y, lse) };
        });
        // SAFETY: the heads cover both.
        unsafe { (y.finish(), lse.finish()) }
    }

    /// The gradients that are wanted go to `dq`, `dk` and `dv`, which lie as the inputs do.
    ///
    /// # Safety
    ///
    /// They are writable wherever the inputs are readable, and nobody else uses them.
    pub(super) unsafe fn backward(
        &self,
        x: Inputs,
        output: &Output<f32, Vec<f32>>,
        [dq, dk, dv]: [Option<SendPtr<f32>>; 3],
    ) {
        let Sizes { batch, heads, q_len, .. } = self.sizes;
        assert_eq!((output.y.len(), output.grad.len()), (self.output.len, self.output.len));
        assert_eq!(output.saved.len(), batch * heads * q_len);
        self.each(|image, head| {
            let (q_at, k_at) = (self.queries.at(image, head), self.kv.at(image, head));
            let to = [(dq, q_at), (dk, k_at), (dv, k_at)].map(|(to, at)| Some(to?.offset(at)));
            // SAFETY: the head's elements of the gradients belong to this task.
            unsafe { self.head_backward(x, output, image, head, to) };
        });
    }

    fn queries<'a>(&self, x: &'a [f32], image: usize, head: usize) -> Matrix<'a, f32> {
        let Strides { token, .. } = self.queries;
        let x = &x[self.queries.at(image, head)..];
        Matrix::strided(x, self.sizes.q_len, self.sizes.width, token)
    }

    fn keys_or_values<'a>(&self, x: &'a [f32], image: usize, head: usize) -> Matrix<'a, f32> {
        let Strides { token, .. } = self.kv;
        let x = &x[self.kv.at(image, head)..];
        Matrix::strided(x, self.sizes.kv_len, self.sizes.width, token)
    }

    fn rows<'a>(&self, x: &'a [f32], image: usize, head: usize) -> Matrix<'a, f32> {
        let Strides { token, .. } = self.output;
        let x = &x[self.output.at(image, head)..];
        Matrix::strided(x, self.sizes.q_len, self.sizes.width, token)
    }

    unsafe fn head_forward(
        &self,
        x: Inputs,
        image: usize,
        head: usize,
        y: SendPtr<f32>,
        lse: SendPtr<f32>,
    ) {
        let q = self.queries(x.q, image, head);
        let keys = Panels::pack(self.isa, self.keys_or_values(x.k, image, head).transposed());
        let values = Panels::pack(self.isa, self.keys_or_values(x.v, image, head));
        let (row, kv_len) = (self.row(), self.sizes.kv_len);
        let mut scores = scratch::buffer(MOST_QUERIES * row);
        let mut sums = scratch::buffer(MOST_QUERIES);
        for queries in self.blocks() {
            let count = queries.len();
            // SAFETY: scratch for a block's scores; the block's rows of the head's output.
            unsafe {
                let to = (SendPtr::new(&mut scores), row);
                self.multiply(q.rows_in(queries.clone()), &keys, to, false);
                let y = (y.offset(queries.start * self.output.token), self.output.token);
                let lse = lse.offset(queries.start).slice(count);
                let (scale, sums) = (self.scale(), &mut sums[..count]);
                let scores = &mut scores[..count * row];
                self.isa.run(Exponentials { scores, row, kv_len, scale, sums, lse });
                self.multiply(Matrix::strided(scores, count, kv_len, row), &values, y, false);
                let (y, token) = (y.0.pointer(), y.1);
                self.isa.run(Normalize { y, token, width: self.sizes.width, sums });
            }
        }
    }

    unsafe fn head_backward(
        &self,
        x: Inputs,
        output: &Output<f32, Vec<f32>>,
        image: usize,
        head: usize,
        [dq, dk, dv]: [Option<SendPtr<f32>>; 3],
    ) {
        let Sizes { heads, q_len, kv_len, .. } = self.sizes;
        let (q, k) = (self.queries(x.q, image, head), self.keys_or_values(x.k, image, head));
        let (y, grad) = (self.rows(output.y, image, head), self.rows(output.grad, image, head));
        let lse = &output.saved[(image * heads + head) * q_len..][..q_len];
        let keys = dq.map(|_| Panels::pack(self.isa, k));
        let keys_across = Panels::pack(self.isa, k.transposed());
        // The gradient of values needs none of the scores.
        let values = (dq.is_some() || dk.is_some()).then(|| self.keys_or_values(x.v, image, head));
        let values_across = values.map(|values| Panels::pack(self.isa, values.transposed()));
        let row = self.row();
        let mut scores = scratch::buffer(MOST_QUERIES * row);
        let mut grad_scores =
            scratch::buffer(if values.is_some() { MOST_QUERIES * row } else { 0 });
        for queries in self.blocks() {
            let count = queries.len();
            let (q, grad) = (q.rows_in(queries.clone()), grad.rows_in(queries.clone()));
            let later = queries.start > 0;
            // SAFETY: scratch for a block's scores; the head's gradients are the caller's.
            unsafe {
                self.multiply(q, &keys_across, (SendPtr::new(&mut scores), row), false);
                if let Some(values) = &values_across {
                    self.multiply(grad, values, (SendPtr::new(&mut grad_scores), row), false);
                }
                self.isa.run(ScoreGradients {
                    scores: &mut scores,
                    grad_scores: &mut grad_scores,
                    row,
                    kv_len,
                    scale: self.scale(),
                    y: y.rows_in(queries.clone()),
                    grad,
                    lse: &lse[queries.clone()],
                });
                let matrix = |scores| Matrix::strided(scores, count, kv_len, row);
                if let Some((dq, keys)) = dq.zip(keys.as_ref()) {
                    let dq = (dq.offset(queries.start * self.queries.token), self.queries.token);
                    self.multiply(matrix(&grad_scores), keys, dq, false);
                }
                for (to, scores, b) in [(dk, &grad_scores, q), (dv, &scores, grad)] {
                    let Some(to) = to else { continue };
                    let b = Panels::pack(self.isa, b);
                    self.multiply(matrix(scores).transposed(), &b, (to, self.kv.token), later);
                }
            }
        }
    }

    /// A whole product on this thread.
    ///
    /// # Safety
    ///
    /// `to` is writable for it, and nobody else uses it.
    unsafe fn multiply(&self, a: Matrix<f32>, b: &Panels, to: (SendPtr<f32>, usize), add: bool) {
        let part = (0..a.rows(), 0..b.count());
        // SAFETY: the caller's promise.
        unsafe { multiply_part(a, b, part, to, Epilogue::default(), add) };
    }
}

impl Strides {
    /// Where a head starts.
    fn at(&self, image: usize, head: usize) -> usize {
        image * self.image + head * self.head
    }
}

/// Scores to `exp(scale * score - largest)`, where `largest` is the row's largest `scale * score`;
/// their sums, and `largest + ln(sum)`.
struct Exponentials<'a> {
    /// Rows of `kv_len` scores, `row` apart, one for each sum.
    scores: &'a mut [f32],
    row: usize,
    kv_len: usize,
    scale: f32,
    sums: &'a mut [f32],
    lse: &'a mut [MaybeUninit<f32>],
}

impl Kernel for Exponentials<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let rows = self.scores.chunks_exact_mut(self.row);
        for ((scores, sum), lse) in rows.zip(self.sums).zip(self.lse) {
            let scores = &mut scores[..self.kv_len];
            let whole = scores.len() / S::LANES * S::LANES;
            let rest = scores.len() - whole;
            // SAFETY: vectors of the row's scores, and the first of the last one.
            unsafe {
                let x = scores.as_mut_ptr();
                let mut largest = S::splat(f32::NEG_INFINITY);
                for i in (0..whole).step_by(S::LANES) {
                    largest = S::max(S::load(x.add(i)), largest);
                }
                let mut lanes = [f32::NEG_INFINITY; 16];
                S::store(lanes.as_mut_ptr(), largest);
                // A NaN is left out of the maximum, but not of the sum.
                let largest = lanes
                    .iter()
                    .chain(&scores[whole..])
                    .fold(f32::NEG_INFINITY, |largest, &x| if x > largest { x } else { largest });
                let shift = largest * self.scale;
                let (scale, minus) = (S::splat(self.scale), S::splat(-shift));
                let mut total = S::splat(0.);
                for i in (0..whole).step_by(S::LANES) {
                    let v = exp::<S>(S::fma(S::load(x.add(i)), scale, minus));
                    total = S::add(total, v);
                    S::store(x.add(i), v);
                }
                *sum = sum_lanes::<S>(total);
                if rest > 0 {
                    let v = exp::<S>(S::fma(S::load_partial(x.add(whole), rest), scale, minus));
                    S::store_partial(x.add(whole), v, rest);
                    *sum += scores[whole..].iter().sum::<f32>();
                }
                lse.write(shift + sum.ln());
            }
        }
    }
}

/// Divides each row of a head's result by its sum.
struct Normalize<'a> {
    /// Rows of `width` elements, `token` apart, one for each sum; readable and writable.
    y: *mut f32,
    token: usize,
    width: usize,
    sums: &'a [f32],
}

impl Kernel for Normalize<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        for (i, sum) in self.sums.iter().enumerate() {
            // SAFETY: the row's elements, which the product with the values wrote and nobody else uses.
            let y =
                unsafe { std::slice::from_raw_parts_mut(self.y.add(i * self.token), self.width) };
            let scale = 1. / sum;
            for y in y {
                *y *= scale;
            }
        }
    }
}

/// Scores to probabilities `p`, and the gradient `grad_score` of the probabilities to that of the
/// unscaled scores: `p (grad_score - y . grad) scale`.
struct ScoreGradients<'a> {
    /// Rows of `kv_len` numbers, `row` apart, one for each of `lse`.
    scores: &'a mut [f32],
    /// Likewise; none where they are not needed.
    grad_scores: &'a mut [f32],
    row: usize,
    kv_len: usize,
    scale: f32,
    y: Matrix<'a, f32>,
    grad: Matrix<'a, f32>,
    lse: &'a [f32],
}

impl Kernel for ScoreGradients<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        // SAFETY: a register.
        let scale = unsafe { S::splat(self.scale) };
        let mut grad_rows = self.grad_scores.chunks_exact_mut(self.row);
        let rows = self.scores.chunks_exact_mut(self.row).zip(self.lse);
        for (i, (scores, lse)) in rows.enumerate() {
            let scores = &mut scores[..self.kv_len];
            let mut grad_scores = grad_rows.next().map(|row| &mut row[..self.kv_len]);
            // SAFETY: vectors of the rows, and the first of the last one.
            unsafe {
                let mean = grad_scores.as_ref().map(|_| dot::<S>(self.y.row(i), self.grad.row(i)));
                let (mean, minus) = (S::splat(mean.unwrap_or(0.)), S::splat(-lse));
                for j in (0..self.kv_len).step_by(S::LANES) {
                    let rest = self.kv_len - j;
                    let x = scores.as_mut_ptr().add(j);
                    let p = exp::<S>(S::fma(load_some::<S>(x, rest), scale, minus));
                    store_some::<S>(x, p, rest);
                    if let Some(row) = &mut grad_scores {
                        let grad = row.as_mut_ptr().add(j);
                        let change = S::mul(p, S::sub(load_some::<S>(grad, rest), mean));
                        store_some::<S>(grad, S::mul(change, scale), rest);
                    }
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn dot<S: Simd>(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    // SAFETY: vectors of both, and the first of the last one.
    unsafe {
        let mut sum = S::splat(0.);
        for i in (0..a.len()).step_by(S::LANES) {
            let (a_at, b_at) = (a.as_ptr().add(i), b.as_ptr().add(i));
            let rest = (a.len() - i).min(S::LANES);
            sum = match rest == S::LANES {
                true => S::fma(S::load(a_at), S::load(b_at), sum),
                false => S::fma(S::load_partial(a_at, rest), S::load_partial(b_at, rest), sum),
            };
        }
        sum_lanes::<S>(sum)
    }
}

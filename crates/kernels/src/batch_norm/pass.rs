//! Passes over the rows of some channels: their sums, and what is written of them.
//!
//! Large planes are summed one after the other. Of small ones, which would fill their vectors in
//! part, the planes of several channels that lie side by side are taken for one row: every position
//! of it has sums of its own over the images, and those of a channel are added in the end.

use super::statistics::Dims;
use crate::activation::{Activation, Chunk};
use crate::scratch::{self, Scratch, SendPtr};
use crate::simd::{Isa, Simd, load_some, store_some, sum_lanes};
use std::mem::MaybeUninit;
use std::ops::Range;

/// Numbers of a row from which on a channel's planes are rows of their own.
pub(super) const LARGE_PLANE: usize = 128;
/// Numbers of a row of several channels, at least where there are as many.
pub(super) const NUMBERS_PER_ROW: usize = 512;
/// Numbers that a task takes at least.
const NUMBERS_PER_TASK: usize = 1 << 15;
/// Numbers of a channel at least whose mean is the first guess of all, where it has as many.
pub(super) const NUMBERS_OF_GUESS: usize = 1 << 10;
/// Numbers between normalization and activation: few enough to stay in the first-level cache.
pub(super) const NUMBERS_AT_ONCE: usize = 1 << 11;
/// Numbers of a result from which on it is written past the caches: it would not stay in them.
const STREAMED: usize = if cfg!(test) { 1 << 12 } else { 1 << 21 };
/// Rows whose sums are taken in `f32`; those of all of them in `f64`.
pub(super) const IMAGES_PER_SUM: usize = 64;

impl Dims {
    /// Channels that are taken at once.
    fn together(self) -> usize {
        if self.inner >= LARGE_PLANE { 1 } else { (NUMBERS_PER_ROW / self.inner.max(1)).max(1) }
    }

    pub(super) fn groups(self) -> usize {
        self.c.div_ceil(self.together())
    }

    pub(super) fn group(self, index: usize) -> ChannelGroup {
        let first = index * self.together();
        ChannelGroup { dims: self, first, channels: self.together().min(self.c - first) }
    }

    /// Groups that one task takes.
    pub(super) fn task(self) -> usize {
        NUMBERS_PER_TASK.div_ceil((self.n * self.together() * self.inner).max(1))
    }
}

/// Some channels: a row for each image.
#[derive(Clone, Copy)]
pub(super) struct ChannelGroup {
    pub(super) dims: Dims,
    pub(super) first: usize,
    pub(super) channels: usize,
}

impl ChannelGroup {
    pub(super) fn len(&self) -> usize {
        self.channels * self.dims.inner
    }

    /// The group's rows of numbers that lie as the input does.
    pub(super) fn rows_of(&self, x: &[f32]) -> Rows<*const f32> {
        Rows { first: x.as_ptr().wrapping_add(self.row(0)), distance: self.row(1) - self.row(0) }
    }

    /// Likewise of an output.
    pub(super) fn rows_in(&self, out: SendPtr<f32>) -> Rows<SendPtr<f32>> {
        Rows { first: out.offset(self.row(0)), distance: self.row(1) - self.row(0) }
    }

    /// Where the row of an image starts.
    fn row(&self, image: usize) -> usize {
        (image * self.dims.c + self.first) * self.dims.inner
    }
}

/// `scale * (x - center) + other * y + offset`, of each channel.
#[derive(Clone, Copy, Default)]
pub(super) struct Affine {
    pub(super) scale: f32,
    pub(super) center: f32,
    pub(super) other: f32,
    pub(super) offset: f32,
}

impl Affine {
    /// The normalization with these statistics.
    pub(super) fn normalizing(mean: f64, variance: f64, eps: f64, gamma: f32, beta: f32) -> Self {
        let scale = (f64::from(gamma) / (variance + eps).sqrt()) as f32;
        Self { scale, center: mean as f32, other: 0., offset: beta }
    }
}

/// What one task works with, a number for each position of a row, so that no vector has to know
/// where a channel ends: three kinds of numbers for sums, four for a [`Pass`], neither for large planes; and with `rows`
/// the group's row of each image.
pub(super) fn buffer(dims: Dims, rows: bool) -> [Scratch; 3] {
    let row = dims.together() * dims.inner;
    let len = if dims.inner >= LARGE_PLANE { 0 } else { row };
    [3 * len, 4 * len, if rows { dims.n * row } else { 0 }].map(scratch::buffer)
}

/// A row for each image: the first, and the distance of the others.
#[derive(Clone, Copy)]
pub(super) struct Rows<P> {
    pub(super) first: P,
    pub(super) distance: usize,
}

impl Rows<*const f32> {
    fn row(self, image: usize) -> *const f32 {
        self.first.wrapping_add(image * self.distance)
    }
}

impl Rows<SendPtr<f32>> {
    fn row(self, image: usize) -> *mut f32 {
        self.first.offset(image * self.distance).pointer()
    }

    pub(super) fn written(self) -> Rows<*const f32> {
        Rows { first: self.first.pointer(), distance: self.distance }
    }
}

/// Writes [`Affine`] of each channel, and what follows, to the group's rows.
pub(super) struct Pass<'a> {
    pub(super) group: ChannelGroup,
    pub(super) x: &'a [f32],
    pub(super) y: Rows<*const f32>,
    pub(super) affine: &'a [Affine],
    /// The same for each position of a row of small planes.
    pub(super) numbers: &'a [f32],
    pub(super) activation: Option<(Isa, Activation)>,
    /// The gradient behind the activation: what is written is that before it.
    pub(super) grad: Option<&'a [f32]>,
    pub(super) out: Rows<SendPtr<f32>>,
    /// Whether the rows are written past the caches.
    pub(super) stream: bool,
}

impl<'a> Pass<'a> {
    /// From `x` alone.
    pub(super) fn new(
        group: ChannelGroup,
        x: &'a [f32],
        affine: &'a [Affine],
        numbers: &'a mut [f32],
        out: Rows<SendPtr<f32>>,
    ) -> Self {
        let len = group.len();
        if group.dims.inner < LARGE_PLANE {
            let of: [fn(&Affine) -> f32; 4] =
                [|a| a.scale, |a| a.center, |a| a.other, |a| a.offset];
            for (kind, of) in of.iter().enumerate() {
                expand(group, &mut numbers[kind * len..][..len], |c| of(&affine[c]));
            }
        }
        let (y, numbers) = (group.rows_of(x), &*numbers);
        let stream = x.len() >= STREAMED;
        Self { group, x, y, affine, numbers, activation: None, grad: None, out, stream }
    }

    /// Writes all rows.
    ///
    /// # Safety
    ///
    /// As [`row`](Self::row), for all images.
    #[inline(always)]
    pub(super) unsafe fn run<S: Simd>(&self) {
        for image in 0..self.group.dims.n {
            // SAFETY: the caller's promise.
            unsafe { self.row::<S>(image) }
        }
        // SAFETY: the features are there.
        unsafe { S::streamed() }
    }

    /// Writes the row of an image.
    ///
    /// # Safety
    ///
    /// `out` is writable for it and nobody else's, `y` is readable there.
    #[inline(always)]
    unsafe fn row<S: Simd>(&self, image: usize) {
        let (len, start) = (self.group.len(), self.group.row(image));
        let x = &self.x[start..][..len];
        let grad = self.grad.map(|grad| &grad[start..][..len]);
        let (y, out) = (self.y.row(image), self.out.row(image));
        let mut buffer = [const { MaybeUninit::<f32>::uninit() }; NUMBERS_AT_ONCE];
        for first in (0..len).step_by(NUMBERS_AT_ONCE) {
            let count = (len - first).min(NUMBERS_AT_ONCE);
            // SAFETY: numbers of the row, or the buffer, which has as many; the activation is applied in place.
            unsafe {
                let to = out.add(first);
                let here = if self.stream { buffer.as_mut_ptr().cast() } else { to };
                self.part::<S>(x, y, first..first + count, here);
                if let Some((isa, function)) = self.activation {
                    let grad = grad.map(|grad| grad.as_ptr().add(first));
                    isa.run(Chunk::new(function, here, grad, here, count));
                }
                if self.stream {
                    stream::<S>(here, to, count);
                }
            }
        }
    }

    /// Writes some numbers of a row, before the activation, to `to`.
    #[inline(always)]
    unsafe fn part<S: Simd>(&self, x: &[f32], y: *const f32, part: Range<usize>, to: *mut f32) {
        let (numbers, len) = (self.numbers, x.len());
        let large = self.group.dims.inner >= LARGE_PLANE;
        assert!(part.end <= len && (large || numbers.len() >= 4 * len));
        let Affine { scale, center, other, offset } = self.affine[0];
        let one = [scale, center, other, offset];
        let whole = part.start + part.len() / S::LANES * S::LANES;
        // SAFETY: whole vectors of the row, which no other task writes, then the rest of the part; of a small one,
        // `numbers` has four for each position.
        unsafe {
            let [scale, center, other, offset] =
                [S::splat(scale), S::splat(center), S::splat(other), S::splat(offset)];
            for i in (part.start..whole).step_by(S::LANES) {
                let (x, y) = (S::load(x.as_ptr().add(i)), S::load(y.add(i)));
                let v = if large {
                    S::fma(scale, S::sub(x, center), S::fma(other, y, offset))
                } else {
                    let scale = numbers.as_ptr().add(i);
                    let (center, other) = (S::load(scale.add(len)), S::load(scale.add(2 * len)));
                    let rest = S::fma(other, y, S::load(scale.add(3 * len)));
                    S::fma(S::load(scale), S::sub(x, center), rest)
                };
                S::store(to.add(i - part.start), v);
            }
            for i in whole..part.end {
                let [scale, center, other, offset] = match large {
                    true => one,
                    false => [0, 1, 2, 3].map(|kind| numbers[kind * len + i]),
                };
                *to.add(i - part.start) = scale * (x[i] - center) + other * *y.add(i) + offset;
            }
        }
    }
}

/// Two sums over each channel of a group and the first `images`: of `x - center` and its square with `MOMENTS`, else
/// of `y` and `y (x - center)`. `before` writes each row of `y`, if it is not there yet.
///
/// # Safety
///
/// `y` has the group's rows, and nobody writes there but `before`.
#[inline(always)]
pub(super) unsafe fn sums<S: Simd, const MOMENTS: bool>(
    group: ChannelGroup,
    images: usize,
    (x, y): (&[f32], Rows<*const f32>),
    centers: &[f32],
    numbers: &mut [f32],
    before: Option<&Pass>,
) -> Vec<[f64; 2]> {
    let mut totals = vec![[0f64; 2]; group.channels];
    // SAFETY: `x` and `y` have the group's row for each image, `numbers` three for each position.
    unsafe {
        let rows = |image: usize| {
            let (start, len) = (group.row(image), group.len());
            (&x[start..][..len], std::slice::from_raw_parts(y.row(image), len))
        };
        if group.dims.inner >= LARGE_PLANE {
            for image in 0..images {
                if let Some(before) = before {
                    before.row::<S>(image);
                }
                let (x, y) = rows(image);
                let sums = row_sums::<S, MOMENTS>(x, y, centers[0]);
                totals[0][0] += f64::from(sums[0]);
                totals[0][1] += f64::from(sums[1]);
            }
            return totals;
        }
        let len = group.len();
        let (center, sums) = numbers.split_at_mut(len);
        expand(group, center, |c| centers[c]);
        for first in (0..images).step_by(IMAGES_PER_SUM) {
            sums[..2 * len].fill(0.);
            for image in first..(first + IMAGES_PER_SUM).min(images) {
                if let Some(before) = before {
                    before.row::<S>(image);
                }
                let (x, y) = rows(image);
                add_row::<S, MOMENTS>(x, y, center, &mut sums[..2 * len]);
            }
            let inner = group.dims.inner;
            for (c, total) in totals.iter_mut().enumerate() {
                for (kind, total) in total.iter_mut().enumerate() {
                    let positions = &sums[kind * len + c * inner..][..inner];
                    *total += sum(positions);
                }
            }
        }
    }
    totals
}

/// The sum of some numbers, of every fourth one apart: the compiler makes vectors of it.
fn sum(x: &[f32]) -> f64 {
    let (fours, rest) = x.as_chunks::<4>();
    let mut sums = [0f64; 4];
    for four in fours {
        for (sum, &v) in sums.iter_mut().zip(four) {
            *sum += f64::from(v);
        }
    }
    sums.iter().sum::<f64>() + rest.iter().map(|&v| f64::from(v)).sum::<f64>()
}

/// The number of each channel, for each of its positions.
fn expand(group: ChannelGroup, to: &mut [f32], of: impl Fn(usize) -> f32) {
    for (c, to) in to.chunks_exact_mut(group.dims.inner.max(1)).enumerate() {
        to.fill(of(c));
    }
}

/// Copies numbers past the caches, but for those before and after whole vectors.
///
/// # Safety
///
/// The CPU has the features of `S`; `count` numbers are readable and writable.
#[inline(always)]
unsafe fn stream<S: Simd>(from: *const f32, to: *mut f32, count: usize) {
    let before = (to.addr() / size_of::<f32>()).wrapping_neg() % S::LANES;
    // SAFETY: the caller's promise; behind `before` numbers an address is a multiple of a vector's size.
    unsafe {
        let mut i = before.min(count);
        store_some::<S>(to, load_some::<S>(from, i), i);
        while i + S::LANES <= count {
            S::stream(to.add(i), S::load(from.add(i)));
            i += S::LANES;
        }
        store_some::<S>(to.add(i), load_some::<S>(from.add(i), count - i), count - i);
    }
}

/// The two sums over a row.
#[inline(always)]
unsafe fn row_sums<S: Simd, const MOMENTS: bool>(x: &[f32], y: &[f32], center: f32) -> [f32; 2] {
    /// Vectors at once, to hide the latency of the additions.
    const N: usize = 4;
    assert_eq!(x.len(), y.len());
    let (mut totals, mut i) = ([0f32; 2], 0);
    // SAFETY: whole vectors of both slices.
    unsafe {
        let c = S::splat(center);
        let mut sums = [[S::splat(0.); 2]; N];
        while i + N * S::LANES <= x.len() {
            for (k, sums) in sums.iter_mut().enumerate() {
                let centered = S::sub(S::load(x.as_ptr().add(i + k * S::LANES)), c);
                let other = match MOMENTS {
                    true => centered,
                    false => S::load(y.as_ptr().add(i + k * S::LANES)),
                };
                sums[0] = S::add(sums[0], other);
                sums[1] = S::fma(centered, other, sums[1]);
            }
            i += N * S::LANES;
        }
        let [a, b, c, d] = sums;
        for (kind, total) in totals.iter_mut().enumerate() {
            let pairs = [S::add(a[kind], b[kind]), S::add(c[kind], d[kind])];
            *total = sum_lanes::<S>(S::add(pairs[0], pairs[1]));
        }
    }
    for (&x, &y) in x[i..].iter().zip(&y[i..]) {
        let other = if MOMENTS { x - center } else { y };
        totals[0] += other;
        totals[1] += (x - center) * other;
    }
    totals
}

/// Adds the terms of a row to the sums of each position.
#[inline(always)]
unsafe fn add_row<S: Simd, const MOMENTS: bool>(
    x: &[f32],
    y: &[f32],
    center: &[f32],
    sums: &mut [f32],
) {
    let (len, whole) = (x.len(), x.len() / S::LANES * S::LANES);
    assert!(y.len() == len && center.len() == len && sums.len() == 2 * len);
    let (first, second) = sums.split_at_mut(len);
    // SAFETY: whole vectors of positions of the row, then the rest of them.
    unsafe {
        for i in (0..whole).step_by(S::LANES) {
            let centered = S::sub(S::load(x.as_ptr().add(i)), S::load(center.as_ptr().add(i)));
            let other = if MOMENTS { centered } else { S::load(y.as_ptr().add(i)) };
            let (a, b) = (first.as_mut_ptr().add(i), second.as_mut_ptr().add(i));
            S::store(a, S::add(S::load(a), other));
            S::store(b, S::fma(centered, other, S::load(b)));
        }
    }
    for i in whole..len {
        let other = if MOMENTS { x[i] - center[i] } else { y[i] };
        first[i] += other;
        second[i] += (x[i] - center[i]) * other;
    }
}

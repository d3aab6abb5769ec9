//! Batch normalization. A task takes some channels from the first sum to the last output, so that
//! their numbers are read from memory once, then from the cache.
//!
//! Large planes are summed one after the other. Of small ones, which would fill their vectors in
//! part, the planes of several channels that lie side by side are taken for one row: every position
//! of it has sums of its own over the images, and those of a channel are added in the end.

use super::statistics::{BatchNormConfig, Dims, Statistics};
use crate::activation::{Activation, Chunk};
use crate::scratch::{self, Scratch, SendPtr, UninitVec};
use crate::simd::{Isa, Kernel, Simd, load_some, store_some, sum_lanes};
use rayon::prelude::*;
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

    fn group(self, index: usize) -> ChannelGroup {
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
struct ChannelGroup {
    dims: Dims,
    first: usize,
    channels: usize,
}

impl ChannelGroup {
    fn len(&self) -> usize {
        self.channels * self.dims.inner
    }

    /// The group's rows of numbers that lie as the input does.
    fn rows_of(&self, x: &[f32]) -> Rows<*const f32> {
        Rows { first: x.as_ptr().wrapping_add(self.row(0)), distance: self.row(1) - self.row(0) }
    }

    /// Likewise of an output.
    fn rows_in(&self, out: SendPtr<f32>) -> Rows<SendPtr<f32>> {
        Rows { first: out.offset(self.row(0)), distance: self.row(1) - self.row(0) }
    }

    /// Where the row of an image starts.
    fn row(&self, image: usize) -> usize {
        (image * self.dims.c + self.first) * self.dims.inner
    }
}

/// `scale * (x - center) + other * y + offset`, of each channel.
#[derive(Clone, Copy, Default)]
struct Affine {
    scale: f32,
    center: f32,
    other: f32,
    offset: f32,
}

impl Affine {
    /// The normalization with these statistics.
    fn normalizing(mean: f64, variance: f64, eps: f64, gamma: f32, beta: f32) -> Self {
        let scale = (f64::from(gamma) / (variance + eps).sqrt()) as f32;
        Self { scale, center: mean as f32, other: 0., offset: beta }
    }
}

/// What one task works with, a number for each position of a row, so that no vector has to know
/// where a channel ends: three kinds of numbers for sums, four for a [`Pass`], neither for large planes; and with `rows`
/// the group's row of each image.
fn buffer(dims: Dims, rows: bool) -> [Scratch; 3] {
    let row = dims.together() * dims.inner;
    let len = if dims.inner >= LARGE_PLANE { 0 } else { row };
    [3 * len, 4 * len, if rows { dims.n * row } else { 0 }].map(scratch::buffer)
}

/// A row for each image: the first, and the distance of the others.
#[derive(Clone, Copy)]
struct Rows<P> {
    first: P,
    distance: usize,
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

    fn written(self) -> Rows<*const f32> {
        Rows { first: self.first.pointer(), distance: self.distance }
    }
}

/// Writes [`Affine`] of each channel, and what follows, to the group's rows.
struct Pass<'a> {
    group: ChannelGroup,
    x: &'a [f32],
    y: Rows<*const f32>,
    affine: &'a [Affine],
    /// The same for each position of a row of small planes.
    numbers: &'a [f32],
    activation: Option<(Isa, Activation)>,
    /// The gradient behind the activation: what is written is that before it.
    grad: Option<&'a [f32]>,
    out: Rows<SendPtr<f32>>,
    /// Whether the rows are written past the caches.
    stream: bool,
}

impl<'a> Pass<'a> {
    /// From `x` alone.
    fn new(
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
    unsafe fn run<S: Simd>(&self) {
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
unsafe fn sums<S: Simd, const MOMENTS: bool>(
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

/// The normalized input, and the statistics: those given, else those of the batch.
pub(super) fn forward(
    isa: Isa,
    dims: Dims,
    x: &[f32],
    [gamma, beta]: [&[f32]; 2],
    config: &BatchNormConfig,
    given: Option<&Statistics>,
) -> (Vec<f32>, Statistics) {
    assert_eq!(x.len(), dims.n * dims.c * dims.inner);
    assert!(gamma.len() == dims.c && beta.len() == dims.c);
    let mut y = UninitVec::<f32>::new(x.len());
    let out = y.send_ptr();
    let groups = (0..dims.groups()).into_par_iter().with_min_len(dims.task());
    let moments: Vec<Vec<[f64; 2]>> = groups
        .map_init(
            || buffer(dims, false),
            |numbers, index| {
                let group = dims.group(index);
                let inputs = [x, gamma, beta];
                isa.run(Forward { group, inputs, isa, config, given, numbers, out })
            },
        )
        .collect();
    let moments = moments.iter().flatten();
    let (mean, variance) = moments.map(|&[mean, variance]| (mean, variance)).unzip();
    // SAFETY: each group's rows are written.
    (unsafe { y.finish() }, Statistics { mean, variance })
}

struct Forward<'a> {
    group: ChannelGroup,
    /// x, gamma and beta.
    inputs: [&'a [f32]; 3],
    isa: Isa,
    config: &'a BatchNormConfig,
    given: Option<&'a Statistics>,
    numbers: &'a mut [Scratch; 3],
    out: SendPtr<f32>,
}

impl Kernel for Forward<'_> {
    type Output = Vec<[f64; 2]>;

    #[inline(always)]
    unsafe fn run<S: Simd>(self) -> Vec<[f64; 2]> {
        let Self { group, inputs: [x, gamma, beta], isa, config, .. } = self;
        let [numbers, of_pass, _] = self.numbers;
        let channels: Range<usize> = group.first..group.first + group.channels;
        // SAFETY: `forward` asserted the lengths.
        unsafe {
            let moments: Vec<[f64; 2]> = match self.given {
                Some(given) => {
                    channels.clone().map(|c| [given.mean[c], given.variance[c]]).collect()
                }
                None => {
                    // From the moments around a first guess, the mean of the first images.
                    let (n, inner, count) = (group.dims.n, group.dims.inner, group.dims.count());
                    let first = NUMBERS_OF_GUESS.div_ceil(inner.max(1)).min(n);
                    let (zeros, rows) = (vec![0.; group.channels], (x, group.rows_of(x)));
                    let sums_of_x = sums::<S, true>(group, first, rows, &zeros, numbers, None);
                    let some = (first * inner) as f64;
                    let guesses: Vec<f32> =
                        sums_of_x.iter().map(|sums| (sums[0] / some) as f32).collect();
                    let around = sums::<S, true>(group, n, rows, &guesses, numbers, None);
                    let exact = around.iter().zip(&guesses).map(|(sums, &guess)| {
                        let rest = sums[0] / count;
                        [f64::from(guess) + rest, (sums[1] / count - rest * rest).max(0.)]
                    });
                    exact.collect()
                }
            };
            let affine = moments.iter().zip(channels).map(|(&[mean, variance], c)| {
                Affine::normalizing(mean, variance, config.eps, gamma[c], beta[c])
            });
            let affine: Vec<Affine> = affine.collect();
            let pass = Pass::new(group, x, &affine, of_pass, group.rows_in(self.out));
            let activation = config.activation.map(|function| (isa, function));
            Pass { activation, ..pass }.run::<S>();
            moments
        }
    }
}

/// The gradients of x, gamma and beta that are wanted; `own` says whether the statistics are the
/// batch's own and move with `x`.
pub(super) fn backward(
    isa: Isa,
    dims: Dims,
    inputs: [&[f32]; 4],
    config: &BatchNormConfig,
    statistics: &Statistics,
    own: bool,
    [want_x, want_gamma, want_beta]: [bool; 3],
) -> [Option<Vec<f32>>; 3] {
    let [x, gamma, beta, grad] = inputs;
    assert_eq!((x.len(), grad.len()), (dims.n * dims.c * dims.inner, x.len()));
    assert!(gamma.len() == dims.c && beta.len() == dims.c);
    assert!(statistics.mean.len() == dims.c && statistics.variance.len() == dims.c);
    let mut dx = want_x.then(|| UninitVec::<f32>::new(x.len()));
    let out = dx.as_mut().map(UninitVec::send_ptr);
    let sum = want_gamma || want_beta || want_x && own;
    let groups = (0..dims.groups()).into_par_iter().with_min_len(dims.task());
    let sums: Vec<Vec<[f32; 2]>> = groups
        .map_init(
            || buffer(dims, config.activation.is_some()),
            |numbers, index| {
                let group = dims.group(index);
                isa.run(Backward { group, inputs, isa, config, statistics, own, sum, numbers, out })
            },
        )
        .collect();
    let of_channels = |kind: usize| sums.iter().flatten().map(|sums| sums[kind]).collect();
    [
        // SAFETY: each group's rows are written.
        dx.map(|dx| unsafe { dx.finish() }),
        want_gamma.then(|| of_channels(0)),
        want_beta.then(|| of_channels(1)),
    ]
}

struct Backward<'a> {
    group: ChannelGroup,
    /// x, gamma, beta and the gradient.
    inputs: [&'a [f32]; 4],
    isa: Isa,
    config: &'a BatchNormConfig,
    statistics: &'a Statistics,
    own: bool,
    /// Whether the sums over a channel are needed.
    sum: bool,
    numbers: &'a mut [Scratch; 3],
    /// The gradient of x, if wanted.
    out: Option<SendPtr<f32>>,
}

impl Kernel for Backward<'_> {
    type Output = Vec<[f32; 2]>;

    #[inline(always)]
    unsafe fn run<S: Simd>(self) -> Vec<[f32; 2]> {
        let Self { group, inputs: [x, gamma, beta, grad], isa, config, statistics, .. } = self;
        let [numbers, of_pass, rows] = self.numbers;
        let channels = group.first..group.first + group.channels;
        let of = |c: usize| (statistics.mean[c], statistics.variance[c]);
        let centers: Vec<f32> = channels.clone().map(|c| of(c).0 as f32).collect();
        let inverse = |c: usize| (of(c).1 + config.eps).sqrt().recip();
        // SAFETY: `backward` asserted the lengths; the group's rows of the output are this task's.
        unsafe {
            let (mut y, mut sums_of_y) = (group.rows_of(grad), vec![[0.; 2]; group.channels]);
            let n = group.dims.n;
            if let Some(function) = config.activation {
                // The gradient before the activation.
                assert!(rows.len() >= n * group.len());
                let out = Rows { first: SendPtr::new(rows), distance: group.len() };
                let affine = channels
                    .clone()
                    .map(|c| Affine::normalizing(of(c).0, of(c).1, config.eps, gamma[c], beta[c]));
                let affine: Vec<Affine> = affine.collect();
                let before = Pass::new(group, x, &affine, of_pass, out);
                let activation = Some((isa, function));
                let before = Pass { activation, grad: Some(grad), stream: false, ..before };
                y = out.written();
                if self.sum {
                    let before = Some(&before);
                    sums_of_y = sums::<S, false>(group, n, (x, y), &centers, numbers, before);
                } else {
                    before.run::<S>();
                }
            } else if self.sum {
                sums_of_y = sums::<S, false>(group, n, (x, y), &centers, numbers, None);
            }
            if let Some(out) = self.out {
                let affine = channels.clone().zip(&sums_of_y).map(|(c, &[sum, product])| {
                    let scale = f64::from(gamma[c]) * inverse(c);
                    let (slope, shift) = match self.own {
                        true => (-scale * product * inverse(c).powi(2), -scale * sum),
                        false => (0., 0.),
                    };
                    Affine {
                        scale: (slope / group.dims.count()) as f32,
                        center: of(c).0 as f32,
                        other: scale as f32,
                        offset: (shift / group.dims.count()) as f32,
                    }
                });
                let affine: Vec<Affine> = affine.collect();
                let out = group.rows_in(out);
                Pass { y, ..Pass::new(group, x, &affine, of_pass, out) }.run::<S>();
            }
            let gradients = channels.zip(&sums_of_y);
            gradients.map(|(c, sums)| [(sums[1] * inverse(c)) as f32, sums[0] as f32]).collect()
        }
    }
}

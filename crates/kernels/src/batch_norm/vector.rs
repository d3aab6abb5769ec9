//! Batch normalization. A task takes some channels from the first sum to the last output, so that
//! their numbers are read from memory once, then from the cache.
//!
//! Large planes are summed one after the other. Of small ones, which would fill their vectors in
//! part, the planes of several channels that lie side by side are taken for one row: every position
//! of it has sums of its own over the images, and those of a channel are added in the end.

use super::statistics::{Dims, Statistics};
use crate::scratch::{self, Scratch, SendPtr, UninitVec};
use crate::simd::{Isa, Kernel, Simd, sum_lanes};
use rayon::prelude::*;
use std::ops::Range;

/// Numbers of a row from which on a channel's planes are rows of their own.
pub(super) const LARGE_PLANE: usize = 128;
/// Numbers of a row of several channels, at least where there are as many.
pub(super) const NUMBERS_PER_ROW: usize = 512;
/// Numbers that a task takes at least.
const NUMBERS_PER_TASK: usize = 1 << 15;
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

/// What one task works with, a number for each position of a row, so that no vector has to know
/// where a channel ends: four kinds of numbers.
fn buffer(dims: Dims) -> Scratch {
    scratch::buffer(4 * if dims.inner >= LARGE_PLANE { 1 } else { dims.together() * dims.inner })
}

/// Two sums over each channel of a group: of `x - center` and its square with `MOMENTS`, else of
/// `y` and `y (x - center)`.
#[inline(always)]
unsafe fn sums<S: Simd, const MOMENTS: bool>(
    group: ChannelGroup,
    (x, y): (&[f32], &[f32]),
    centers: &[f32],
    numbers: &mut [f32],
) -> Vec<[f64; 2]> {
    let mut totals = vec![[0f64; 2]; group.channels];
    // SAFETY: `x` and `y` have the group's row for each image, `numbers` four for each position.
    unsafe {
        if group.dims.inner >= LARGE_PLANE {
            for image in 0..group.dims.n {
                let row = group.row(image)..group.row(image) + group.len();
                let sums = row_sums::<S, MOMENTS>(&x[row.clone()], &y[row], centers[0]);
                totals[0][0] += f64::from(sums[0]);
                totals[0][1] += f64::from(sums[1]);
            }
            return totals;
        }
        let len = group.len();
        let (center, sums) = numbers.split_at_mut(len);
        expand(group, center, |c| centers[c]);
        for first in (0..group.dims.n).step_by(IMAGES_PER_SUM) {
            sums[..2 * len].fill(0.);
            for image in first..(first + IMAGES_PER_SUM).min(group.dims.n) {
                let row = group.row(image)..group.row(image) + len;
                let (x, y) = (&x[row.clone()], &y[row]);
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

/// Writes `affine` of each channel to the group's rows.
#[inline(always)]
unsafe fn write<S: Simd>(
    group: ChannelGroup,
    (x, y): (&[f32], &[f32]),
    affine: &[Affine],
    numbers: &mut [f32],
    out: SendPtr<f32>,
) {
    let large = group.dims.inner >= LARGE_PLANE;
    let len = group.len();
    if !large {
        let (scale, rest) = numbers.split_at_mut(len);
        let (center, rest) = rest.split_at_mut(len);
        let (other, offset) = rest.split_at_mut(len);
        expand(group, scale, |c| affine[c].scale);
        expand(group, center, |c| affine[c].center);
        expand(group, other, |c| affine[c].other);
        expand(group, &mut offset[..len], |c| affine[c].offset);
    }
    for image in 0..group.dims.n {
        let row = group.row(image)..group.row(image) + len;
        let (x, y) = (&x[row.clone()], &y[row]);
        let whole = len / S::LANES * S::LANES;
        // SAFETY: the group's row of each image, which no other task writes; of a small one,
        // `numbers` has four for each position.
        unsafe {
            let to = out.pointer().add(group.row(image));
            let Affine { scale, center, other, offset } = affine[0];
            let one = [scale, center, other, offset];
            let [scale, center, other, offset] =
                [S::splat(scale), S::splat(center), S::splat(other), S::splat(offset)];
            for i in (0..whole).step_by(S::LANES) {
                let (x, y) = (S::load(x.as_ptr().add(i)), S::load(y.as_ptr().add(i)));
                let v = if large {
                    S::fma(scale, S::sub(x, center), S::fma(other, y, offset))
                } else {
                    let scale = numbers.as_ptr().add(i);
                    let (center, other) = (S::load(scale.add(len)), S::load(scale.add(2 * len)));
                    let rest = S::fma(other, y, S::load(scale.add(3 * len)));
                    S::fma(S::load(scale), S::sub(x, center), rest)
                };
                S::store(to.add(i), v);
            }
            for i in whole..len {
                let [scale, center, other, offset] = match large {
                    true => one,
                    false => [0, 1, 2, 3].map(|kind| numbers[kind * len + i]),
                };
                *to.add(i) = scale * (x[i] - center) + other * y[i] + offset;
            }
        }
    }
}

/// The normalized input, and the statistics: those given, else those of the batch.
pub(super) fn forward(
    isa: Isa,
    dims: Dims,
    x: &[f32],
    [gamma, beta]: [&[f32]; 2],
    eps: f64,
    given: Option<&Statistics>,
) -> (Vec<f32>, Statistics) {
    assert_eq!(x.len(), dims.n * dims.c * dims.inner);
    assert!(gamma.len() == dims.c && beta.len() == dims.c);
    let mut y = UninitVec::<f32>::new(x.len());
    let out = y.send_ptr();
    let groups = (0..dims.groups()).into_par_iter().with_min_len(dims.task());
    let moments: Vec<Vec<[f64; 2]>> = groups
        .map_init(
            || buffer(dims),
            |numbers, index| {
                let group = dims.group(index);
                isa.run(Forward { group, x, gamma, beta, eps, given, numbers, out })
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
    x: &'a [f32],
    gamma: &'a [f32],
    beta: &'a [f32],
    eps: f64,
    given: Option<&'a Statistics>,
    numbers: &'a mut [f32],
    out: SendPtr<f32>,
}

impl Kernel for Forward<'_> {
    type Output = Vec<[f64; 2]>;

    #[inline(always)]
    unsafe fn run<S: Simd>(self) -> Vec<[f64; 2]> {
        let Self { group, x, numbers, .. } = self;
        let channels: Range<usize> = group.first..group.first + group.channels;
        // SAFETY: `forward` asserted the lengths.
        unsafe {
            let moments: Vec<[f64; 2]> = match self.given {
                Some(given) => {
                    channels.clone().map(|c| [given.mean[c], given.variance[c]]).collect()
                }
                None => {
                    // From the moments around a first guess of the mean, rounded to f32.
                    let count = group.dims.count();
                    let zeros = vec![0.; group.channels];
                    let sums_of_x = sums::<S, true>(group, (x, x), &zeros, numbers);
                    let guesses: Vec<f32> =
                        sums_of_x.iter().map(|sums| (sums[0] / count) as f32).collect();
                    let around = sums::<S, true>(group, (x, x), &guesses, numbers);
                    let exact = around.iter().zip(&guesses).map(|(sums, &guess)| {
                        let rest = sums[0] / count;
                        [f64::from(guess) + rest, (sums[1] / count - rest * rest).max(0.)]
                    });
                    exact.collect()
                }
            };
            let affine: Vec<Affine> = moments
                .iter()
                .zip(channels)
                .map(|(&[mean, variance], c)| Affine {
                    scale: (f64::from(self.gamma[c]) / (variance + self.eps).sqrt()) as f32,
                    center: mean as f32,
                    other: 0.,
                    offset: self.beta[c],
                })
                .collect();
            write::<S>(group, (x, x), &affine, numbers, self.out);
            moments
        }
    }
}

/// The gradients of x, gamma and beta that are wanted; `own` says whether the statistics are the
/// batch's own and move with `x`.
pub(super) fn backward(
    isa: Isa,
    dims: Dims,
    [x, gamma, grad]: [&[f32]; 3],
    eps: f64,
    statistics: &Statistics,
    own: bool,
    [want_x, want_gamma, want_beta]: [bool; 3],
) -> [Option<Vec<f32>>; 3] {
    assert_eq!((x.len(), grad.len()), (dims.n * dims.c * dims.inner, x.len()));
    assert!(statistics.mean.len() == dims.c && statistics.variance.len() == dims.c);
    let mut dx = want_x.then(|| UninitVec::<f32>::new(x.len()));
    let out = dx.as_mut().map(UninitVec::send_ptr);
    let sum = want_gamma || want_beta || want_x && own;
    let groups = (0..dims.groups()).into_par_iter().with_min_len(dims.task());
    let sums: Vec<Vec<[f32; 2]>> = groups
        .map_init(
            || buffer(dims),
            |numbers, index| {
                let group = dims.group(index);
                let inputs = [x, gamma, grad];
                isa.run(Backward { group, inputs, eps, statistics, own, sum, numbers, out })
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
    /// x, gamma and the gradient.
    inputs: [&'a [f32]; 3],
    eps: f64,
    statistics: &'a Statistics,
    own: bool,
    /// Whether the sums over a channel are needed.
    sum: bool,
    numbers: &'a mut [f32],
    /// The gradient of x, if wanted.
    out: Option<SendPtr<f32>>,
}

impl Kernel for Backward<'_> {
    type Output = Vec<[f32; 2]>;

    #[inline(always)]
    unsafe fn run<S: Simd>(self) -> Vec<[f32; 2]> {
        let Self { group, inputs: [x, gamma, grad], statistics, numbers, .. } = self;
        let channels = group.first..group.first + group.channels;
        let centers: Vec<f32> = channels.clone().map(|c| statistics.mean[c] as f32).collect();
        // SAFETY: `backward` asserted the lengths.
        unsafe {
            let sums = match self.sum {
                true => sums::<S, false>(group, (x, grad), &centers, numbers),
                false => vec![[0.; 2]; group.channels],
            };
            let inverse = |c: usize| (statistics.variance[c] + self.eps).sqrt().recip();
            if let Some(out) = self.out {
                let affine: Vec<Affine> = channels
                    .clone()
                    .zip(&sums)
                    .map(|(c, &[sum, product])| {
                        let scale = f64::from(gamma[c]) * inverse(c);
                        let (slope, shift) = match self.own {
                            true => (-scale * product * inverse(c).powi(2), -scale * sum),
                            false => (0., 0.),
                        };
                        Affine {
                            scale: (slope / group.dims.count()) as f32,
                            center: statistics.mean[c] as f32,
                            other: scale as f32,
                            offset: (shift / group.dims.count()) as f32,
                        }
                    })
                    .collect();
                write::<S>(group, (x, grad), &affine, numbers, out);
            }
            let gradients = channels.zip(&sums);
            gradients.map(|(c, sums)| [(sums[1] * inverse(c)) as f32, sums[0] as f32]).collect()
        }
    }
}

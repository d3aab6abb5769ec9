//! Batch normalization. A task takes some channels from the first sum to the last output, so that
//! their numbers are read from memory once, then from the cache.

use super::pass::{Affine, ChannelGroup, NUMBERS_OF_GUESS, Pass, Rows, buffer, sums};
use super::statistics::{BatchNormConfig, Dims, Statistics};
use crate::scratch::{Scratch, SendPtr, UninitVec};
use crate::simd::{Isa, Kernel, Simd};
use rayon::prelude::*;
use std::ops::Range;

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

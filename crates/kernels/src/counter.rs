//! Randomness as a function of position: the counter-based generator Philox4x32-10.
//!
//! There is no state to save, to share or to get out of step: the same key and index give the
//! same numbers on every machine, in any order, on any number of threads.
//!
//! Source: J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, "Parallel random numbers: as easy
//! as 1, 2, 3", SC '11, <https://doi.org/10.1145/2063384.2063405>. It is also the generator of
//! cuRAND and of TensorFlow; their seeds and orders differ from this one.
//!
//! ```
//! use taper_kernels::counter::Counter;
//! let counter = Counter::new(42);
//! assert_eq!(counter.block(7), Counter::new(42).block(7));
//! assert_ne!(counter.block(7), counter.block(8));
//! assert!((0. ..1.).contains(&counter.uniform_f32(123)));
//! ```

/// A stream of random numbers addressed by index, one stream for each key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Counter {
    key: [u32; 2],
}

impl Counter {
    /// The stream of `key`. Streams of different keys are unrelated, also where keys are close.
    pub fn new(key: u64) -> Self {
        Self { key: [key as u32, (key >> 32) as u32] }
    }

    /// The four 32-bit words at `index`.
    #[inline]
    pub fn block(&self, index: u64) -> [u32; 4] {
        philox4x32_10([index as u32, (index >> 32) as u32, 0, 0], self.key)
    }

    /// The words of eight blocks from `first` on, in order.
    pub(crate) fn philox8(&self, first: u64) -> [u32; 32] {
        let mut words = [0; 32];
        for (i, block) in words.as_chunks_mut::<4>().0.iter_mut().enumerate() {
            *block = self.block(first.wrapping_add(i as u64));
        }
        words
    }

    /// The key, for kernels that make blocks by themselves.
    pub(crate) fn key(&self) -> [u32; 2] {
        self.key
    }

    /// The 64-bit word at `index`: half of block `index / 2`.
    pub fn bits(&self, index: u64) -> u64 {
        let block = self.block(index / 2);
        let half = (index % 2) as usize * 2;
        u64::from(block[half]) | u64::from(block[half + 1]) << 32
    }

    /// A number drawn uniformly from [0, 1), a multiple of 2^-24: word `index % 4` of block
    /// `index / 4`.
    pub fn uniform_f32(&self, index: u64) -> f32 {
        let word = self.block(index / 4)[(index % 4) as usize];
        (word >> 8) as f32 * (1. / (1u32 << 24) as f32)
    }

    /// A number drawn uniformly from [0, 1), a multiple of 2^-53, out of [`bits`](Self::bits).
    pub fn uniform_f64(&self, index: u64) -> f64 {
        (self.bits(index) >> 11) as f64 * (1. / (1u64 << 53) as f64)
    }

    /// A number drawn from the normal distribution with mean 0 and variance 1.
    ///
    /// Box and Muller's transform: numbers `2k` and `2k + 1` come from block `k`.
    pub fn normal(&self, index: u64) -> f64 {
        let pair = index / 2 * 2;
        // 1 - u lies in (0, 1], so that the logarithm is finite.
        let radius = (-2. * (1. - self.uniform_f64(pair)).ln()).sqrt();
        let angle = std::f64::consts::TAU * self.uniform_f64(pair + 1);
        radius * if index.is_multiple_of(2) { angle.cos() } else { angle.sin() }
    }
}

/// What Philox multiplies by, and what it adds to the key in each of its ten rounds.
pub(crate) const MULTIPLIERS: [u64; 2] = [0xD251_1F53, 0xCD9E_8D57];
pub(crate) const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
pub(crate) const ROUNDS: usize = 10;

#[inline]
fn philox4x32_10(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for _ in 0..ROUNDS {
        let a = u64::from(counter[0]) * MULTIPLIERS[0];
        let b = u64::from(counter[2]) * MULTIPLIERS[1];
        counter = [
            (b >> 32) as u32 ^ counter[1] ^ key[0],
            b as u32,
            (a >> 32) as u32 ^ counter[3] ^ key[1],
            a as u32,
        ];
        key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
    }
    counter
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::{Isa, Kernel, Simd};

    /// The three vectors that Random123 publishes for `philox4x32 10` in its `kat_vectors`.
    #[test]
    fn the_known_answers_of_random123_come_out() {
        let cases = [
            ([0; 4], [0; 2], [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]),
            ([u32::MAX; 4], [u32::MAX; 2], [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd]),
            (
                [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
                [0xa4093822, 0x299f31d0],
                [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
            ),
        ];
        for (counter, key, expected) in cases {
            assert_eq!(philox4x32_10(counter, key), expected);
        }
        assert_eq!(Counter::new(0).block(0), cases[0].2);
    }

    #[test]
    fn eight_blocks_at_once_are_the_same_as_one_by_one() {
        struct EightBlocks(Counter, u64);
        impl Kernel for EightBlocks {
            type Output = [u32; 32];
            #[inline(always)]
            unsafe fn run<S: Simd>(self) -> [u32; 32] {
                // SAFETY: the features are there by `run`'s promise.
                unsafe { S::philox8(&self.0, self.1) }
            }
        }
        let counter = Counter::new(0x1234_5678_9abc_def0);
        for first in [0, 5, u64::from(u32::MAX) - 3] {
            let expected: Vec<u32> = (first..first + 8).flat_map(|i| counter.block(i)).collect();
            for isa in [Isa::PORTABLE, Isa::best()] {
                assert_eq!(isa.run(EightBlocks(counter, first)).as_slice(), expected);
            }
        }
    }

    #[test]
    fn uniform_numbers_fill_the_unit_interval_evenly() {
        let counter = Counter::new(1);
        let n = 40_000;
        let mut bins = [0u32; 20];
        for i in 0..n {
            let (a, b) = (f64::from(counter.uniform_f32(i)), counter.uniform_f64(n + i));
            assert!((0. ..1.).contains(&a) && (0. ..1.).contains(&b));
            bins[(a * 20.) as usize] += 1;
            bins[(b * 20.) as usize] += 1;
        }
        // Each bin expects 4000 with a standard deviation of 62.
        assert!(bins.iter().all(|&k| (3700..4300).contains(&k)), "{bins:?}");
    }

    #[test]
    fn normal_numbers_have_mean_zero_variance_one_and_no_skew() {
        let counter = Counter::new(2);
        let n = 100_000;
        let mut sums = [0f64; 4];
        for i in 0..n {
            let z = counter.normal(i);
            for (power, sum) in sums.iter_mut().enumerate() {
                *sum += z.powi(power as i32 + 1) / n as f64;
            }
        }
        // Standard deviations of the four moments: 0.0032, 0.0045, 0.012, 0.031.
        assert!(sums[0].abs() < 0.016 && (sums[1] - 1.).abs() < 0.022, "{sums:?}");
        assert!(sums[2].abs() < 0.06 && (sums[3] - 3.).abs() < 0.16, "{sums:?}");
    }

    #[test]
    fn high_halves_of_key_and_index_count() {
        assert_ne!(Counter::new(1).block(0), Counter::new(1 | 1 << 32).block(0));
        assert_ne!(Counter::new(1).block(0), Counter::new(1).block(1 << 32));
    }
}

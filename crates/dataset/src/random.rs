//! Random numbers addressed by what they are for.
//!
//! Philox4x32-10 (Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", 2011):
//! a block of random bits is a pure function of a key and a counter. The seed is the key; purpose,
//! epoch and index are the counter. So nothing has to be saved to continue a run, and the order in
//! which threads ask changes nothing.

mod distributions;

/// What random numbers are used for; purposes never share numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[repr(u32)]
pub enum Purpose {
    /// The order of an epoch.
    Order = 1,
    /// Which items become the test part.
    TestSplit = 2,
    /// Which items become the validation part.
    ValidationSplit = 3,
    /// Which items become which fold.
    Folds = 4,
    /// The changes made to an image in an epoch.
    Augment = 5,
    /// Which images of a batch are mixed, and how much of each.
    Mix = 6,
    /// In which order a class gives its items to balanced epochs.
    Balance = 7,
    /// Which items of a class are taken where not all are wanted.
    PerClass = 8,
    /// A picture of a line of digits.
    Lines = 16,
}

/// A stream of random numbers, a pure function of (seed, purpose, epoch, index).
#[derive(Debug, Clone)]
pub struct Random {
    key: [u32; 2],
    counter: [u32; 4],
    block: [u32; 4],
    used: usize,
}

impl Random {
    /// The stream at an address. Epoch and index count modulo 2^32.
    ///
    /// ```
    /// use taper_dataset::random::{Purpose, Random};
    ///
    /// let mut one = Random::new(7, Purpose::Augment, 3, 41);
    /// let mut two = Random::new(7, Purpose::Augment, 3, 41);
    /// assert_eq!(one.uniform(), two.uniform());
    /// ```
    pub fn new(seed: u64, purpose: Purpose, epoch: u64, index: u64) -> Self {
        Random {
            key: [seed as u32, (seed >> 32) as u32],
            counter: [0, index as u32, epoch as u32, purpose as u32],
            block: [0; 4],
            used: 4,
        }
    }

    /// The stream of one of several uses at the same address; lanes do not share numbers until
    /// 2^26 have been taken. What one use takes does not change what another gets.
    pub fn lane(mut self, lane: impl Into<u32>) -> Self {
        let lane = lane.into();
        // A purpose takes the low byte alone.
        self.counter[0] = lane << 24;
        self.counter[3] = self.counter[3] & 0xff | lane & !0xff;
        self.used = 4;
        self
    }

    /// 32 random bits.
    pub fn next_u32(&mut self) -> u32 {
        if self.used == 4 {
            self.block = philox(self.key, self.counter);
            self.counter[0] = self.counter[0].wrapping_add(1);
            self.used = 0;
        }
        self.used += 1;
        self.block[self.used - 1]
    }

    /// 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        u64::from(self.next_u32()) | u64::from(self.next_u32()) << 32
    }

    /// A number in [0, 1), a multiple of 2^-53.
    pub fn uniform(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A whole number below `bound`, each equally likely (Lemire, 2019); 0 if `bound` is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        let bound = bound as u64;
        if bound == 0 {
            return 0;
        }
        let rejected = bound.wrapping_neg() % bound;
        loop {
            let product = u128::from(self.next_u64()) * u128::from(bound);
            if product as u64 >= rejected {
                return (product >> 64) as usize; // below `bound`, which was a usize
            }
        }
    }

    /// Puts `items` into random order (Fisher and Yates), each order equally likely.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

fn philox(mut key: [u32; 2], mut counter: [u32; 4]) -> [u32; 4] {
    for round in 0..10 {
        if round > 0 {
            key = [key[0].wrapping_add(0x9E37_79B9), key[1].wrapping_add(0xBB67_AE85)];
        }
        let first = u64::from(counter[0]) * 0xD251_1F53;
        let second = u64::from(counter[2]) * 0xCD9E_8D57;
        counter = [
            (second >> 32) as u32 ^ counter[1] ^ key[0],
            second as u32,
            (first >> 32) as u32 ^ counter[3] ^ key[1],
            first as u32,
        ];
    }
    counter
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn philox_gives_its_authors_vectors() {
        // kat_vectors of the Random123 library, "philox4x32 10".
        assert_eq!(philox([0; 2], [0; 4]), [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]);
        assert_eq!(
            philox([u32::MAX; 2], [u32::MAX; 4]),
            [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd]
        );
        assert_eq!(
            philox([0xa4093822, 0x299f31d0], [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344]),
            [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1]
        );
    }

    #[test]
    fn every_part_of_the_address_counts() {
        let first = Random::new(1, Purpose::Order, 2, 3).next_u64();
        assert_ne!(first, Random::new(9, Purpose::Order, 2, 3).next_u64());
        assert_ne!(first, Random::new(1 << 40 | 1, Purpose::Order, 2, 3).next_u64());
        assert_ne!(first, Random::new(1, Purpose::Folds, 2, 3).next_u64());
        assert_ne!(first, Random::new(1, Purpose::Order, 9, 3).next_u64());
        assert_ne!(first, Random::new(1, Purpose::Order, 2, 9).next_u64());
    }

    #[test]
    fn numbers_below_a_bound_are_evenly_spread() {
        let mut random = Random::new(0, Purpose::Order, 0, 0);
        let mut counts = [0usize; 6];
        for _ in 0..60_000 {
            counts[random.below(6)] += 1;
        }
        // 5 standard deviations of a binomial count: 5 * sqrt(60000 * 1/6 * 5/6) = 456.
        assert!(counts.iter().all(|count| count.abs_diff(10_000) < 456), "{counts:?}");
        assert_eq!(random.below(0), 0);
        assert_eq!(random.below(1), 0);
    }

    #[test]
    fn uniform_numbers_stay_below_one() {
        let mut random = Random::new(0, Purpose::Order, 0, 0);
        let mean = (0..10_000)
            .map(|_| random.uniform())
            .inspect(|u| assert!((0.0..1.0).contains(u)))
            .sum::<f64>()
            / 1e4;
        // 5 standard deviations of the mean: 5 * sqrt(1/12 / 10000) = 0.0145.
        assert!((mean - 0.5).abs() < 0.0145, "{mean}");
    }
}

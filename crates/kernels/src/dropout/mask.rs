//! Which elements are dropped.

use crate::counter::Counter;

/// The rule by which an element is kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mask {
    pub counter: Counter,
    /// A word below this drops its element.
    threshold: u32,
    /// Whether every element is dropped.
    all: bool,
    /// What a kept element is multiplied by.
    pub scale: f64,
}

impl Mask {
    pub fn new(rate: f64, seed: u64) -> Self {
        let threshold = (rate * 2f64.powi(32)).round();
        Self {
            counter: Counter::new(seed),
            // A rate below 1 by less than 2^-33 is one.
            threshold: threshold as u32,
            all: threshold >= 2f64.powi(32),
            scale: if rate < 1. { 1. / (1. - rate) } else { 0. },
        }
    }

    #[inline(always)]
    pub fn drops(&self, word: u32) -> bool {
        self.all | (word < self.threshold)
    }
}

//! The order of an epoch.

use crate::random::{Purpose, Random};

/// The order in which an epoch visits `len` items: a pure function of its arguments.
///
/// Without `shuffle` it is 0, 1, 2, …; with it, one of all orders, each equally likely, another in
/// every epoch.
///
/// ```
/// use taper_dataset::sampler::epoch_order;
///
/// let first = epoch_order(5, 42, 0, true);
/// assert_eq!(first, epoch_order(5, 42, 0, true));
/// assert_ne!(epoch_order(100, 42, 0, true), epoch_order(100, 42, 1, true));
/// ```
pub fn epoch_order(len: usize, seed: u64, epoch: u64, shuffle: bool) -> Vec<usize> {
    let mut order: Vec<usize> = (0..len).collect();
    if shuffle {
        Random::new(seed, Purpose::Order, epoch, 0).shuffle(&mut order);
    }
    order
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_epoch_visits_every_item_once(len in 0usize..300, seed: u64, epoch: u64, shuffle: bool) {
            let mut order = epoch_order(len, seed, epoch, shuffle);
            order.sort_unstable();
            prop_assert_eq!(order, (0..len).collect::<Vec<_>>());
        }
    }

    #[test]
    fn every_item_comes_first_about_equally_often() {
        let mut counts = [0usize; 10];
        for epoch in 0..10_000 {
            counts[epoch_order(10, 0, epoch, true)[0]] += 1;
        }
        // 5 standard deviations of a binomial count: 5 * sqrt(10000 * 0.1 * 0.9) = 150.
        assert!(counts.iter().all(|count| count.abs_diff(1000) < 150), "{counts:?}");
    }

    #[test]
    fn without_shuffling_the_order_is_the_list() {
        assert_eq!(epoch_order(4, 9, 3, false), [0, 1, 2, 3]);
    }
}

//! The order of an epoch.

use std::collections::BTreeMap;

use crate::random::{Purpose, Random};

/// The order in which an epoch visits `len` items: a pure function of its arguments.
///
/// Without `shuffle` it is 0, 1, 2, …; with it, one of all orders, each equally likely, another in
/// every epoch.
pub(crate) fn epoch_order(len: usize, seed: u64, epoch: u64, shuffle: bool) -> Vec<usize> {
    let mut order: Vec<usize> = (0..len).collect();
    if shuffle {
        Random::new(seed, Purpose::Order, epoch, 0).shuffle(&mut order);
    }
    order
}

/// The order of an epoch in which every class comes as often as another: places in `labels`, as many
/// as there are labels.
///
/// Each class goes through its items in an endless row of orders, each seeded, and an epoch takes the
/// next piece of it: of a large class other items each epoch, of a small one all of them several
/// times. What does not divide evenly goes to the classes of the lowest labels. A pure function of
/// its arguments.
pub(crate) fn balanced_order(labels: &[u32], seed: u64, epoch: u64) -> Vec<usize> {
    let mut classes = BTreeMap::<u32, Vec<usize>>::new();
    for (place, &label) in labels.iter().enumerate() {
        classes.entry(label).or_default().push(place);
    }
    let mut order = Vec::with_capacity(labels.len());
    let count = classes.len().max(1);
    for (rank, (label, items)) in classes.into_iter().enumerate() {
        let quota = labels.len() / count + usize::from(rank < labels.len() % count);
        let mut next = epoch * quota as u64;
        let end = next + quota as u64;
        while next < end {
            let (round, from) = (next / items.len() as u64, (next % items.len() as u64) as usize);
            let mut items = items.clone();
            Random::new(seed, Purpose::Balance, round, u64::from(label)).shuffle(&mut items);
            let taken = (items.len() - from).min((end - next) as usize);
            order.extend_from_slice(&items[from..from + taken]);
            next += taken as u64;
        }
    }
    Random::new(seed, Purpose::Order, epoch, 0).shuffle(&mut order);
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
    fn balanced_epochs_give_every_class_its_share_and_every_item_its_turn() {
        // 90 of class 3, 10 of class 7, 20 of class 9.
        let labels: Vec<u32> = (0..120)
            .map(|i| {
                if i < 90 {
                    3
                } else if i < 100 {
                    7
                } else {
                    9
                }
            })
            .collect();
        let mut seen = vec![0usize; 120];
        for epoch in 0..9 {
            let order = balanced_order(&labels, 5, epoch);
            assert_eq!(order, balanced_order(&labels, 5, epoch));
            for class in [3, 7, 9] {
                assert_eq!(order.iter().filter(|&&place| labels[place] == class).count(), 40);
            }
            order.iter().for_each(|&place| seen[place] += 1);
        }
        // 9 epochs of 40: four times each of 90, 36 times each of 10, 18 times each of 20.
        assert!(seen[..90].iter().all(|&n| n == 4) && seen[90..100].iter().all(|&n| n == 36));
        assert!(seen[100..].iter().all(|&n| n == 18));
        assert_ne!(balanced_order(&labels, 5, 0), balanced_order(&labels, 6, 0));
        assert!(balanced_order(&[], 0, 0).is_empty());
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

use proptest::prelude::*;

use super::*;

fn count_of(labels: &[u32], items: &[usize], class: u32) -> usize {
    items.iter().filter(|&&item| labels[item] == class).count()
}

fn config(test: f64, validation: f64) -> SplitConfig {
    SplitConfig { test, validation, ..SplitConfig::default() }
}

proptest! {
    #[test]
    fn the_three_parts_are_the_whole_and_every_class_has_its_share(
        labels in prop::collection::vec(0u32..5, 0..200),
        test in 0.0..0.5,
        validation in 0.0..0.5,
        seed: u64,
    ) {
        let split = stratified(&labels, &SplitConfig {
            test, validation, test_seed: seed, validation_seed: seed ^ 1,
        }).unwrap();
        let mut all = [&split.train[..], &split.validation, &split.test].concat();
        all.sort_unstable();
        prop_assert_eq!(all, (0..labels.len()).collect::<Vec<_>>());
        let wanted = (test * labels.len() as f64).round() as usize;
        // No fewer than wanted, but where a class would have lost all it has.
        let spared = (0..5).filter(|&class| count_of(&labels, &split.train, class) == 1).count();
        prop_assert!(split.test.len() <= wanted && wanted <= split.test.len() + spared);
        for class in 0..5 {
            prop_assert!(split.train.iter().any(|&item| labels[item] == class) || !labels.contains(&class));
            let size = count_of(&labels, &(0..labels.len()).collect::<Vec<_>>(), class);
            let share = wanted as f64 * size as f64 / labels.len().max(1) as f64;
            let found = count_of(&labels, &split.test, class) as f64;
            prop_assert!((found - share).abs() < 1.0, "{found} of {share}");
        }
    }

    #[test]
    fn folds_partition_and_differ_by_at_most_one_item(
        labels in prop::collection::vec(0u32..4, 20..120),
        count in 2usize..6,
        seed: u64,
    ) {
        let folds = folds(&labels, count, seed).unwrap();
        let mut held_out: Vec<usize> =
            folds.iter().flat_map(|fold| fold.held_out.clone()).collect();
        held_out.sort_unstable();
        prop_assert_eq!(held_out, (0..labels.len()).collect::<Vec<_>>());
        for fold in &folds {
            let mut all = [&fold.train[..], &fold.held_out].concat();
            all.sort_unstable();
            prop_assert_eq!(all, (0..labels.len()).collect::<Vec<_>>());
            prop_assert!(fold.held_out.len().abs_diff(labels.len() / count) <= 1);
        }
        for class in 0..4 {
            let counts: Vec<usize> =
                folds.iter().map(|fold| count_of(&labels, &fold.held_out, class)).collect();
            prop_assert!(counts.iter().max().unwrap() - counts.iter().min().unwrap() <= 1);
        }
    }
}

#[test]
fn the_test_part_depends_on_its_own_seed_alone() {
    let labels: Vec<u32> = (0..300).map(|item| item % 3).collect();
    let split = |test_seed, validation_seed, validation| {
        stratified(&labels, &SplitConfig { test: 0.2, test_seed, validation, validation_seed })
            .unwrap()
    };
    let first = split(1, 1, 0.1);
    assert_eq!(first.test, split(1, 2, 0.3).test);
    assert_ne!(first.validation, split(1, 2, 0.1).validation);
    assert_ne!(first.test, split(2, 1, 0.1).test);
}

#[test]
fn shares_that_do_not_fit_are_an_error() {
    let message = |config| stratified(&[0, 1], &config).unwrap_err().to_string();
    assert_eq!(message(config(1.5, 0.0)), "test share is 1.5, expected a number from 0 to 1");
    assert_eq!(
        message(config(0.75, 0.5)),
        "validation share is 0.5, expected at most what the test share leaves, 0.25"
    );
    assert!(stratified(&[0, 1], &config(f64::NAN, 0.0)).is_err());
    assert_eq!(stratified(&[0; 10], &config(0.9, 0.1)).unwrap().train.len(), 1);
}

#[test]
fn folds_that_no_class_can_fill_are_an_error() {
    let message = |labels: &[u32], count| folds(labels, count, 0).unwrap_err().to_string();
    assert_eq!(
        message(&[0, 0, 1], 3),
        "number of folds is 3, expected 2 to 2, the size of the largest class"
    );
    assert!(folds(&[0, 0], 1, 0).is_err());
    assert!(folds(&[], 2, 0).is_err());
}

#[test]
fn folds_have_the_class_counts_of_scikit_learn() {
    // StratifiedKFold(4, shuffle=True).split(labels, labels) of scikit-learn 1.9.1, whatever its
    // random state: per fold, how many of the classes 0, 1, 2 are held out.
    let labels = [2, 0, 1, 2, 1, 0, 0, 1, 2, 1, 0, 0, 1, 2, 1, 0, 1, 2];
    let folds = folds(&labels, 4, 3).unwrap();
    let counts = folds.iter().map(|fold| [0, 1, 2].map(|c| count_of(&labels, &fold.held_out, c)));
    assert_eq!(counts.collect::<Vec<_>>(), [[1, 2, 2], [2, 2, 1], [2, 1, 1], [1, 2, 1]]);
}

#[test]
fn the_only_item_of_a_class_is_trained_on() {
    // Thirty classes of one; a class of ten and three of one.
    let split = stratified(&(0..30).collect::<Vec<u32>>(), &config(0.2, 0.1)).unwrap();
    assert_eq!((split.train.len(), split.test.len()), (30, 0));
    let labels = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3];
    let split = stratified(&labels, &config(0.25, 0.1)).unwrap();
    assert_eq!((split.train.len(), split.validation.len(), split.test.len()), (9, 1, 3));
    assert_eq!(split.train[split.train.len() - 3..], [10, 11, 12]);
    // Two items, both wanted: one for the test part, none for the validation part.
    let split = stratified(&[0, 0], &config(0.5, 0.5)).unwrap();
    assert_eq!((split.train.len(), split.validation.len(), split.test.len()), (1, 0, 1));
}

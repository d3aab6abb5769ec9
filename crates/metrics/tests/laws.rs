//! Laws that hold for any labels, predictions and scores.

use proptest::prelude::*;
use taper_metrics::*;

const CLASSES: usize = 4;

/// (label, prediction) pairs.
fn pairs() -> impl Strategy<Value = Vec<(u32, u32)>> {
    proptest::collection::vec((0..CLASSES as u32, 0..CLASSES as u32), 0..40)
}

fn counted(pairs: &[(u32, u32)]) -> ConfusionMatrix {
    let (labels, predictions): (Vec<u32>, Vec<u32>) = pairs.iter().copied().unzip();
    let mut matrix = ConfusionMatrix::new(CLASSES).unwrap();
    matrix.add_batch(&labels, &predictions).unwrap();
    matrix
}

fn merged(a: &ConfusionMatrix, b: &ConfusionMatrix) -> ConfusionMatrix {
    let mut matrix = a.clone();
    matrix.merge(b).unwrap();
    matrix
}

/// A label and the weights of its classes; few distinct weights, so that ties are common.
type Sample = (u32, [u8; CLASSES]);

fn samples() -> impl Strategy<Value = Vec<Sample>> {
    let weights = proptest::array::uniform4(0u8..5);
    proptest::collection::vec((0..CLASSES as u32, weights), 1..30)
}

fn labels_and_probabilities(samples: &[Sample]) -> (Vec<u32>, Vec<f64>) {
    let labels = samples.iter().map(|sample| sample.0).collect();
    let rows = samples.iter().flat_map(|(_, weights)| {
        // One more for the last class, so that no row is all zeros.
        let sum = weights.iter().map(|&w| f64::from(w)).sum::<f64>() + 1.0;
        (0..CLASSES).map(move |c| (f64::from(weights[c]) + f64::from(c == CLASSES - 1)) / sum)
    });
    (labels, rows.collect())
}

/// Every number that is computed from scores, by name; none where it is undefined.
fn numbers(samples: &[Sample]) -> Vec<(&'static str, Option<f64>)> {
    let (labels, p) = labels_and_probabilities(samples);
    let (positive, scores) = one_vs_rest(&labels, &p, CLASSES, 0).unwrap();
    let calibration = calibration(&labels, &p, CLASSES, 5).unwrap();
    vec![
        ("top 1", top_k_accuracy(&labels, &p, CLASSES, 1).ok()),
        ("top 2", top_k_accuracy(&labels, &p, CLASSES, 2).ok()),
        ("halved Brier score", brier_score(&labels, &p, CLASSES).ok().map(|b| b / 2.0)),
        ("log loss by its bound", log_loss(&labels, &p, CLASSES).ok().map(|l| l / 37.0)),
        ("expected error", Some(calibration.expected_error)),
        ("maximum error", Some(calibration.maximum_error)),
        ("area", roc_auc(&positive, &scores).ok()),
        ("average precision", average_precision(&positive, &scores).ok()),
        ("macro area", roc_auc_one_vs_rest(&labels, &p, CLASSES, Average::Macro).ok()),
        ("weighted area", roc_auc_one_vs_rest(&labels, &p, CLASSES, Average::Weighted).ok()),
        ("micro area", roc_auc_one_vs_rest(&labels, &p, CLASSES, Average::Micro).ok()),
        (
            "weighted precision",
            average_precision_one_vs_rest(&labels, &p, CLASSES, Average::Weighted).ok(),
        ),
    ]
}

proptest! {
    #[test]
    fn merging_is_associative_and_commutative_and_equals_counting_at_once(
        a in pairs(), b in pairs(), c in pairs(),
    ) {
        let all = counted(&[a.as_slice(), &b, &c].concat());
        let (a, b, c) = (counted(&a), counted(&b), counted(&c));
        prop_assert_eq!(&merged(&merged(&a, &b), &c), &merged(&a, &merged(&b, &c)));
        prop_assert_eq!(&merged(&a, &b), &merged(&b, &a));
        prop_assert_eq!(&merged(&merged(&a, &b), &c), &all);
    }

    #[test]
    fn sums_of_a_matrix_agree(pairs in pairs()) {
        let matrix = counted(&pairs);
        prop_assert_eq!(matrix.total(), pairs.len() as u64);
        prop_assert_eq!(matrix.support().iter().sum::<u64>(), matrix.total());
        prop_assert_eq!(matrix.predicted().iter().sum::<u64>(), matrix.total());
    }

    #[test]
    fn metrics_of_a_matrix_are_in_range(pairs in pairs()) {
        let matrix = counted(&pairs);
        let unit = 0.0..=1.0 + 1e-12;
        for zero_division in [ZeroDivision::Zero, ZeroDivision::One] {
            for average in [Average::Micro, Average::Macro, Average::Weighted] {
                let s = matrix.average_scores(average, zero_division);
                for value in [s.precision, s.recall, s.f1] {
                    prop_assert!(unit.contains(&value), "{average:?}: {s:?}");
                }
            }
        }
        match matrix.accuracy() {
            Err(error) => prop_assert_eq!(error, MetricsError::Empty),
            Ok(accuracy) => {
                prop_assert!(unit.contains(&accuracy));
                prop_assert!(unit.contains(&matrix.balanced_accuracy().unwrap()));
                prop_assert!((-1.0..=1.0).contains(&matrix.matthews().unwrap()));
                if let Ok(kappa) = matrix.cohen_kappa(KappaWeights::Unweighted) {
                    // The least is that of two classes which are always taken for each other.
                    prop_assert!((-1.0 - 1e-12..=1.0).contains(&kappa), "{kappa}");
                }
                let micro = matrix.average_scores(Average::Micro, ZeroDivision::Zero);
                prop_assert_eq!(micro.f1, accuracy);
            }
        }
    }

    #[test]
    fn metrics_of_scores_are_in_range(samples in samples()) {
        for (name, value) in numbers(&samples) {
            if let Some(value) = value {
                prop_assert!((0.0..=1.0 + 1e-12).contains(&value), "{name} is {value}");
            }
        }
    }

    #[test]
    fn the_order_of_the_samples_does_not_matter(
        (samples, shuffled) in samples()
            .prop_flat_map(|samples| (Just(samples.clone()), Just(samples).prop_shuffle())),
    ) {
        for ((name, a), (_, b)) in numbers(&samples).into_iter().zip(numbers(&shuffled)) {
            match (a, b) {
                // Sums of up to 30 terms below 1 in another order.
                (Some(a), Some(b)) => prop_assert!((a - b).abs() <= 1e-14, "{name}: {a} and {b}"),
                (a, b) => prop_assert_eq!(a, b, "{}", name),
            }
        }
    }

    #[test]
    fn negated_scores_turn_the_area_around(samples in samples()) {
        let (labels, p) = labels_and_probabilities(&samples);
        let (positive, scores) = one_vs_rest(&labels, &p, CLASSES, 1).unwrap();
        let negated: Vec<f64> = scores.iter().map(|score| -score).collect();
        if let (Ok(a), Ok(b)) = (roc_auc(&positive, &scores), roc_auc(&positive, &negated)) {
            prop_assert!((a + b - 1.0).abs() <= 1e-15, "{a} and {b}");
        }
    }

    #[test]
    fn the_area_is_the_trapezoids_under_the_curve(samples in samples()) {
        let (labels, p) = labels_and_probabilities(&samples);
        let (positive, scores) = one_vs_rest(&labels, &p, CLASSES, 2).unwrap();
        if let Ok(curve) = roc_curve(&positive, &scores) {
            let area: f64 = curve
                .windows(2)
                .map(|pair| {
                    (pair[1].false_positive_rate - pair[0].false_positive_rate)
                        * (pair[1].true_positive_rate + pair[0].true_positive_rate)
                        / 2.0
                })
                .sum();
            prop_assert!((area - roc_auc(&positive, &scores).unwrap()).abs() <= 1e-14);
        }
    }

    #[test]
    fn a_threshold_does_what_it_promises(samples in samples(), wanted in 0.0..=1.0f64) {
        let (labels, p) = labels_and_probabilities(&samples);
        let (positive, scores) = one_vs_rest(&labels, &p, CLASSES, 3).unwrap();
        let measured = |threshold: f64| {
            let taken = scores.iter().filter(|&&s| s >= threshold).count() as f64;
            let hits = scores.iter().zip(&positive).filter(|&(&s, &p)| p && s >= threshold).count();
            let positives = positive.iter().filter(|&&p| p).count() as f64;
            (hits as f64 / taken, hits as f64 / positives)
        };
        if let Ok(point) = threshold_for_recall(&positive, &scores, wanted) {
            prop_assert!(point.recall >= wanted);
            prop_assert_eq!(measured(point.threshold), (point.precision, point.recall));
            for &threshold in &scores {
                let (precision, recall) = measured(threshold);
                prop_assert!(recall < wanted || precision <= point.precision);
            }
        }
        if let Ok(point) = threshold_for_precision(&positive, &scores, wanted) {
            prop_assert!(point.precision >= wanted);
            prop_assert_eq!(measured(point.threshold), (point.precision, point.recall));
            for &threshold in &scores {
                let (precision, recall) = measured(threshold);
                prop_assert!(precision < wanted || recall <= point.recall);
            }
        }
    }

    #[test]
    fn single_precision_gives_the_same_as_double_where_values_are_exact(samples in samples()) {
        let labels: Vec<u32> = samples.iter().map(|sample| sample.0).collect();
        let double: Vec<f64> = samples.iter().flat_map(|s| s.1.map(f64::from)).collect();
        let single: Vec<f32> = samples.iter().flat_map(|s| s.1.map(f32::from)).collect();
        prop_assert_eq!(argmax(&single, CLASSES), argmax(&double, CLASSES));
        prop_assert_eq!(
            roc_auc_one_vs_rest(&labels, &single, CLASSES, Average::Macro),
            roc_auc_one_vs_rest(&labels, &double, CLASSES, Average::Macro)
        );
    }
}

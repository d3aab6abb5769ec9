//! Every metric against scikit-learn, on the sets of predictions in `tests/golden/metrics.json`.

use serde::Deserialize;
use std::collections::BTreeMap;
use taper_metrics::*;

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    num_classes: usize,
    /// Probabilities are `weights / scale`, exact in both precisions.
    scale: u32,
    labels: Vec<u32>,
    weights: Vec<u32>,
    predictions: Vec<u32>,
    confusion: Vec<u64>,
    accuracy: f64,
    balanced_accuracy: f64,
    kappa: [f64; 3],
    matthews: f64,
    scores: BTreeMap<String, CaseScores>,
    top_k: Vec<f64>,
    log_loss: f64,
    brier: f64,
    roc_auc: OneVsRest,
    average_precision: OneVsRest,
    calibration: Vec<CaseCalibration>,
    class_names: Vec<String>,
    report: String,
    curves: Option<Curves>,
}

/// `None` is NaN. The averages are precision, recall and F1.
#[derive(Deserialize)]
struct CaseScores {
    precision: Vec<Option<f64>>,
    recall: Vec<Option<f64>>,
    f1: Vec<Option<f64>>,
    f2: Vec<Option<f64>>,
    micro: [Option<f64>; 3],
    r#macro: [Option<f64>; 3],
    weighted: [Option<f64>; 3],
    micro_f_half: Option<f64>,
    macro_f_half: Option<f64>,
    weighted_f_half: Option<f64>,
}

/// `None` is undefined.
#[derive(Deserialize)]
struct OneVsRest {
    per_class: Vec<Option<f64>>,
    r#macro: Option<f64>,
    weighted: f64,
    micro: f64,
}

#[derive(Deserialize)]
struct CaseCalibration {
    num_bins: usize,
    bins: Option<Vec<CaseBin>>,
    expected: f64,
    maximum: f64,
}

/// Count, confidence, accuracy.
type CaseBin = (u64, Option<f64>, Option<f64>);

#[derive(Deserialize)]
struct Curves {
    class: u32,
    /// False and true positive rates, from a first point without threshold; thresholds.
    roc: [Vec<f64>; 3],
    /// Precision and recall, to a last point without threshold; thresholds.
    precision_recall: [Vec<f64>; 3],
    wanted: Vec<f64>,
    /// Threshold, precision, recall.
    at_precision: Vec<Option<[f64; 3]>>,
    at_recall: Vec<[f64; 3]>,
}

impl Case {
    fn probabilities(&self) -> Vec<f64> {
        self.weights.iter().map(|&weight| f64::from(weight) / f64::from(self.scale)).collect()
    }

    fn matrix(&self) -> ConfusionMatrix {
        let mut matrix = ConfusionMatrix::new(self.num_classes).unwrap();
        // Two batches, so that streaming is tested too.
        let half = self.labels.len() / 2;
        matrix.add_batch(&self.labels[..half], &self.predictions[..half]).unwrap();
        matrix.add_batch(&self.labels[half..], &self.predictions[half..]).unwrap();
        matrix
    }
}

fn cases() -> Vec<Case> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/metrics.json");
    let text = std::fs::read_to_string(path).unwrap();
    let cases = serde_json::from_str::<Golden>(&text).unwrap().cases;
    assert_eq!(cases.len(), 8);
    cases
}

/// 1e-12, relative above 1: both sides are short sums in `f64`, in another order.
#[track_caller]
fn assert_close(found: f64, expected: f64, what: &str) {
    let tolerance = 1e-12 * expected.abs().max(1.0);
    assert!((found - expected).abs() <= tolerance, "{what}: {found}, scikit-learn: {expected}");
}

#[track_caller]
fn assert_close_or_nan(found: f64, expected: Option<f64>, what: &str) {
    match expected {
        Some(expected) => assert_close(found, expected, what),
        None => assert!(found.is_nan(), "{what}: {found}, scikit-learn: NaN"),
    }
}

#[test]
fn the_confusion_matrix_and_what_is_read_from_it_agree() {
    for case in cases() {
        let (matrix, name) = (case.matrix(), &case.name);
        let whole = ConfusionMatrix::from_counts(matrix.num_classes(), case.confusion.clone());
        assert_eq!(Ok(&matrix), whole.as_ref(), "{name}");
        assert_close(matrix.accuracy().unwrap(), case.accuracy, name);
        assert_close(matrix.balanced_accuracy().unwrap(), case.balanced_accuracy, name);
        assert_close(matrix.matthews().unwrap(), case.matthews, name);
        let weights = [KappaWeights::Unweighted, KappaWeights::Linear, KappaWeights::Quadratic];
        for (weights, expected) in weights.into_iter().zip(case.kappa) {
            assert_close(matrix.cohen_kappa(weights).unwrap(), expected, name);
        }
    }
}

#[test]
fn predictions_are_the_first_maxima() {
    for case in cases() {
        let probabilities = case.probabilities();
        let predictions = argmax(&probabilities, case.num_classes).unwrap();
        assert_eq!(predictions, case.predictions, "{}", case.name);
        let mut matrix = ConfusionMatrix::new(case.num_classes).unwrap();
        matrix.add_scores(&case.labels, &probabilities).unwrap();
        assert_eq!(matrix, case.matrix());
    }
}

#[test]
fn precision_recall_and_f_measures_agree_for_every_zero_division() {
    let mut undefined = 0;
    for case in cases() {
        let matrix = case.matrix();
        for (zero_division, expected) in &case.scores {
            let what = format!("{}, zero division {zero_division}", case.name);
            let zero_division = match zero_division.as_str() {
                "zero" => ZeroDivision::Zero,
                "one" => ZeroDivision::One,
                _ => ZeroDivision::NaN,
            };
            let f2 = matrix.f_beta(2.0, zero_division).unwrap();
            for (class, scores) in matrix.scores(zero_division).iter().enumerate() {
                assert_close_or_nan(scores.precision, expected.precision[class], &what);
                assert_close_or_nan(scores.recall, expected.recall[class], &what);
                assert_close_or_nan(scores.f1, expected.f1[class], &what);
                assert_close_or_nan(f2[class], expected.f2[class], &what);
                undefined += usize::from(expected.precision[class].is_none());
            }
            for (average, [precision, recall, f1], f_half) in [
                (Average::Micro, expected.micro, expected.micro_f_half),
                (Average::Macro, expected.r#macro, expected.macro_f_half),
                (Average::Weighted, expected.weighted, expected.weighted_f_half),
            ] {
                let scores = matrix.average_scores(average, zero_division);
                assert_close_or_nan(scores.precision, precision, &what);
                assert_close_or_nan(scores.recall, recall, &what);
                assert_close_or_nan(scores.f1, f1, &what);
                let found = matrix.average_f_beta(0.5, average, zero_division).unwrap();
                assert_close_or_nan(found, f_half, &what);
            }
        }
    }
    assert!(undefined > 0, "the fixture has undefined scores");
}

#[test]
fn the_report_is_the_same_text() {
    for case in cases() {
        let report = case.matrix().report(&case.class_names, ZeroDivision::Zero).unwrap();
        // scikit-learn has no line for a class that is neither a label nor predicted.
        let absent = |line: &&str| !line.ends_with("-         -         -         0\n");
        let text: String = format!("{report:.3}").split_inclusive('\n').filter(absent).collect();
        assert_eq!(text, case.report, "{}", case.name);
    }
}

#[test]
fn top_k_accuracy_agrees_where_scores_are_tied_too() {
    for case in cases() {
        for (k, &expected) in (1..).zip(&case.top_k) {
            let found = top_k_accuracy(&case.labels, &case.probabilities(), case.num_classes, k);
            assert_close(found.unwrap(), expected, &case.name);
        }
    }
}

#[test]
fn log_loss_and_brier_score_agree() {
    for case in cases() {
        let (labels, probabilities) = (&case.labels, case.probabilities());
        let found = log_loss(labels, &probabilities, case.num_classes).unwrap();
        assert_close(found, case.log_loss, &case.name);
        let found = brier_score(labels, &probabilities, case.num_classes).unwrap();
        assert_close(found, case.brier, &case.name);
    }
}

type Averaged = fn(&[u32], &[f64], usize, Average) -> Result<f64>;
type Binary = fn(&[bool], &[f64]) -> Result<f64>;

fn check_one_vs_rest(case: &Case, expected: &OneVsRest, binary: Binary, averaged: Averaged) {
    let (labels, p, k, name) = (&case.labels, case.probabilities(), case.num_classes, &case.name);
    for (class, &expected) in (0..).zip(&expected.per_class) {
        let (positive, scores) = one_vs_rest(labels, &p, k, class).unwrap();
        match expected {
            Some(expected) => assert_close(binary(&positive, &scores).unwrap(), expected, name),
            None => assert_eq!(binary(&positive, &scores), Err(MetricsError::NoPositive)),
        }
    }
    match expected.r#macro {
        Some(expected_macro) => {
            assert_close(averaged(labels, &p, k, Average::Macro).unwrap(), expected_macro, name);
        }
        None => {
            let error = averaged(labels, &p, k, Average::Macro).unwrap_err();
            assert!(matches!(error, MetricsError::Class { class: 2, .. }), "{error}");
        }
    }
    assert_close(averaged(labels, &p, k, Average::Weighted).unwrap(), expected.weighted, name);
    assert_close(averaged(labels, &p, k, Average::Micro).unwrap(), expected.micro, name);
}

#[test]
fn areas_under_the_roc_curve_agree() {
    for case in cases() {
        let expected = &case.roc_auc;
        check_one_vs_rest(&case, expected, roc_auc, roc_auc_one_vs_rest);
    }
}

#[test]
fn average_precisions_agree() {
    for case in cases() {
        check_one_vs_rest(
            &case,
            &case.average_precision,
            average_precision,
            average_precision_one_vs_rest,
        );
    }
}

#[test]
fn calibration_agrees_with_its_definition() {
    for case in cases() {
        for expected in &case.calibration {
            let probabilities = case.probabilities();
            let (labels, bins) = (&case.labels, expected.num_bins);
            let found = calibration(labels, &probabilities, case.num_classes, bins).unwrap();
            assert_eq!(found.bins.len(), bins);
            assert_close(found.expected_error, expected.expected, &case.name);
            assert_close(found.maximum_error, expected.maximum, &case.name);
            let Some(expected) = &expected.bins else { continue };
            for (bin, &(count, confidence, accuracy)) in found.bins.iter().zip(expected) {
                assert_eq!(bin.count, count, "{}", case.name);
                let (nan, name) = (f64::NAN, &case.name);
                assert_close_or_nan(bin.confidence.unwrap_or(nan), confidence, name);
                assert_close_or_nan(bin.accuracy.unwrap_or(nan), accuracy, name);
            }
        }
    }
}

#[test]
fn curves_and_thresholds_agree() {
    let mut unreachable = 0;
    for case in cases() {
        let (Some(expected), name) = (&case.curves, &case.name) else { continue };
        let (positive, scores) =
            one_vs_rest(&case.labels, &case.probabilities(), case.num_classes, expected.class)
                .unwrap();

        let [false_positives, true_positives, thresholds] = &expected.roc;
        let curve = roc_curve(&positive, &scores).unwrap();
        let found: Vec<f64> = curve.iter().filter_map(|point| point.threshold).collect();
        assert_eq!(&found, thresholds, "{name}");
        assert_eq!((curve.len(), curve[0].threshold), (false_positives.len(), None));
        for (i, point) in curve.iter().enumerate() {
            assert_close(point.false_positive_rate, false_positives[i], name);
            assert_close(point.true_positive_rate, true_positives[i], name);
        }

        let [precision, recall, thresholds] = &expected.precision_recall;
        let curve = precision_recall_curve(&positive, &scores).unwrap();
        let found: Vec<f64> = curve.iter().filter_map(|point| point.threshold).collect();
        assert_eq!(&found, thresholds, "{name}");
        assert_eq!((curve.len(), curve[curve.len() - 1].threshold), (precision.len(), None));
        for (i, point) in curve.iter().enumerate() {
            assert_close(point.precision, precision[i], name);
            assert_close(point.recall, recall[i], name);
        }

        let check = |found: OperatingPoint, [threshold, precision, recall]: [f64; 3]| {
            assert_eq!(found.threshold, threshold, "{name}");
            assert_close(found.precision, precision, name);
            assert_close(found.recall, recall, name);
        };
        for (i, &wanted) in expected.wanted.iter().enumerate() {
            check(threshold_for_recall(&positive, &scores, wanted).unwrap(), expected.at_recall[i]);
            match (threshold_for_precision(&positive, &scores, wanted), expected.at_precision[i]) {
                (Ok(found), Some(expected)) => check(found, expected),
                (Err(MetricsError::Unreachable { .. }), None) => unreachable += 1,
                (found, expected) => panic!("{name}: {found:?}, expected {expected:?}"),
            }
        }
    }
    assert!(unreachable > 0, "the fixture has a precision out of reach");
}

#[test]
fn single_precision_probabilities_give_the_same_numbers() {
    for case in cases() {
        let double = case.probabilities();
        // Exact: at most 12 bits, over a power of two.
        let single: Vec<f32> = double.iter().map(|&p| p as f32).collect();
        let (labels, k) = (&case.labels, case.num_classes);
        assert_eq!(log_loss(labels, &single, k), log_loss(labels, &double, k));
        assert_eq!(top_k_accuracy(labels, &single, k, 2), top_k_accuracy(labels, &double, k, 2));
        assert_eq!(calibration(labels, &single, k, 10), calibration(labels, &double, k, 10));
        let average = Average::Weighted;
        assert_eq!(
            roc_auc_one_vs_rest(labels, &single, k, average),
            roc_auc_one_vs_rest(labels, &double, k, average)
        );
    }
}

#[derive(Deserialize)]
struct Paired {
    t_tests: Vec<TTest>,
    coins: Vec<Coins>,
    temperatures: Vec<Temperature>,
}

#[derive(Deserialize)]
struct TTest {
    a: Vec<f64>,
    b: Vec<f64>,
    t: f64,
    p: f64,
    corrected_t: f64,
    corrected_p: f64,
}

#[derive(Deserialize)]
struct Coins {
    only_first: usize,
    only_second: usize,
    p: f64,
}

#[derive(Deserialize)]
struct Temperature {
    classes: usize,
    labels: Vec<u32>,
    logits: Vec<f64>,
    temperature: f64,
}

fn paired() -> Paired {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/paired.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn paired_tests_agree_with_scipy() {
    // 1e-10, relative: scipy's distributions are computed in another way.
    let close = |found: f64, expected: f64| {
        assert!((found - expected).abs() <= 1e-10 * expected.abs(), "{found}, scipy: {expected}");
    };
    for TTest { a, b, t, p, corrected_t, corrected_p } in paired().t_tests {
        let plain = paired_t_test(&a, &b).unwrap();
        close(plain.t, t);
        close(plain.p_value, p);
        let corrected = corrected_paired_t_test(&a, &b, 1, a.len() - 1).unwrap();
        close(corrected.t, corrected_t);
        close(corrected.p_value, corrected_p);
    }
    for Coins { only_first, only_second, p } in paired().coins {
        let mut first = vec![true; only_first + 1];
        first.resize(only_first + 1 + only_second, false);
        let mut second = vec![false; only_first];
        second.resize(only_first + 1 + only_second, true);
        close(mcnemar(&first, &second).unwrap().p_value, p);
    }
}

#[test]
fn temperatures_agree_with_scipys_minimizer() {
    for Temperature { classes, labels, logits, temperature } in paired().temperatures {
        let found = fit_temperature(&labels, &logits, classes).unwrap();
        // 1e-6, relative: near its minimum a loss in f64 is flat over about 1e-8.
        assert!((found / temperature - 1.0).abs() < 1e-6, "{found}, scipy: {temperature}");
    }
}

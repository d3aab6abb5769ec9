//! Whether two models differ: tests on scores of the same folds, and on answers to the same images.

use crate::check;
use crate::error::{MetricsError, Result};
use serde::{Deserialize, Serialize};

/// What a paired t-test found.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PairedTTest {
    /// Mean of `a - b`.
    pub mean_difference: f64,
    /// The statistic.
    pub t: f64,
    /// Degrees of freedom.
    pub degrees: usize,
    /// Two-sided: how often chance alone would bring a difference as large as this or larger.
    pub p_value: f64,
}

/// Student's paired t-test: `t = mean(a - b) / sqrt(s² / n)`, s² with n - 1. scipy's `ttest_rel`.
///
/// Scores of the folds of a cross-validation are not independent, because the folds' models share
/// most of their training data: the test then finds differences too easily; see
/// [`corrected_paired_t_test`].
///
/// # Errors
/// Fewer than two pairs, lengths that differ, a number that is not finite, differences that are all
/// the same: then there is nothing to test by.
///
/// ```
/// # fn main() -> taper_metrics::Result<()> {
/// let a = [0.91, 0.93, 0.90, 0.94, 0.92];
/// let b = [0.89, 0.92, 0.90, 0.91, 0.91];
/// let test = taper_metrics::paired_t_test(&a, &b)?;
/// assert!((test.t - 2.745_625_891_934_581_7).abs() < 1e-9); // scipy 1.17.1
/// assert!((test.p_value - 0.051_605_957_811_174_67).abs() < 1e-9);
/// # Ok(())
/// # }
/// ```
pub fn paired_t_test(a: &[f64], b: &[f64]) -> Result<PairedTTest> {
    test(a, b, 0.0)
}

/// The t-test for scores of the folds of a cross-validation: the variance of the mean is taken as
/// `(1 / k + held_out / trained) s²` in place of `s² / k`, because the folds share training data.
///
/// `held_out` and `trained` are the sizes of a fold's two parts: 1 and k - 1 for k folds. C. Nadeau
/// and Y. Bengio, "Inference for the Generalization Error" (2003).
///
/// # Errors
/// As [`paired_t_test`]; a size of 0.
pub fn corrected_paired_t_test(
    a: &[f64],
    b: &[f64],
    held_out: usize,
    trained: usize,
) -> Result<PairedTTest> {
    for (name, size) in [("held_out", held_out), ("trained", trained)] {
        if size == 0 {
            return Err(MetricsError::Parameter { name, found: 0.0, expected: "1 or more" });
        }
    }
    test(a, b, held_out as f64 / trained as f64)
}

fn test(a: &[f64], b: &[f64], shared: f64) -> Result<PairedTTest> {
    check::length("scores", a.len(), "scores of the other", b.len())?;
    check::finite(a)?;
    check::finite(b)?;
    let n = a.len();
    if n < 2 {
        let expected = "2 or more";
        return Err(MetricsError::Parameter { name: "number of pairs", found: n as f64, expected });
    }
    let differences: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
    let mean = differences.iter().sum::<f64>() / n as f64;
    let squares: f64 = differences.iter().map(|d| (d - mean) * (d - mean)).sum();
    let variance = squares / (n - 1) as f64;
    // The scores' rounding may leave a trace of variance where there is none.
    let scale = differences.iter().fold(0.0f64, |scale, d| scale.max(d.abs()));
    if variance.sqrt() <= 1e-12 * scale || variance == 0.0 {
        return Err(MetricsError::NoVariance { difference: mean });
    }
    let t = mean / (variance * (1.0 / n as f64 + shared)).sqrt();
    let degrees = n - 1;
    let p_value = student_two_sided(t, degrees as f64);
    Ok(PairedTTest { mean_difference: mean, t, degrees, p_value })
}

/// What McNemar's test found.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct McNemar {
    /// Samples that only the first had right.
    pub only_first: u64,
    /// Samples that only the second had right.
    pub only_second: u64,
    /// Two-sided, exact: how often a fair coin would fall as unevenly as this or more.
    pub p_value: f64,
}

/// McNemar's exact test on which of the same samples two models have right. scipy's
/// `binomtest(b, b + c)`.
///
/// Out-of-fold answers are of different models, so that here too p is a little too small.
///
/// # Errors
/// No samples, lengths that differ.
///
/// ```
/// # fn main() -> taper_metrics::Result<()> {
/// let first = [true, true, true, true, true, false, true];
/// let second = [true, false, false, false, false, true, true];
/// let test = taper_metrics::mcnemar(&first, &second)?;
/// assert_eq!((test.only_first, test.only_second), (4, 1));
/// assert!((test.p_value - 0.375).abs() < 1e-12);
/// # Ok(())
/// # }
/// ```
pub fn mcnemar(first_right: &[bool], second_right: &[bool]) -> Result<McNemar> {
    check::length("answers", first_right.len(), "answers of the other", second_right.len())?;
    if first_right.is_empty() {
        return Err(MetricsError::Empty);
    }
    let pairs = || first_right.iter().zip(second_right);
    let only_first = pairs().filter(|(first, second)| **first && !**second).count() as u64;
    let only_second = pairs().filter(|(first, second)| !**first && **second).count() as u64;
    let p_value = fair_coin_two_sided(only_first.min(only_second), only_first + only_second);
    Ok(McNemar { only_first, only_second, p_value })
}

/// The chance that a fair coin falls on one side at most `few` times of `n`, or on the other.
fn fair_coin_two_sided(few: u64, n: u64) -> f64 {
    if 2 * few >= n {
        return 1.0;
    }
    // Terms by their logarithms: 2^-n is 0 in f64 from n = 1075 on.
    let log_half = -(n as f64) * std::f64::consts::LN_2;
    let term = |k: u64| {
        let (n, k) = (n as f64, k as f64);
        (log_gamma(n + 1.0) - log_gamma(k + 1.0) - log_gamma(n - k + 1.0) + log_half).exp()
    };
    (2.0 * (0..=few).map(term).sum::<f64>()).min(1.0)
}

/// P(|T| >= |t|) of Student's distribution: the incomplete beta function `I_x(ν/2, 1/2)` at
/// `x = ν / (ν + t²)`.
fn student_two_sided(t: f64, degrees: f64) -> f64 {
    incomplete_beta(degrees / (degrees + t * t), degrees / 2.0, 0.5)
}

/// The regularized incomplete beta function `I_x(a, b)`, by its continued fraction (DLMF 8.17.22),
/// evaluated by Lentz's method.
fn incomplete_beta(x: f64, a: f64, b: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if x >= 1.0 {
        return 1.0;
    }
    // The fraction converges fast below the mean of the distribution, and I_x(a, b) is
    // 1 - I_(1-x)(b, a).
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - incomplete_beta(1.0 - x, b, a);
    }
    let log_front = log_gamma(a + b) - log_gamma(a) - log_gamma(b) + a * x.ln() + b * (-x).ln_1p();
    const TINY: f64 = 1e-300;
    let away = |value: f64| if value.abs() < TINY { TINY } else { value };
    let mut c = 1.0;
    let mut d = 1.0 / away(1.0 - (a + b) * x / (a + 1.0));
    let mut fraction = d;
    for m in 1..500 {
        let m = f64::from(m);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let before = fraction;
        for coefficient in [even, odd] {
            d = 1.0 / away(1.0 + coefficient * d);
            c = away(1.0 + coefficient / c);
            fraction *= c * d;
        }
        if (fraction - before).abs() <= 1e-16 * fraction.abs() {
            break;
        }
    }
    (log_front.exp() * fraction / a).clamp(0.0, 1.0)
}

/// ln Γ(x) for x above 0: Stirling's series (DLMF 5.11.1) where x is large, reached by
/// Γ(x + 1) = x Γ(x).
fn log_gamma(x: f64) -> f64 {
    let mut x = x;
    let mut shift = 0.0;
    while x < 15.0 {
        shift += x.ln();
        x += 1.0;
    }
    let square = x * x;
    // Bernoulli numbers B_2k / (2k (2k - 1)).
    let series = (1.0 / 12.0
        - (1.0 / 360.0
            - (1.0 / 1260.0 - (1.0 / 1680.0 - 1.0 / (1188.0 * square)) / square) / square)
            / square)
        / x;
    (x - 0.5) * x.ln() - x + 0.5 * (2.0 * std::f64::consts::PI).ln() + series - shift
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_gamma_is_that_of_factorials_and_of_a_half() {
        let mut factorial = 1.0f64;
        for n in 1..20 {
            assert!(
                (log_gamma(f64::from(n)) - factorial.ln()).abs() < 1e-12 * factorial.ln().max(1.0)
            );
            factorial *= f64::from(n);
        }
        assert!((log_gamma(0.5) - std::f64::consts::PI.sqrt().ln()).abs() < 1e-13);
    }

    #[test]
    fn the_t_distribution_with_one_degree_is_cauchys() {
        for t in [0.1, 1.0, 3.0, 50.0] {
            let expected = 1.0 - 2.0 * f64::atan(t) / std::f64::consts::PI;
            assert!((student_two_sided(t, 1.0) - expected).abs() < 1e-13, "{t}");
        }
    }

    #[test]
    fn swapping_the_models_turns_the_sign_and_nothing_else() {
        let (a, b) = ([0.9, 0.8, 0.95], [0.7, 0.85, 0.9]);
        let (one, other) = (paired_t_test(&a, &b).unwrap(), paired_t_test(&b, &a).unwrap());
        assert_eq!((one.t, one.p_value), (-other.t, other.p_value));
    }

    #[test]
    fn the_correction_makes_the_test_more_careful() {
        let (a, b) = ([0.91, 0.93, 0.90, 0.94, 0.92], [0.89, 0.92, 0.90, 0.91, 0.91]);
        let plain = paired_t_test(&a, &b).unwrap();
        let corrected = corrected_paired_t_test(&a, &b, 1, 4).unwrap();
        // 1/5 becomes 1/5 + 1/4.
        assert!((corrected.t - plain.t * (0.2f64 / 0.45).sqrt()).abs() < 1e-12);
        assert!(corrected.p_value > plain.p_value);
    }

    #[test]
    fn what_cannot_be_tested_is_an_error() {
        let message = |a: &[f64], b: &[f64]| paired_t_test(a, b).unwrap_err().to_string();
        assert_eq!(message(&[1.0], &[2.0]), "number of pairs is 1: expected 2 or more");
        assert!(message(&[1.0, 2.0], &[1.0]).starts_with("2 scores but 1 scores of the other"));
        assert!(message(&[0.5, 0.7], &[0.4, 0.6]).starts_with("all differences are "));
        assert!(corrected_paired_t_test(&[1.0, 2.0], &[0.0, 0.0], 0, 4).is_err());
    }

    #[test]
    fn many_disagreements_do_not_underflow() {
        assert!((fair_coin_two_sided(2000, 4000) - 1.0).abs() < 1e-12);
        let p = fair_coin_two_sided(1900, 4000);
        assert!(p > 1e-3 && p < 2e-3, "{p}"); // 3.16 standard deviations
    }
}

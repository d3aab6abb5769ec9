//! Calibration and rejection threshold, fitted on the validation part.

use taper_classifier::Evaluation;
use taper_metrics::{MetricsError, fit_temperature, threshold_for_precision};
use taper_pretrained::{CalibrationConfig, Rejection};

use crate::recipe::CalibrationRecipe;

/// Fits what the recipe asks for on answers to the validation part; none where it asks for nothing. What cannot be
/// fitted is left out, with a warning: what was trained is kept all the same.
pub(crate) fn calibrate(
    recipe: &CalibrationRecipe,
    validation: &Evaluation,
    warnings: &mut Vec<String>,
) -> Option<CalibrationConfig> {
    let (labels, logits) = (&validation.labels, &validation.logits);
    let temperature = recipe.temperature.then(|| {
        let fitted = fit_temperature(labels, logits, validation.num_classes());
        let failed = |error| format!("`calibration.temperature` is not fitted: {error}");
        fitted.map_err(|error| warnings.push(failed(error))).ok()
    });
    let temperature = temperature.flatten();
    let tempered = validation.clone().tempered(temperature.unwrap_or(1.0));
    let wanted = recipe.precision;
    let rejection = (wanted > 0.0).then(|| {
        let reason = match rejection(&tempered, wanted) {
            Ok(rejection) => return Some(rejection),
            Err(MetricsError::Unreachable { best, .. }) => {
                format!("the surest answers on the validation part reach {best:.4}")
            }
            Err(error) => error.to_string(),
        };
        warnings.push(format!(
            "`calibration.precision` is {wanted}, and no answer is withheld: {reason}"
        ));
        None
    });
    let rejection = rejection.flatten();
    let is_fitted = temperature.is_some() || rejection.is_some();
    is_fitted.then_some(CalibrationConfig { temperature: temperature.unwrap_or(1.0), rejection })
}

fn rejection(evaluation: &Evaluation, wanted: f64) -> Result<Rejection, MetricsError> {
    let predictions = evaluation.predictions();
    let confidences: Vec<f32> = evaluation
        .probabilities
        .chunks_exact(evaluation.num_classes())
        .zip(&predictions)
        .map(|(row, &class)| row[class as usize])
        .collect();
    let right: Vec<bool> = predictions
        .iter()
        .zip(&evaluation.labels)
        .map(|(predicted, label)| predicted == label)
        .collect();
    let point = threshold_for_precision(&right, &confidences, wanted)?;
    let given = confidences.iter().filter(|&&c| f64::from(c) >= point.threshold).count();
    Ok(Rejection {
        wanted_precision: wanted,
        threshold: point.threshold,
        precision: point.precision,
        coverage: given as f64 / right.len() as f64,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn validation() -> Evaluation {
        let logits = vec![4.0, 0.0, 3.0, 0.0, 2.0, 0.0, 1.0, 0.0];
        let names = vec!["a".to_string(), "b".to_string()];
        Evaluation::of_logits(names, vec![0, 0, 1, 0], logits, 0.1).unwrap()
    }

    fn fitted(
        recipe: CalibrationRecipe,
        validation: &Evaluation,
    ) -> (Option<CalibrationConfig>, Vec<String>) {
        let mut warnings = Vec::new();
        (calibrate(&recipe, validation, &mut warnings), warnings)
    }

    #[test]
    fn nothing_is_fitted_unless_it_is_asked_for() {
        let none = fitted(CalibrationRecipe::default(), &validation());
        assert_eq!(none, (None, Vec::new()));
    }

    #[test]
    fn a_threshold_keeps_the_wanted_precision_and_says_what_it_covers() {
        let recipe = CalibrationRecipe { temperature: true, precision: 0.9 };
        let (config, warnings) = fitted(recipe, &validation());
        assert!(warnings.is_empty(), "{warnings:?}");
        let config = config.unwrap();
        let rejection = config.rejection.unwrap();
        assert_eq!((rejection.precision, rejection.coverage), (1.0, 0.5));
        // The confidence of the second image at the temperature.
        let expected = 1.0 / (1.0 + (-3.0 / config.temperature).exp());
        assert!((rejection.threshold - expected).abs() < 1e-6);
    }

    #[test]
    fn a_precision_that_nothing_reaches_is_a_warning_that_says_what_is_reached() {
        let names = vec!["a".to_string(), "b".to_string()];
        let wrong =
            Evaluation::of_logits(names, vec![1, 0], vec![2.0, 0.0, 1.0, 0.0], 0.1).unwrap();
        let recipe = CalibrationRecipe { temperature: false, precision: 0.99 };
        let (config, warnings) = fitted(recipe, &wrong);
        assert_eq!(config, None);
        let expected = "`calibration.precision` is 0.99, and no answer is withheld: the surest answers on the \
                        validation part reach 0.5000";
        assert_eq!(warnings, [expected]);
        let recipe = CalibrationRecipe { temperature: true, precision: 0.99 };
        let (config, warnings) = fitted(recipe, &wrong);
        assert!(config.is_some_and(|config| config.rejection.is_none()) && warnings.len() == 1);
    }
}

//! Calibration and rejection threshold, fitted on the validation part.

use taper_classifier::Evaluation;
use taper_metrics::{MetricsError, fit_temperature, threshold_for_precision};
use taper_pretrained::{CalibrationConfig, Rejection};

use crate::error::{RunnerError, setting};
use crate::recipe::CalibrationRecipe;

/// Fits what the recipe asks for on answers to the validation part; none where it asks for nothing.
///
/// # Errors
/// No confidence reaches the wanted precision.
pub(crate) fn calibrate(
    recipe: &CalibrationRecipe,
    validation: &Evaluation,
) -> Result<Option<CalibrationConfig>, RunnerError> {
    if !recipe.temperature && recipe.precision == 0.0 {
        return Ok(None);
    }
    let temperature = match recipe.temperature {
        true => fit_temperature(&validation.labels, &validation.logits, validation.num_classes())?,
        false => 1.0,
    };
    let tempered = validation.clone().tempered(temperature);
    let rejection = match recipe.precision > 0.0 {
        true => Some(rejection(&tempered, recipe.precision)?),
        false => None,
    };
    Ok(Some(CalibrationConfig { temperature, rejection }))
}

fn rejection(evaluation: &Evaluation, wanted: f64) -> Result<Rejection, RunnerError> {
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
    let point = match threshold_for_precision(&right, &confidences, wanted) {
        Err(MetricsError::Unreachable { best, .. }) => {
            let expected =
                format!("at most {best:.4}, which the surest answers on the validation part reach");
            return Err(setting("calibration.precision", wanted, expected));
        }
        point => point?,
    };
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

    #[test]
    fn nothing_is_fitted_unless_it_is_asked_for() {
        let none = calibrate(&CalibrationRecipe::default(), &validation()).unwrap();
        assert_eq!(none, None);
    }

    #[test]
    fn a_threshold_keeps_the_wanted_precision_and_says_what_it_covers() {
        let recipe = CalibrationRecipe { temperature: true, precision: 0.9 };
        let config = calibrate(&recipe, &validation()).unwrap().unwrap();
        let rejection = config.rejection.unwrap();
        assert_eq!((rejection.precision, rejection.coverage), (1.0, 0.5));
        // The confidence of the second image at the temperature.
        let expected = 1.0 / (1.0 + (-3.0 / config.temperature).exp());
        assert!((rejection.threshold - expected).abs() < 1e-6);
    }

    #[test]
    fn a_precision_that_nothing_reaches_is_an_error_that_says_what_is_reached() {
        let names = vec!["a".to_string(), "b".to_string()];
        let wrong =
            Evaluation::of_logits(names, vec![1, 0], vec![2.0, 0.0, 1.0, 0.0], 0.1).unwrap();
        let recipe = CalibrationRecipe { temperature: false, precision: 0.99 };
        let error = calibrate(&recipe, &wrong).unwrap_err().to_string();
        assert!(
            error.starts_with("`calibration.precision` is 0.99, expected at most 0.5"),
            "{error}"
        );
    }
}

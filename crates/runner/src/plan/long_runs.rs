//! Checks of the settings of long runs.

use crate::error::{RunnerError, setting};
use crate::recipe::Recipe;

/// Whether each setting is in its range.
pub(super) fn check(recipe: &Recipe) -> Result<(), RunnerError> {
    let Recipe { checkpoint, early_stopping, plateau, train, .. } = recipe;
    let not_negative = [
        ("checkpoint.every_minutes", checkpoint.every_minutes),
        ("train.max_minutes", train.max_minutes),
        ("early_stopping.min_delta", early_stopping.min_delta),
        ("plateau.min_delta", plateau.min_delta),
    ];
    for (key, found) in not_negative {
        if !(found >= 0.0 && found.is_finite()) {
            return Err(setting(key, found, "a number of 0 or more"));
        }
    }
    for (key, found) in [
        ("plateau.factor", plateau.factor),
        ("plateau.min_scale", plateau.min_scale),
        ("calibration.precision", recipe.calibration.precision),
    ] {
        if !(0.0..=1.0).contains(&found) {
            return Err(setting(key, found, "a number from 0 to 1"));
        }
    }
    if checkpoint.keep_last == 0 {
        return Err(setting("checkpoint.keep_last", 0, "1 or more"));
    }
    Ok(())
}

/// Whether what validation decides has a validation part.
pub(super) fn check_validation(recipe: &Recipe, validation: bool) -> Result<(), RunnerError> {
    let needed = [
        ("select.best", recipe.select.best, "false"),
        ("early_stopping.patience", recipe.early_stopping.patience > 0, "0"),
        ("plateau.factor", recipe.plateau.factor < 1.0, "1"),
        ("checkpoint.keep_best", recipe.checkpoint.keep_best > 0, "0"),
        ("calibration.temperature", recipe.calibration.temperature, "false"),
        ("calibration.precision", recipe.calibration.precision > 0.0, "0"),
    ];
    match needed.iter().find(|(_, wanted, _)| *wanted && !validation) {
        None => Ok(()),
        Some((key, _, off)) => {
            let expected = format!(
                "{off} where nothing is validated on; hold images out with \
                 `data.validation_fraction = 0.1`"
            );
            Err(setting(key, "set", expected))
        }
    }
}

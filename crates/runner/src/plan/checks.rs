//! Whether each setting is in its range.

use crate::error::{RunnerError, setting};
use crate::recipe::{Balance, Recipe, TrainRecipe};

/// The most epochs, each of which may thaw parameters, and the most updates that are passed over: events, of which
/// `history.jsonl` may have three times as many besides steps.
const MOST_EVENTS: u64 = 250_000;

/// The most of the best epochs: a checkpoint names each.
const MOST_KEPT: u64 = 8192;

/// Whether each setting is in its range.
pub(super) fn check(recipe: &Recipe) -> Result<(), RunnerError> {
    let Recipe { checkpoint, early_stopping, plateau, train, .. } = recipe;
    check_train(train)?;
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
    for (key, found, most) in [
        ("train.epochs", train.epochs as u64, MOST_EVENTS),
        ("guard.skip_limit", recipe.guard.skip_limit, MOST_EVENTS),
        ("checkpoint.keep_best", checkpoint.keep_best as u64, MOST_KEPT),
    ] {
        if found > most {
            let expected = format!("at most {most}, so that what the run writes can be read again");
            return Err(setting(key, found, expected));
        }
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
            Err(setting(*key, "set", expected))
        }
    }
}

fn check_train(train: &TrainRecipe) -> Result<(), RunnerError> {
    let counts = [
        ("train.epochs", train.epochs),
        ("train.batch_size", train.batch_size),
        ("train.eval_batch_size", train.eval_batch_size),
        ("train.accumulate", train.accumulate),
    ];
    for (key, found) in counts {
        if found == 0 {
            return Err(setting(key, found, "1 or more"));
        }
    }
    if !train.pieces.is_power_of_two() || train.pieces > train.batch_size {
        let expected = format!("a power of two up to `train.batch_size`, {}", train.batch_size);
        return Err(setting("train.pieces", train.pieces, expected));
    }
    for (key, found) in
        [("train.clip_norm", train.clip_norm), ("train.clip_value", train.clip_value)]
    {
        if !(found >= 0.0 && found.is_finite()) {
            return Err(setting(key, found, "0 (off) or more"));
        }
    }
    if !(0.0..1.0).contains(&train.label_smoothing) {
        return Err(setting("train.label_smoothing", train.label_smoothing, "0 to below 1"));
    }
    Ok(())
}

/// Whether there is a weight for each class, where there are any.
pub(super) fn check_class_weights(train: &TrainRecipe, classes: usize) -> Result<(), RunnerError> {
    let weights = &train.class_weights;
    if !weights.is_empty() && train.balance == Balance::Loss {
        return Err(setting("train.class_weights", "set", "empty where `train.balance` is `loss`"));
    }
    if !weights.is_empty() && weights.len() != classes {
        let found = format!("{} weights", weights.len());
        return Err(setting("train.class_weights", found, format!("{classes}, one a class")));
    }
    match weights.iter().find(|w| !(w.is_finite() && **w >= 0.0)) {
        Some(found) => Err(setting("train.class_weights", found, "weights of 0 or more")),
        None => Ok(()),
    }
}

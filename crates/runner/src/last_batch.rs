//! What becomes of a last batch of one image, which a batch norm cannot be trained on.

use taper_model::nets::Net;
use taper_model::params::Params;
use taper_model::summary::{Row, summarize};

use crate::error::{RunnerError, TrainingError};
use crate::plan::Plan;

/// The batch norm that is trained and has one value a channel of a batch of one image, where an epoch has
/// such a batch: its image is then taken into the batch before. A net without such a layer keeps its batches
/// as they are.
///
/// # Errors
/// [`TrainingError::OneValue`](crate::TrainingError::OneValue) where there is no batch before.
pub(crate) fn batch_norm_of_one_value(
    plan: &Plan,
    net: &Net,
    params: &Params,
) -> Result<Option<String>, RunnerError> {
    let (images, batch_size) = (plan.data.train.len(), plan.recipe.train.batch_size);
    let piece = batch_size.div_ceil(plan.recipe.train.pieces);
    if images % batch_size != 1 && piece > 1 || plan.weights.freeze_statistics {
        return Ok(None);
    }
    let summary = summarize(net, params, &plan.data.train.size(), &plan.device)?;
    let one_value = |row: &&Row| {
        let is_one = |shape: &[usize]| shape.iter().skip(1).all(|&n| n == 1);
        row.kind == "BatchNorm"
            && row.counts.trainable > 0
            && row.output.as_deref().is_some_and(is_one)
    };
    let Some(row) = summary.rows.iter().find(one_value) else { return Ok(None) };
    match images.min(piece) {
        0 | 1 => Err(TrainingError::OneValue { layer: row.name.clone(), images }.into()),
        _ => Ok(Some(row.name.clone())),
    }
}

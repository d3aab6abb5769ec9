//! Scores beyond those that a run is judged by.

use serde::{Deserialize, Serialize};
use taper_metrics::{
    Average, ConfusionMatrix, KappaWeights, MetricsError, average_precision_one_vs_rest,
    brier_score, roc_auc_one_vs_rest, top_k_accuracy,
};

/// How well the probabilities rank the classes, and agreement beyond chance.
///
/// A score that the images leave undefined is `None`, and absent from JSON.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ExtendedScores {
    /// Share of images whose true class is among the five most probable; with more than five
    /// classes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_5_accuracy: Option<f64>,
    /// Unweighted mean over the classes of the area under the ROC curve, each class against the
    /// rest; where every class has images and none has all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub macro_roc_auc: Option<f64>,
    /// Unweighted mean over the classes of the average precision, each class against the rest;
    /// where every class has images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub macro_average_precision: Option<f64>,
    /// Cohen's kappa of labels and predictions, unweighted; unless both are one class throughout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cohen_kappa: Option<f64>,
    /// The Matthews correlation coefficient of labels and predictions.
    pub matthews: f64,
    /// Mean over the images of the squared distance of the probabilities from the true class's.
    pub brier_score: f64,
}

impl ExtendedScores {
    pub(crate) fn counted(
        confusion: &ConfusionMatrix,
        labels: &[u32],
        probabilities: &[f32],
    ) -> Result<Self, MetricsError> {
        let num_classes = confusion.num_classes();
        // Also checks what is given, so that all that fails below is undefined.
        let brier_score = brier_score(labels, probabilities, num_classes)?;
        type OneVsRest = fn(&[u32], &[f32], usize, Average) -> Result<f64, MetricsError>;
        let of_each =
            |metric: OneVsRest| metric(labels, probabilities, num_classes, Average::Macro).ok();
        let top_5 = || top_k_accuracy(labels, probabilities, num_classes, 5).ok();
        Ok(Self {
            top_5_accuracy: (num_classes > 5).then(top_5).flatten(),
            macro_roc_auc: of_each(roc_auc_one_vs_rest),
            macro_average_precision: of_each(average_precision_one_vs_rest),
            cohen_kappa: confusion.cohen_kappa(KappaWeights::Unweighted).ok(),
            matthews: confusion.matthews()?,
            brier_score,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Judgement;

    fn judged(
        labels: &[u32],
        probabilities: &[f32],
        classes: usize,
    ) -> Result<ExtendedScores, MetricsError> {
        let names: Vec<_> = (0..classes).map(|class| class.to_string()).collect();
        Judgement::of(labels, probabilities, &names).map(|judgement| judgement.extended)
    }

    #[test]
    fn where_two_classes_are_told_apart_the_area_is_one() {
        let probabilities = [0.75f32, 0.25, /**/ 0.25, 0.75, /**/ 0.5, 0.5];
        let scores = judged(&[0, 1, 1], &probabilities, 2).unwrap();
        assert_eq!((scores.macro_roc_auc, scores.top_5_accuracy), (Some(1.0), None));
    }

    #[test]
    fn what_the_images_leave_undefined_is_absent() {
        let one = [1.0f32, 0.0, 0.0, 0.0, 0.0, 0.0];
        let scores = judged(&[0], &one, 6).unwrap();
        let json = serde_json::to_string(&scores).unwrap();
        assert_eq!(json, r#"{"top_5_accuracy":1.0,"matthews":0.0,"brier_score":0.0}"#);
        assert_eq!(serde_json::from_str::<ExtendedScores>(&json).unwrap(), scores);
    }

    #[test]
    fn probabilities_that_do_not_fit_are_an_error() {
        assert!(judged(&[], &[], 2).is_err());
        assert!(judged(&[2], &[0.5, 0.5], 2).is_err());
        assert!(judged(&[0], &[0.5, 0.9], 2).is_err());
    }
}

//! What a run came to, gathered for `metrics.json`.

use taper_dataset::Part;
use taper_dataset::split::Split;
use taper_model::params::{ParamKind, Params};
use taper_run_folder::{DataResults, ParameterCounts, ScoredPart};

use crate::data::Data;

impl Data {
    /// The images of each class in each part.
    pub fn results(&self) -> DataResults {
        let count = |part: &Part| {
            let mut counts = vec![0; part.class_names().len()];
            for &index in part.indices() {
                counts[part.source().label(index) as usize] += 1;
            }
            counts
        };
        DataResults {
            description: self.describe(),
            path: self.path.clone(),
            class_names: self.train.class_names().to_vec(),
            train: count(&self.train),
            validation: self.validation.as_ref().map(count).unwrap_or_default(),
            test: count(&self.test),
            scored: match self.scored().0 {
                Split::Train => ScoredPart::Train,
                Split::Validation => ScoredPart::Validation,
                Split::Test => ScoredPart::Test,
            },
            left_out: self.left_out.0.clone(),
            unreadable: self.unreadable.clone(),
        }
    }
}

/// The elements of a net's parameters.
pub(crate) fn parameter_counts(params: &Params) -> ParameterCounts {
    ParameterCounts {
        trainable: params.num_elements(ParamKind::Trainable),
        frozen: params.num_elements(ParamKind::Frozen),
        buffers: params.num_elements(ParamKind::Buffer),
    }
}

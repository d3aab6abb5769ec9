//! What can be set, and what a classifier answers.

use serde::{Deserialize, Serialize};

/// What a classifier tells apart: the ten digits, and that none is in the middle.
pub const CLASSES: usize = 11;

/// Of a window the probabilities that a digit 0 to 9 is in its middle and, last, that none is: a gap,
/// the side of a digit, a blot.
pub type Scores = [f32; CLASSES];

/// How a line is read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// The least confidence that a digit is told with; below it, `?` is. Default 0.5.
    pub min_confidence: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { min_confidence: 0.5 }
    }
}

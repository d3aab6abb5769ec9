//! What can be set, and what a classifier answers.

use serde::{Deserialize, Serialize};

/// What a classifier tells apart: the ten digits, and that none is in the middle.
pub const CLASSES: usize = 11;

/// Of a window the probabilities that a digit 0 to 9 is in its middle and, last, that none is: a gap,
/// the side of a digit, a blot.
pub type Scores = [f32; CLASSES];

/// What a classifier of single characters tells apart: the ten digits, a letter, any of these on its
/// head, and anything else.
pub const CHARACTERS: usize = 13;

/// Of a window the probabilities that a digit 0 to 9, a letter, a character on its head, or anything
/// else, such as a slash or a part of a picture, is in its middle.
pub type Character = [f32; CHARACTERS];

/// The place of letters among [`CHARACTERS`].
pub const LETTER: usize = 10;

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

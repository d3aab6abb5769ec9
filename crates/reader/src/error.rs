//! What can go wrong between a picture and its digits.

/// The result of everything in this crate that can fail.
pub type Result<T> = std::result::Result<T, ReadError>;

/// What was wrong, what was expected and found, and what to do.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The picture is too small to show a line.
    #[error("a picture of {height}x{width} pixels shows no line: expected at least 12x12")]
    TooSmall {
        /// Rows.
        height: usize,
        /// Columns.
        width: usize,
    },

    /// There is nothing in the picture that looks like a line.
    #[error("no line of digits found: {0}")]
    NoLine(&'static str),

    /// There is a line, but no way to read it as the pattern wants.
    #[error(
        "cannot be read as \"{pattern}\": without the pattern it reads \"{found}\"; read it \
         without, or crop the picture to the line"
    )]
    NoMatch {
        /// The pattern.
        pattern: String,
        /// What the line reads without it.
        found: String,
    },

    /// Several places in the picture can be read as the pattern wants.
    #[error(
        "both \"{first}\" and \"{second}\" are as \"{pattern}\" wants; crop the picture to one of \
         them"
    )]
    Ambiguous {
        /// The pattern.
        pattern: String,
        /// What the surest place reads.
        first: String,
        /// What the next one reads.
        second: String,
    },

    /// The line is likelier to stand on its head.
    #[error("the line appears upside down: rotated it reads \"{found}\"; rotate the picture")]
    UpsideDown {
        /// What the line reads when it is turned.
        found: String,
    },

    /// A pattern that says nothing.
    #[error(
        "the pattern \"{pattern}\" {reason}: expected d for each digit and blanks between groups, \
         such as \"ddddd\" or \"dddd dddd dddd dddd\""
    )]
    Pattern {
        /// The pattern as given.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },

    /// The classifier failed.
    #[error("{0}")]
    Classifier(String),
}

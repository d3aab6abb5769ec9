//! What a net asks of its weights, and what it is answered.

use candle_core::{DType, Device, Shape, Var};

/// A net's request for one parameter.
pub(crate) struct Request<'a> {
    /// The whole name.
    pub name: &'a str,
    pub shape: Shape,
    pub dtype: DType,
    pub device: &'a Device,
}

/// What a request is answered with, and a note on it for the report, which may be empty.
pub(super) struct Answer {
    pub value: Value,
    pub note: String,
}

/// Where the value comes from: which list of the report it goes to.
pub(super) enum Value {
    /// The source's, as it is.
    Loaded(Var),
    /// The source's, changed to fit.
    Adapted(Var),
    /// Drawn anew.
    Initialize,
    /// Drawn anew with the whole head: the source's head is for other classes, or there is none.
    InitializeHead,
    /// Not there.
    Missing,
    /// There, but not usable.
    Mismatched,
}

impl Answer {
    pub fn new(value: Value, note: impl Into<String>) -> Self {
        Self { value, note: note.into() }
    }
}

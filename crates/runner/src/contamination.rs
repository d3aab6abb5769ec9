//! Nothing is judged on the data that its weights were trained on.

use crate::error::{DataError, RunnerError};

/// Refuses data that weights were trained on.
pub(crate) fn check(trained_on: &[String], data: &str) -> Result<(), RunnerError> {
    match trained_on.iter().any(|name| name == data) {
        true => Err(DataError::Contaminated { data: data.to_string() }.into()),
        false => Ok(()),
    }
}

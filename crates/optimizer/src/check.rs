//! Range checks that end in one clear error.

use crate::error::OptimizerError;

/// Checks fields on behalf of a named owner.
pub(crate) struct Check<'a>(pub &'a str);

impl Check<'_> {
    fn require(
        &self,
        ok: bool,
        field: &'static str,
        value: f64,
        expected: &'static str,
    ) -> Result<(), OptimizerError> {
        if ok {
            return Ok(());
        }
        Err(OptimizerError::Hyperparameter { owner: self.0.to_string(), field, value, expected })
    }

    /// Finite and 0 or more.
    pub fn non_negative(&self, field: &'static str, value: f64) -> Result<(), OptimizerError> {
        let ok = value.is_finite() && value >= 0.0;
        self.require(ok, field, value, "a finite number of 0 or more")
    }

    /// Finite and above 0.
    pub fn positive(&self, field: &'static str, value: f64) -> Result<(), OptimizerError> {
        let ok = value.is_finite() && value > 0.0;
        self.require(ok, field, value, "a finite number above 0")
    }

    /// From 0 to below 1.
    pub fn fraction(&self, field: &'static str, value: f64) -> Result<(), OptimizerError> {
        self.require((0.0..1.0).contains(&value), field, value, "a number from 0 to below 1")
    }

    /// From 0 to 1.
    pub fn unit(&self, field: &'static str, value: f64) -> Result<(), OptimizerError> {
        self.require((0.0..=1.0).contains(&value), field, value, "a number from 0 to 1")
    }

    /// A count of 1 or more.
    pub fn at_least_one(&self, field: &'static str, value: u64) -> Result<(), OptimizerError> {
        self.require(value >= 1, field, value as f64, "1 or more")
    }
}

//! What can go wrong, with what was expected and what to do.

use candle_core::{DType, Shape};

/// An error of this crate.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum OptimizerError {
    /// A hyperparameter lies outside its range.
    #[error("{owner}: {field} is {value}, expected {expected}")]
    Hyperparameter {
        /// The rule, schedule or group that holds it.
        owner: String,
        /// The field's name.
        field: &'static str,
        /// What was found.
        value: f64,
        /// The range in words.
        expected: &'static str,
    },
    /// Nesterov momentum is asked for where it is not defined.
    #[error(
        "sgd: nesterov needs momentum above 0 and dampening 0, \
         found momentum {momentum} and dampening {dampening}"
    )]
    Nesterov {
        /// The momentum found.
        momentum: f64,
        /// The dampening found.
        dampening: f64,
    },
    /// A momentum was given for this step, but the rule keeps none.
    #[error(
        "{rule}: momentum {momentum} was given for this step, but the rule is set up without \
         momentum; give it one above 0, or switch momentum cycling off in the schedule"
    )]
    NoMomentum {
        /// The rule's name.
        rule: &'static str,
        /// The momentum that was given.
        momentum: f64,
    },
    /// A rule's formula takes another number of slots than the rule names.
    #[error(
        "{rule}: the formula takes {taken} slots of state and the rule names {slots}; \
         let `Rule::slots` and `Chunk::each` agree"
    )]
    Slots {
        /// The rule's name.
        rule: &'static str,
        /// How many slots the rule names.
        slots: usize,
        /// How many the formula takes.
        taken: usize,
    },
    /// Two parameters have one name.
    #[error("parameter `{name}` is given twice; names must be unique")]
    DuplicateParameter {
        /// The name.
        name: String,
    },
    /// One variable is given under two names.
    #[error(
        "parameters `{first}` and `{second}` are one variable, which would be updated twice; \
         give it once"
    )]
    SharedVariable {
        /// The first name.
        first: String,
        /// The second name.
        second: String,
    },
    /// A parameter is not floating-point.
    #[error("parameter `{name}` has dtype {dtype:?}, expected a floating-point dtype")]
    NotFloat {
        /// The parameter.
        name: String,
        /// Its dtype.
        dtype: DType,
    },
    /// Two groups have one name.
    #[error("parameter group `{group}` is given twice; names must be unique")]
    DuplicateGroup {
        /// The group.
        group: String,
    },
    /// A group names what is not a parameter.
    #[error("parameter group `{group}`: `{parameter}` matches none of the parameters")]
    UnknownParameter {
        /// The group.
        group: String,
        /// The name.
        parameter: String,
    },
    /// The gradient store has no gradient for any parameter.
    #[error(
        "none of the {parameters} parameters has a gradient; \
         is the loss computed from them, and was backward called on it?"
    )]
    NoGradients {
        /// How many parameters there are.
        parameters: usize,
    },
    /// A gradient's shape differs from its parameter's.
    #[error("gradient of `{name}` has shape {found:?}, expected {expected:?}")]
    GradientShape {
        /// The parameter.
        name: String,
        /// Its shape.
        expected: Shape,
        /// The gradient's shape.
        found: Shape,
    },
    /// A saved state does not fit; every fault is listed and nothing was changed.
    #[error("optimizer state does not fit ({} faults): {}", .faults.len(), join(.faults))]
    State {
        /// The faults, sorted by name.
        faults: Vec<StateFault>,
    },
    /// candle failed.
    #[error(transparent)]
    Candle(#[from] candle_core::Error),
}

/// One fault in a saved optimizer state.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum StateFault {
    /// A tensor that this optimizer needs is absent.
    #[error("`{name}` is missing")]
    Missing {
        /// The tensor's name.
        name: String,
    },
    /// A tensor that this optimizer has no place for.
    #[error("`{name}` is not part of this optimizer's state")]
    Unexpected {
        /// The tensor's name.
        name: String,
    },
    /// A tensor of another shape.
    #[error("`{name}` has shape {found:?}, expected {expected:?}")]
    Shape {
        /// The tensor's name.
        name: String,
        /// The shape needed.
        expected: Vec<usize>,
        /// The shape found.
        found: Vec<usize>,
    },
    /// A tensor of another dtype.
    #[error("`{name}` has dtype {found:?}, expected {expected:?}")]
    DType {
        /// The tensor's name.
        name: String,
        /// The dtype needed.
        expected: DType,
        /// The dtype found.
        found: DType,
    },
    /// A step count below zero.
    #[error("`{name}` is {value}, expected a step count of 0 or more")]
    Count {
        /// The tensor's name.
        name: String,
        /// The value found.
        value: i64,
    },
}

fn join(faults: &[StateFault]) -> String {
    faults.iter().map(StateFault::to_string).collect::<Vec<_>>().join("; ")
}

/// So that `?` works in a function that returns candle's `Result`.
impl From<OptimizerError> for candle_core::Error {
    fn from(error: OptimizerError) -> Self {
        match error {
            OptimizerError::Candle(error) => error,
            error => candle_core::Error::wrap(error),
        }
    }
}

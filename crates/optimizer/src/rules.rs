//! The rules there are.
//!
//! Each lives in its own file as a plain config struct of public fields with named constructors;
//! [`RuleConfig`] is the sum of them, for recipes.

mod forms;

mod adadelta;
mod adagrad;
mod adam;
mod adamw;
mod rmsprop;
mod sgd;

mod config;

pub use adadelta::Adadelta;
pub use adagrad::Adagrad;
pub use adam::{Adam, AdamEpsilon};
pub use adamw::AdamW;
pub use config::RuleConfig;
pub use forms::{Decay, EpsilonPlace, MomentumForm};
pub use rmsprop::RmsProp;
pub use sgd::Sgd;

#[cfg(test)]
mod tests;

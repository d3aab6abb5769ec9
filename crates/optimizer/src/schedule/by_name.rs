//! The courses by name.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::kind::{
    ConstantRate, CosineDecay, ExponentialDecay, LinearDecay, ScheduleKind, StepDecay,
};
use super::one_cycle::OneCycle;

/// Whoever takes in courses of the learning rate by name.
pub trait TakeSchedule {
    /// Takes in a course under a name.
    fn take<S: ScheduleKind + Serialize + DeserializeOwned + 'static>(&mut self, name: &str);
}

/// Gives every course of this crate by name.
///
/// ```
/// use serde::{Serialize, de::DeserializeOwned};
/// use taper_optimizer::{ScheduleKind, TakeSchedule, schedules};
///
/// struct Names(Vec<String>);
///
/// impl TakeSchedule for Names {
///     fn take<S: ScheduleKind + Serialize + DeserializeOwned + 'static>(&mut self, name: &str) {
///         self.0.push(name.to_string());
///     }
/// }
///
/// let mut names = Names(Vec::new());
/// schedules(&mut names);
/// assert_eq!(names.0, ["constant", "linear", "step", "exponential", "cosine", "one-cycle"]);
/// ```
pub fn schedules(into: &mut impl TakeSchedule) {
    into.take::<ConstantRate>("constant");
    into.take::<LinearDecay>("linear");
    into.take::<StepDecay>("step");
    into.take::<ExponentialDecay>("exponential");
    into.take::<CosineDecay>("cosine");
    into.take::<OneCycle>("one-cycle");
}

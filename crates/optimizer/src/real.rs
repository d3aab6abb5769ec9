//! The little arithmetic that a rule needs, over `f32` and `f64`.

use std::ops::{Add, Div, Mul, Sub};

/// An element of a parameter: `f32` or `f64`.
///
/// It lets a rule's formula be written once for both.
pub trait Real:
    Copy
    + Send
    + Sync
    + PartialOrd
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + 'static
{
    /// Rounds a hyperparameter to this type.
    fn of(value: f64) -> Self;

    /// The square root.
    fn sqrt(self) -> Self;

    /// The larger of two; `other` where either is NaN, so that a NaN in `other` is kept.
    fn larger(self, other: Self) -> Self {
        if self > other { self } else { other }
    }
}

impl Real for f32 {
    fn of(value: f64) -> Self {
        value as f32
    }

    fn sqrt(self) -> Self {
        f32::sqrt(self)
    }
}

impl Real for f64 {
    fn of(value: f64) -> Self {
        value
    }

    fn sqrt(self) -> Self {
        f64::sqrt(self)
    }
}

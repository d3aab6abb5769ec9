//! The little arithmetic that a rule needs, over `f32`, `f64` and symbols.

use std::ops::{Add, Div, Mul, Sub};

/// An element of a parameter: `f32`, `f64` or a [`Symbol`](crate::Symbol).
///
/// It lets a rule's formula be written once for all of them.
pub trait Real:
    Copy
    + Send
    + Sync
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
    fn larger(self, other: Self) -> Self;
}

impl Real for f32 {
    fn of(value: f64) -> Self {
        value as f32
    }

    fn sqrt(self) -> Self {
        f32::sqrt(self)
    }

    fn larger(self, other: Self) -> Self {
        if self > other { self } else { other }
    }
}

impl Real for f64 {
    fn of(value: f64) -> Self {
        value
    }

    fn sqrt(self) -> Self {
        f64::sqrt(self)
    }

    fn larger(self, other: Self) -> Self {
        if self > other { self } else { other }
    }
}

//! The little arithmetic that a rule needs, over numbers and symbols.

use std::ops::{Add, Div, Mul, Neg, Sub};

/// An element of a parameter: `f32`, `f64`, or a symbol that stands for whole tensors.
///
/// It lets a rule's formula be written once for all of them.
pub trait Real:
    Copy
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
{
    /// Rounds a hyperparameter to this type.
    fn of(value: f64) -> Self;

    /// The square root.
    fn sqrt(self) -> Self;

    /// 1 above zero, -1 below, else 0, also for NaN.
    fn sign(self) -> Self;

    /// The absolute value.
    fn abs(self) -> Self;

    /// The larger of two; `other` where either is NaN, so that a NaN in `other` is kept.
    fn max(self, other: Self) -> Self;

    /// The smaller of two; `other` where either is NaN, so that a NaN in `other` is kept.
    fn min(self, other: Self) -> Self;
}

// Inlined, or the loops over elements do not become vector instructions.
impl Real for f32 {
    #[inline]
    fn of(value: f64) -> Self {
        value as f32
    }

    #[inline]
    fn sqrt(self) -> Self {
        f32::sqrt(self)
    }

    #[inline]
    fn sign(self) -> Self {
        f32::from(self > 0.0) - f32::from(self < 0.0)
    }

    #[inline]
    fn abs(self) -> Self {
        f32::abs(self)
    }

    #[inline]
    fn max(self, other: Self) -> Self {
        if self > other { self } else { other }
    }

    #[inline]
    fn min(self, other: Self) -> Self {
        if self < other { self } else { other }
    }
}

impl Real for f64 {
    #[inline]
    fn of(value: f64) -> Self {
        value
    }

    #[inline]
    fn sqrt(self) -> Self {
        f64::sqrt(self)
    }

    #[inline]
    fn sign(self) -> Self {
        f64::from(self > 0.0) - f64::from(self < 0.0)
    }

    #[inline]
    fn abs(self) -> Self {
        f64::abs(self)
    }

    #[inline]
    fn max(self, other: Self) -> Self {
        if self > other { self } else { other }
    }

    #[inline]
    fn min(self, other: Self) -> Self {
        if self < other { self } else { other }
    }
}

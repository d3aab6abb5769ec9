//! Endless sequences of random numbers, each element a function of (key, index).

use std::f64::consts::SQRT_2;

use candle_core::cpu::erf::{erf_f64, erf_inv};
use taper_kernels::counter::Counter;

/// Uniform on `[low, high)`.
pub(super) fn uniform(key: u64, low: f64, high: f64) -> impl Iterator<Item = f64> {
    let counter = Counter::new(key);
    (0..).map(move |index| low + (high - low) * counter.uniform_f64(index))
}

/// Normal.
pub(super) fn normal(key: u64, mean: f64, std: f64) -> impl Iterator<Item = f64> {
    let counter = Counter::new(key);
    (0..).map(move |index| mean + std * counter.normal(index))
}

/// Normal cut to `[low, high]`, by inverting the distribution function.
pub(super) fn truncated_normal(
    key: u64,
    mean: f64,
    std: f64,
    low: f64,
    high: f64,
) -> impl Iterator<Item = f64> {
    // 2 Φ(z) - 1 = erf(z / sqrt 2); the draws are uniform between its values at the two bounds.
    let side = |bound: f64| if std > 0.0 { erf_f64((bound - mean) / std / SQRT_2) } else { 0.0 };
    let (from, to) = (side(low), side(high));
    uniform(key, from, to).map(move |draw| (mean + std * SQRT_2 * erf_inv(draw)).max(low).min(high))
}

//! Endless sequences of random numbers, each element a function of (key, index).

use candle_core::cpu::erf::{erf_f64, erf_inv};
use std::f64::consts::{SQRT_2, TAU};

/// Uniform on `[low, high)`.
pub(super) fn uniform(key: u64, low: f64, high: f64) -> impl Iterator<Item = f64> {
    words(key).map(move |(a, _)| low + (high - low) * unit(a))
}

/// Normal, by Box and Muller's transform: one element a block, so that each depends on its own index alone.
pub(super) fn normal(key: u64, mean: f64, std: f64) -> impl Iterator<Item = f64> {
    words(key).map(move |(a, b)| {
        // 1 - u is in (0, 1], so the logarithm is finite.
        let radius = (-2.0 * (1.0 - unit(a)).ln()).sqrt();
        mean + std * radius * (TAU * unit(b)).cos()
    })
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
    let side =
        move |bound: f64| if std > 0.0 { erf_f64((bound - mean) / std / SQRT_2) } else { 0.0 };
    let (from, to) = (side(low), side(high));
    words(key).map(move |(a, _)| {
        (mean + std * SQRT_2 * erf_inv(from + (to - from) * unit(a))).max(low).min(high)
    })
}

/// A number in `[0, 1)` from the upper 53 bits.
fn unit(bits: u64) -> f64 {
    (bits >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
}

/// Two words for each index.
fn words(key: u64) -> impl Iterator<Item = (u64, u64)> {
    (0u64..).map(move |index| (split_mix(key, 2 * index), split_mix(key, 2 * index + 1)))
}

fn split_mix(key: u64, index: u64) -> u64 {
    let mut z = key.wrapping_add(index.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

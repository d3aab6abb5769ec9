//! Ways from one rate to another.

use std::f64::consts::PI;

/// From `start` to `end` in a line, `share` from 0 to 1; exactly `start` at 0.
pub(super) fn lerp(start: f64, end: f64, share: f64) -> f64 {
    start + (end - start) * share
}

/// From `start` to `end` along half a cosine, `share` from 0 to 1; exactly `start` at 0.
pub(super) fn cosine(start: f64, end: f64, share: f64) -> f64 {
    lerp(start, end, (1.0 - (PI * share).cos()) / 2.0)
}

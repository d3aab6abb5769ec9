//! Tests across the crates of Taper.

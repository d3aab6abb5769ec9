//! What comes from elsewhere, taken with care: [`files`] of a bounded size, their [`checksums`], [`pickle`]s that are
//! described and not run, decoders whose panics are errors ([`fenced`]).

pub mod checksums;
pub mod files;
pub mod pickle;

mod fence;

pub use fence::fenced;

/// The README's example, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

//! What comes from elsewhere, taken with care: [`files`] of a bounded size, their [`checksums`], [`pickle`]s that are
//! described and not run, [`json`] of a bounded size in memory, decoders whose panics are errors ([`fenced`]).

pub mod checksums;
pub mod files;
pub mod json;
pub mod pickle;

mod fence;

pub use fence::fenced;

/// What an error says of a file's content, which may be as long as the file: the first thousand letters.
///
/// ```
/// assert_eq!(taper_untrusted::cut("short".to_string()), "short");
/// assert_eq!(taper_untrusted::cut("é".repeat(5000)).chars().count(), 1001);
/// ```
pub fn cut(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(1000) {
        text.truncate(end);
        text.push('…');
    }
    text
}

/// The README's example, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

//! Text for a terminal: columns as wide as they are shown, and nothing that steers it.

use std::borrow::Cow;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// A name in one line: a name may be that of any folder or file, and a line break or an escape sequence must
/// not reach the terminal.
///
/// Control characters, separators of lines, and those that change the direction of what follows, are written as Rust
/// escapes them.
///
/// ```
/// assert_eq!(taper_metrics::text::printable("\u{61c}\u{2028}\u{2029}"), "\\u{61c}\\u{2028}\\u{2029}");
/// assert_eq!(taper_metrics::text::printable("a\n\u{1b}[31m\u{202e}b"), "a\\n\\u{1b}[31m\\u{202e}b");
/// ```
pub fn printable(name: &str) -> String {
    escaped(name, |_| false)
}

/// As [`printable`], for text of several lines.
///
/// ```
/// assert_eq!(taper_metrics::text::printable_lines("a\n\u{1b}[31mb"), "a\n\\u{1b}[31mb");
/// ```
pub fn printable_lines(text: &str) -> String {
    escaped(text, |character| character == '\n')
}

fn escaped(text: &str, kept: impl Fn(char) -> bool) -> String {
    let steers = |c: char| {
        c.is_control()
            || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match steers(character) && !kept(character) {
            true => escaped.extend(character.escape_default()),
            false => escaped.push(character),
        }
    }
    escaped
}

/// Text as a cell of a table calculation: what begins as a formula does is one there, a number aside, and has a `'`
/// before it.
///
/// ```
/// use taper_metrics::text::no_formula;
/// assert_eq!(["=c0", "-1", "a=b", "@x"].map(no_formula), ["'=c0", "-1", "a=b", "'@x"]);
/// ```
pub fn no_formula(text: &str) -> Cow<'_, str> {
    match text.starts_with(['=', '+', '-', '@', '\t', '\r']) && text.parse::<f64>().is_err() {
        true => format!("'{text}").into(),
        false => text.into(),
    }
}

/// The columns that a name takes in a terminal.
///
/// ```
/// assert_eq!(["é", "e\u{301}", "七", "🦊"].map(taper_metrics::text::width), [1, 1, 2, 2]);
/// ```
pub fn width(name: &str) -> usize {
    name.width()
}

/// The columns to align names in: those of the widest, up to 80. A wider name is written whole, and what follows it in
/// its line stands further right; blanks up to the longest name of a class could fill the memory.
///
/// ```
/// use taper_metrics::text::{columns, right};
/// assert_eq!(columns(["七", "abc"].into_iter()), 3);
/// assert_eq!(columns([&*"x".repeat(100_000), "y"].into_iter()), 80);
/// assert_eq!(right("y", 100_000).len(), 100_000);
/// ```
pub fn columns<'a>(names: impl Iterator<Item = &'a str>) -> usize {
    names.map(width).max().unwrap_or(0).min(80)
}

/// A name with blanks behind it up to a width.
///
/// ```
/// assert_eq!(taper_metrics::text::left("七", 4) + "|", "七  |");
/// ```
pub fn left(name: &str, columns: usize) -> String {
    format!("{name}{}", " ".repeat(columns.saturating_sub(width(name))))
}

/// A name with blanks before it up to a width.
pub fn right(name: &str, columns: usize) -> String {
    format!("{}{name}", " ".repeat(columns.saturating_sub(width(name))))
}

/// The longest beginning of a name that fits into a width, with `…` in place of what is left out.
///
/// ```
/// assert_eq!(taper_metrics::text::shortened("七八九十", 5), "七八…");
/// assert_eq!(taper_metrics::text::shortened("seven", 5), "seven");
/// ```
pub fn shortened(name: &str, columns: usize) -> String {
    if width(name) <= columns {
        return name.to_string();
    }
    let mut taken = 0;
    let fits = |character: &char| {
        taken += character.width().unwrap_or(0);
        taken < columns
    };
    name.chars().take_while(fits).chain(['…']).collect()
}

//! What the answer has to look like.

use crate::error::{ReadError, Result};

/// The most digits that a pattern may have.
const MOST: usize = 64;

/// How many digits there are and how they are grouped, written `dddd dddd`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    /// Digits of each group; no group is empty, and there is at least one.
    groups: Vec<usize>,
}

impl Pattern {
    /// Reads a pattern: `d` for a digit, blanks between groups.
    ///
    /// # Errors
    /// Another letter, no digit, or more than 64.
    ///
    /// ```
    /// use taper_reader::Pattern;
    ///
    /// let card = Pattern::parse("dddd dddd dddd dddd")?;
    /// assert_eq!(card.digits(), 16);
    /// assert!(Pattern::parse("99999").is_err());
    /// # Ok::<(), taper_reader::ReadError>(())
    /// ```
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = |reason: String| ReadError::Pattern { pattern: text.to_string(), reason };
        if let Some(letter) = text.chars().find(|letter| !matches!(letter, 'd' | ' ')) {
            return Err(wrong(format!("has a {letter:?}")));
        }
        let groups: Vec<usize> = text.split_whitespace().map(str::len).collect();
        match groups.iter().sum::<usize>() {
            0 => Err(wrong("has no digit".to_string())),
            MOST.. if groups.iter().sum::<usize>() > MOST => {
                Err(wrong(format!("has more than {MOST} digits")))
            }
            _ => Ok(Self { groups }),
        }
    }

    /// How many digits there are.
    pub fn digits(&self) -> usize {
        self.groups.iter().sum()
    }

    /// How many groups there are.
    pub fn groups(&self) -> usize {
        self.groups.len()
    }

    /// Whether a group ends before the digit at `place`.
    pub fn blank_before(&self, place: usize) -> bool {
        let mut sum = 0;
        place > 0
            && self.groups.iter().any(|group| {
                sum += group;
                sum == place && place < self.digits()
            })
    }
}

impl std::fmt::Display for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let groups: Vec<String> = self.groups.iter().map(|&group| "d".repeat(group)).collect();
        f.write_str(&groups.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_groups_of_digits() {
        let pattern = Pattern::parse(" dd ddd  d").unwrap();
        assert_eq!(pattern.digits(), 6);
        let blanks: Vec<usize> = (0..8).filter(|&place| pattern.blank_before(place)).collect();
        assert_eq!(blanks, [2, 5]);
        assert_eq!(pattern.to_string(), "dd ddd d");
    }

    #[test]
    fn what_is_no_pattern_is_an_error_that_shows_one() {
        let message = |text: &str| Pattern::parse(text).unwrap_err().to_string();
        assert_eq!(
            message("dd-dd"),
            "the pattern \"dd-dd\" has a '-': expected d for each digit and blanks between groups, \
             such as \"ddddd\" or \"dddd dddd dddd dddd\""
        );
        assert!(message("  ").contains("has no digit"));
        assert!(message(&"d".repeat(65)).contains("has more than 64 digits"));
        assert!(Pattern::parse(&"d".repeat(64)).is_ok());
    }
}

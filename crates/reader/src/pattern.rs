//! What the answer has to look like.

use crate::error::{ReadError, Result};

/// The most digits that a pattern may have.
const MOST: usize = 64;

/// What may stand between two groups.
const SEPARATORS: [char; 4] = [' ', '-', '/', '.'];

/// How many digits there are and how they are grouped, written `dddd dddd` or `ddddd-dddd`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    /// Digits of each group; no group is empty, and there is at least one.
    groups: Vec<usize>,
    /// What stands between each group and the next.
    separators: Vec<char>,
}

impl Pattern {
    /// Reads a pattern: `d` for a digit; a blank, a hyphen, a slash or a full stop between groups.
    ///
    /// # Errors
    /// Another letter, no digit, more than 64, or a separator that has no digits on either side.
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
        let odd = |letter: &char| *letter != 'd' && !SEPARATORS.contains(letter);
        if let Some(letter) = text.chars().find(odd) {
            return Err(wrong(format!("has a {letter:?}")));
        }
        let (mut groups, mut separators) = (Vec::<usize>::new(), Vec::new());
        let mut between = Vec::new();
        for letter in text.trim().chars() {
            match (letter, groups.last_mut()) {
                ('d', Some(group)) if between.is_empty() => *group += 1,
                ('d', _) => {
                    let marks: Vec<char> = between.drain(..).filter(|mark| *mark != ' ').collect();
                    match marks[..] {
                        [] if groups.is_empty() => {}
                        [] => separators.push(' '),
                        [mark] if !groups.is_empty() => separators.push(mark),
                        [mark, ..] => {
                            return Err(wrong(format!("has a {mark:?} without digits beside it")));
                        }
                    }
                    groups.push(1);
                }
                (mark, _) => between.push(mark),
            }
        }
        if let Some(mark) = between.first() {
            return Err(wrong(format!("has a {mark:?} without digits beside it")));
        }
        match groups.iter().sum::<usize>() {
            0 => Err(wrong("has no digit".to_string())),
            MOST.. if groups.iter().sum::<usize>() > MOST => {
                Err(wrong(format!("has more than {MOST} digits")))
            }
            _ => Ok(Self { groups, separators }),
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
        self.separator_before(place).is_some()
    }

    /// What parts the digit at `place` from the one before it, if anything does.
    pub fn separator_before(&self, place: usize) -> Option<char> {
        let mut sum = 0;
        let ends = self.groups.iter().zip(&self.separators);
        ends.map(|(group, separator)| {
            sum += group;
            (sum, *separator)
        })
        .find_map(|(end, separator)| (end == place).then_some(separator))
    }

    /// Digits of each group.
    pub fn group_lengths(&self) -> &[usize] {
        &self.groups
    }
}

impl std::fmt::Display for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (place, &group) in self.groups.iter().enumerate() {
            if let Some(separator) = place.checked_sub(1).map(|before| self.separators[before]) {
                write!(f, "{separator}")?;
            }
            f.write_str(&"d".repeat(group))?;
        }
        Ok(())
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
        let pattern = Pattern::parse("dd - ddd/d").unwrap();
        assert_eq!((pattern.digits(), pattern.groups()), (6, 3));
        assert_eq!(pattern.to_string(), "dd-ddd/d");
        let marks: Vec<Option<char>> = (0..8).map(|at| pattern.separator_before(at)).collect();
        assert_eq!(marks, [None, None, Some('-'), None, None, Some('/'), None, None]);
    }

    #[test]
    fn what_is_no_pattern_is_an_error_that_shows_one() {
        let message = |text: &str| Pattern::parse(text).unwrap_err().to_string();
        assert_eq!(
            message("dd_dd"),
            "the pattern \"dd_dd\" has a '_': expected d for each digit and blanks between groups, \
             such as \"ddddd\" or \"dddd dddd dddd dddd\""
        );
        assert!(message("  ").contains("has no digit"));
        for wrong in ["-dd", "dd-", "dd--dd", "-"] {
            assert!(message(wrong).contains("has a '-' without digits beside it"), "{wrong}");
        }
        assert!(message(&"d".repeat(65)).contains("has more than 64 digits"));
        assert!(Pattern::parse(&"d".repeat(64)).is_ok());
    }
}

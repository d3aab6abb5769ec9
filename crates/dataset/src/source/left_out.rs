//! What a source found and did not take.

use std::collections::BTreeMap;
use std::fmt;

/// The most reasons that are told in a line.
const SHOWN: usize = 6;

/// The most reasons that are counted by themselves: they stand in a run's history and results.
const COUNTED: usize = 1000;

/// What is not told apart.
const OTHERS: &str = "others";

/// How many things a source found and did not take, by reason. Its `Display` is `3 .heic files, 1
/// hidden`, the most frequent first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeftOut(pub BTreeMap<String, usize>);

impl LeftOut {
    /// Counts `count` more of a kind, such as `.heic files`; of more than a thousand kinds those that come later are
    /// `others`.
    pub fn add(&mut self, reason: impl Into<String>, count: usize) {
        let mut reason = reason.into();
        if count == 0 {
            return;
        }
        if self.0.len() >= COUNTED && !self.0.contains_key(&reason) {
            reason = OTHERS.to_owned();
        }
        *self.0.entry(reason).or_default() += count;
    }

    /// Counts what another source left out, too.
    pub fn extend(&mut self, other: LeftOut) {
        other.0.into_iter().for_each(|(reason, count)| self.add(reason, count));
    }

    /// The end of a line that describes data: `, left out: 3 .heic files`, or nothing.
    pub fn tail(&self) -> String {
        if self.is_empty() { String::new() } else { format!(", left out: {self}") }
    }

    /// Whether nothing was left out.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut counts: Vec<_> = self.0.iter().collect();
        // The most frequent first; those that were not told apart last. The sort is stable.
        counts
            .sort_by_key(|(reason, count)| (reason.as_str() == OTHERS, std::cmp::Reverse(**count)));
        let (shown, rest) = counts.split_at(counts.len().min(SHOWN));
        let mut shown: Vec<String> =
            shown.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
        if !rest.is_empty() {
            let count: usize = rest.iter().map(|(_, count)| **count).sum();
            shown.push(format!("{count} {OTHERS}"));
        }
        f.write_str(&shown.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_frequent_reasons_come_first_and_the_rest_is_counted() {
        let mut left_out = LeftOut::default();
        left_out.add("hidden", 0);
        assert!(left_out.is_empty() && left_out.tail().is_empty());
        for (count, reason) in ["a", "b", "c", "d", "e", "f", "g", "h"].into_iter().enumerate() {
            left_out.add(reason, count + 1);
        }
        assert_eq!(left_out.to_string(), "8 h, 7 g, 6 f, 5 e, 4 d, 3 c, 3 others");
        assert!(left_out.tail().starts_with(", left out: 8 h, "));
        (0..2 * COUNTED).for_each(|n| left_out.add(format!(".{n} files"), 1));
        assert_eq!((left_out.0.len(), left_out.0["others"]), (COUNTED + 1, COUNTED + 8));
    }
}

//! Sums of pieces, added in a fixed tree.

use crate::error::RunnerError;

/// Adds what is pushed in a binary tree: neighbours first, then their sums; where the number of leaves is no power
/// of two, what is missing at the end adds nothing. So a half of the leaves can be summed elsewhere, and no sum
/// depends on where.
pub(super) struct Tree<T> {
    /// The sums that wait for their neighbours, each with the levels below it; the largest first.
    waiting: Vec<(u32, T)>,
}

impl<T> Tree<T> {
    pub fn new() -> Self {
        Self { waiting: Vec::new() }
    }

    /// Adds the next leaf.
    pub fn push(
        &mut self,
        leaf: T,
        add: impl Fn(T, T) -> Result<T, RunnerError>,
    ) -> Result<(), RunnerError> {
        let (mut level, mut sum) = (0, leaf);
        while let Some((_, left)) = self.waiting.pop_if(|(waiting, _)| *waiting == level) {
            (level, sum) = (level + 1, add(left, sum)?);
        }
        self.waiting.push((level, sum));
        Ok(())
    }

    /// The sum of all leaves; none of none.
    pub fn sum(
        mut self,
        add: impl Fn(T, T) -> Result<T, RunnerError>,
    ) -> Result<Option<T>, RunnerError> {
        let mut sum = None;
        while let Some((_, left)) = self.waiting.pop() {
            sum = Some(match sum {
                Some(right) => add(left, right)?,
                None => left,
            });
        }
        Ok(sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summed(leaves: std::ops::Range<usize>) -> Option<String> {
        let add = |left: String, right: String| Ok(format!("({left}{right})"));
        let mut tree = Tree::new();
        leaves.for_each(|leaf| tree.push(leaf.to_string(), add).unwrap());
        tree.sum(add).unwrap()
    }

    #[test]
    fn neighbours_are_added_first_the_lower_on_the_left() {
        assert_eq!(summed(0..0), None);
        assert_eq!(summed(0..1).unwrap(), "0");
        assert_eq!(summed(0..8).unwrap(), "(((01)(23))((45)(67)))");
        assert_eq!(summed(0..3).unwrap(), "((01)2)");
        assert_eq!(summed(0..7).unwrap(), "(((01)(23))((45)6))");
    }

    #[test]
    fn a_part_of_the_leaves_gives_the_sum_that_it_has_in_the_whole() {
        for (part, whole) in [(0..4, 0..8), (4..8, 0..8), (4..7, 0..7), (2..4, 0..5), (6..7, 0..7)]
        {
            let (part, whole) = (summed(part).unwrap(), summed(whole).unwrap());
            assert!(whole.contains(&part), "{part} in {whole}");
        }
    }
}

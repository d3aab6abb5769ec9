//! Where numbers lie on their page.

use crate::settings::{Character as Guess, LETTER};
use crate::text_line::Character;
use crate::view::View;

/// What is so likely a digit is one.
pub(crate) const DIGIT: f32 = 0.6;

/// A line with so many digits has a number.
const NUMBER: usize = 3;

/// Where a number lies on its page.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layout {
    /// The middle, as shares of the page.
    pub x: f32,
    pub y: f32,
    /// Height of its digits, relative to those of the highest writing.
    pub height: f32,
    /// Lines close below it.
    pub below: usize,
    /// Whether one of them has a number.
    pub number_below: bool,
    /// Lines close above it.
    pub above: usize,
    /// The place among the words of its line: letters before and after it.
    pub before: usize,
    pub after: usize,
}

/// The layouts of a view's lines.
pub(crate) struct Layouts<'a> {
    view: &'a View,
    lines: Vec<Extent>,
    highest: f32,
}

/// A line as others see it.
struct Extent {
    /// Left, upper, right and lower end.
    sides: [f32; 4],
    /// The height of its words.
    height: f32,
    /// Whether most of it is letters or digits.
    is_writing: bool,
    has_number: bool,
}

impl Extent {
    fn middle(&self) -> f32 {
        (self.sides[1] + self.sides[3]) / 2.0
    }
}

impl<'a> Layouts<'a> {
    pub fn of(view: &'a View, guesses: &[Vec<Guess>]) -> Self {
        let mut lines = Vec::new();
        for (line, guesses) in view.page.lines.iter().zip(guesses) {
            let some = &line.characters;
            let low = |of: fn(&Character) -> f32| some.iter().map(of).fold(f32::INFINITY, f32::min);
            let high = |of: fn(&Character) -> f32| some.iter().map(of).fold(0.0, f32::max);
            let sides = [low(|c| c.left), low(|c| c.top), high(|c| c.right), high(|c| c.bottom)];
            let mut heights: Vec<f32> = some.iter().map(|one| one.word.1 - one.word.0).collect();
            heights.sort_by(f32::total_cmp);
            let height = heights[heights.len() / 2];
            let good: f32 = guesses.iter().map(|g| digit_share(g) + g[LETTER]).sum();
            let digits = guesses.iter().filter(|guess| digit_share(guess) > DIGIT).count();
            let (is_writing, has_number) =
                (good > 1.5 && good > 0.5 * some.len() as f32, digits >= NUMBER);
            lines.push(Extent { sides, height, is_writing, has_number });
        }
        let writing = lines.iter().filter(|line| line.is_writing);
        let highest = writing.map(|line| line.height).max_by(f32::total_cmp).unwrap_or(1.0);
        Self { view, lines, highest }
    }

    /// How many lines have writing.
    pub fn writing(&self) -> usize {
        self.lines.iter().filter(|line| line.is_writing).count()
    }

    pub fn of_range(&self, line: usize, range: &std::ops::Range<usize>) -> Layout {
        let some = &self.view.page.lines[line].characters;
        let part = &some[range.clone()];
        let (left, right) = (part[0].left, part[part.len() - 1].right);
        let height = part.iter().map(Character::height).sum::<f32>() / part.len() as f32;
        let middle_y =
            part.iter().map(|one| (one.top + one.bottom) / 2.0).sum::<f32>() / part.len() as f32;
        let (wide, high) = self.view.size();
        let [line_left, _, line_right, _] = self.lines[line].sides;
        let near = |down: bool| {
            // Lines of about this height, one after the other, each close to the one before.
            let (mut count, mut number) = (0, false);
            let mut from = middle_y;
            loop {
                let off =
                    |one: &Extent| if down { one.middle() - from } else { from - one.middle() };
                let next = self.lines.iter().enumerate().filter(|(at, one)| {
                    let [left, _, right, _] = one.sides;
                    let beside = left < line_right + height && line_left - height < right;
                    *at != line
                        && one.is_writing
                        && (0.5..2.0).contains(&(one.height / height))
                        && off(one) > 0.7 * height
                        && off(one) < 2.9 * height
                        && beside
                });
                match next.map(|(_, one)| one).min_by(|a, b| off(a).total_cmp(&off(b))) {
                    Some(closest) if count < 6 => {
                        (count, from) = (count + 1, closest.middle());
                        number |= closest.has_number;
                    }
                    _ => return (count, number),
                }
            }
        };
        let (below, number_below) = near(true);
        Layout {
            x: (left + right) / 2.0 / wide,
            y: middle_y / high,
            height: (height / self.highest).min(1.0),
            below,
            number_below,
            above: near(false).0,
            before: range.start,
            after: some.len() - range.end,
        }
    }
}

/// How likely a character is a digit.
pub(crate) fn digit_share(guess: &Guess) -> f32 {
    guess[..LETTER].iter().sum()
}

/// So many characters on either side tell what a character is likely to be.
const AROUND: usize = 8;

/// What is said of characters side by side, each seen among its neighbours: amid digits, what looks like
/// anything else is less likely that.
///
/// The share of others is expected to be that of the neighbours, and that of two more of which one is a digit
/// (Laplace's rule of succession).
pub(crate) fn in_context(guesses: &[Guess]) -> Vec<Guess> {
    let seen = |at: usize| {
        let near = at.saturating_sub(AROUND)..(at + AROUND + 1).min(guesses.len());
        let count = near.len() as f32 - 1.0;
        let digits = guesses[near].iter().map(digit_share).sum::<f32>() - digit_share(&guesses[at]);
        let share = (count - digits + 1.0) / (count + 2.0);
        let odds = (share / (1.0 - share)).min(1.0);
        let mut guess = guesses[at];
        guess[LETTER..].iter_mut().for_each(|share| *share *= odds);
        let sum: f32 = guess.iter().sum();
        guess.map(|share| share / sum.max(f32::MIN_POSITIVE))
    };
    (0..guesses.len()).map(seen).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::CHARACTERS;

    fn guess(class: usize, share: f32) -> Guess {
        let mut guess = [(1.0 - share) / (CHARACTERS - 1) as f32; CHARACTERS];
        guess[class] = share;
        guess
    }

    #[test]
    fn amid_digits_a_letter_is_less_likely_and_amid_letters_it_is_not() {
        let unsure = guess(LETTER, 0.9);
        let amid = |others: Guess| {
            let all = [others, others, others, unsure, others, others];
            digit_share(&in_context(&all)[3])
        };
        let before = digit_share(&unsure);
        assert!(amid(guess(7, 0.99)) > 3.0 * before, "{}", amid(guess(7, 0.99)));
        assert!((amid(guess(LETTER, 0.99)) - before).abs() < 1e-6);
        // What stands alone has no neighbours that say anything.
        assert!((digit_share(&in_context(&[unsure])[0]) - before).abs() < 1e-6);
        assert!(in_context(&[]).is_empty());
    }
}

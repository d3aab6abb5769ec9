//! Where numbers lie on their page.

use crate::settings::{Character as Guess, LETTER};
use crate::text_line::Character;
use crate::view::View;

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
    /// Lines close above it.
    pub above: usize,
    /// The place among the words of its line: letters before and after it.
    pub before: usize,
    pub after: usize,
}

/// The layouts of a view's lines.
pub(crate) struct Layouts<'a> {
    view: &'a View,
    /// Each line: its box, its height, whether it has writing.
    pub lines: Vec<([f32; 4], f32, bool)>,
    highest: f32,
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
            lines.push((sides, height, good > 1.5 && good > 0.5 * some.len() as f32));
        }
        let mut highest: Vec<f32> = lines.iter().filter(|line| line.2).map(|line| line.1).collect();
        highest.sort_by(f32::total_cmp);
        let highest = highest.last().copied().unwrap_or(1.0);
        Self { view, lines, highest }
    }

    pub fn of_range(&self, line: usize, range: &std::ops::Range<usize>) -> Layout {
        let some = &self.view.page.lines[line].characters;
        let part = &some[range.clone()];
        let (left, right) = (part[0].left, part[part.len() - 1].right);
        let height = part.iter().map(Character::height).sum::<f32>() / part.len() as f32;
        let middle_y =
            part.iter().map(|one| (one.top + one.bottom) / 2.0).sum::<f32>() / part.len() as f32;
        let (wide, high) = self.view.size();
        let [line_left, _, line_right, _] = self.lines[line].0;
        let near = |down: bool| {
            // Lines of about this height, one after the other, each close to the one before.
            let mut count = 0;
            let mut from = middle_y;
            loop {
                let next = self.lines.iter().enumerate().filter(|(at, (sides, size, writing))| {
                    let middle = (sides[1] + sides[3]) / 2.0;
                    let off = if down { middle - from } else { from - middle };
                    let beside = sides[0] < line_right + height && line_left - height < sides[2];
                    *at != line
                        && *writing
                        && (0.5..2.0).contains(&(size / height))
                        && off > 0.7 * height
                        && off < 2.9 * height
                        && beside
                });
                let middle = next.map(|(_, (sides, ..))| (sides[1] + sides[3]) / 2.0);
                let closest = if down { middle.reduce(f32::min) } else { middle.reduce(f32::max) };
                match closest {
                    Some(closest) if count < 6 => (count, from) = (count + 1, closest),
                    _ => return count,
                }
            }
        };
        Layout {
            x: (left + right) / 2.0 / wide,
            y: middle_y / high,
            height: (height / self.highest).min(1.0),
            below: near(true),
            above: near(false),
            before: range.start,
            after: some.len() - range.end,
        }
    }
}

/// How likely a character is a digit.
pub(crate) fn digit_share(guess: &Guess) -> f32 {
    guess[..LETTER].iter().sum()
}

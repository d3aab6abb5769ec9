//! Characters side by side are lines of text.

use crate::line::Blob;

/// From such a gap on, in heights of the word, another word begins.
const WORD_GAP: f32 = 0.38;

/// A gap wider than so many heights ends a line: groups of a card's number stand far apart.
pub(crate) const WIDEST_GAP: f32 = 3.2;

/// The most characters that are looked at on a page.
const MOST_CHARACTERS: usize = 1500;

/// Characters side by side.
#[derive(Debug, Clone)]
pub(crate) struct TextLine {
    pub characters: Vec<Character>,
    /// How much the line falls for each pixel to the right.
    pub slope: f32,
}

/// A connected piece of ink, or several one above the other.
#[derive(Debug, Clone)]
pub(crate) struct Character {
    pub left: f32,
    pub right: f32,
    pub top: f32,
    pub bottom: f32,
    /// Upper and lower end of its word, at the character's place.
    pub word: (f32, f32),
    /// Its pieces, by their places among the page's.
    pub blobs: Vec<usize>,
}

impl Character {
    pub fn height(&self) -> f32 {
        self.bottom - self.top
    }

    pub fn width(&self) -> f32 {
        self.right - self.left
    }

    pub fn middle(&self) -> f32 {
        (self.left + self.right) / 2.0
    }

    fn of(blob: &Blob, index: usize) -> Self {
        let (top, bottom) = (blob.top as f32, blob.bottom as f32 + 1.0);
        let (left, right) = (blob.left as f32, blob.right as f32 + 1.0);
        Self { left, right, top, bottom, word: (top, bottom), blobs: vec![index] }
    }
}

/// The lines of some pieces, from the top to the bottom.
pub(crate) fn lines(blobs: &[Blob], kept: &[bool]) -> Vec<TextLine> {
    let mut some: Vec<usize> = (0..blobs.len()).filter(|&at| kept[at]).collect();
    some.sort_by_key(|&at| std::cmp::Reverse(blobs[at].area));
    some.truncate(MOST_CHARACTERS);
    let mut characters: Vec<Character> =
        some.iter().map(|&at| Character::of(&blobs[at], at)).collect();
    characters.sort_by(|a, b| a.left.total_cmp(&b.left));
    let n = characters.len();
    let mut group: Vec<usize> = (0..n).collect();
    fn root(group: &mut [usize], mut one: usize) -> usize {
        while group[one] != one {
            group[one] = group[group[one]];
            one = group[one];
        }
        one
    }
    for one in 0..n {
        for other in one + 1..n {
            let (a, b) = (&characters[one], &characters[other]);
            let high = a.height().max(b.height());
            if b.left - a.right > 8.0 * a.height() {
                break;
            }
            let low = a.height().min(b.height());
            let overlap = a.bottom.min(b.bottom) - a.top.max(b.top);
            // A lower-case letter beside a capital, a digit beside another.
            let alike = high < 2.4 * low;
            let level = overlap > 0.5 * low && overlap > 0.25 * high;
            if b.left - a.right < WIDEST_GAP * high.min(1.6 * low) && alike && level {
                let (a, b) = (root(&mut group, one), root(&mut group, other));
                group[a.max(b)] = a.min(b);
            }
        }
    }
    let mut by_group: Vec<Vec<Character>> = vec![Vec::new(); n];
    for (at, one) in characters.into_iter().enumerate() {
        by_group[root(&mut group, at)].push(one);
    }
    let mut lines: Vec<TextLine> =
        by_group.into_iter().filter(|line| !line.is_empty()).map(line_of).collect();
    lines.sort_by(|a, b| a.characters[0].top.total_cmp(&b.characters[0].top));
    lines
}

/// A line of pieces that stand side by side: those one above the other are one character.
fn line_of(mut pieces: Vec<Character>) -> TextLine {
    pieces.sort_by(|a, b| a.left.total_cmp(&b.left));
    let mut characters: Vec<Character> = Vec::new();
    for piece in pieces {
        if let Some(last) = characters.last_mut() {
            let shared = last.right.min(piece.right) - last.left.max(piece.left);
            let narrow = last.width().min(piece.width());
            let higher = last.height().max(piece.height());
            let both = last.bottom.max(piece.bottom) - last.top.min(piece.top);
            if shared > 0.6 * narrow && both < 1.4 * higher {
                last.left = last.left.min(piece.left);
                last.right = last.right.max(piece.right);
                last.top = last.top.min(piece.top);
                last.bottom = last.bottom.max(piece.bottom);
                last.blobs.extend(piece.blobs);
                continue;
            }
        }
        characters.push(piece);
    }
    let slope = slope_of(&characters);
    // Words: how high each is, without the fall of the line.
    let mut first = 0;
    while first < characters.len() {
        let mut end = first + 1;
        let mut high = characters[first].height();
        while end < characters.len() {
            let gap = characters[end].left - characters[end - 1].right;
            if gap > WORD_GAP * high.max(characters[end].height()) {
                break;
            }
            high = high.max(characters[end].height());
            end += 1;
        }
        let flat = |one: &Character, y: f32| y - slope * one.middle();
        let word = &characters[first..end];
        let top = word.iter().map(|one| flat(one, one.top)).fold(f32::INFINITY, f32::min);
        let bottom = word.iter().map(|one| flat(one, one.bottom)).fold(f32::NEG_INFINITY, f32::max);
        for one in &mut characters[first..end] {
            let fall = slope * one.middle();
            one.word = (top + fall, bottom + fall);
        }
        first = end;
    }
    TextLine { characters, slope }
}

/// The median fall of the lower ends between characters some way apart.
fn slope_of(characters: &[Character]) -> f32 {
    let mut slopes = Vec::new();
    for (at, one) in characters.iter().enumerate() {
        for other in &characters[at + 1..] {
            let wide = other.middle() - one.middle();
            if wide > 3.0 * one.height() && (0.75..1.33).contains(&(one.height() / other.height()))
            {
                slopes.push((other.bottom - one.bottom) / wide);
            }
        }
    }
    if slopes.len() < 3 { 0.0 } else { median(slopes).clamp(-0.3, 0.3) }
}

pub(crate) fn median(mut values: Vec<f32>) -> f32 {
    if values.is_empty() {
        return 0.0;
    }
    let middle = values.len() / 2;
    *values.select_nth_unstable_by(middle, f32::total_cmp).1
}

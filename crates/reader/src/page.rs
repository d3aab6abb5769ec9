//! A page: its ink, the characters in it, and the lines that these form.

use image::{GrayImage, Luma, imageops};
use imageproc::filter::median_filter;
use imageproc::morphology::{Mask, grayscale_dilate, grayscale_erode};
use taper_dataset::Image;

use crate::ink::Ink;
use crate::line::{Blob, Labels, Line, blobs_of, cut_out, labels_of};
use crate::straighten::{DIGIT, ROWS};
use crate::text_line::{Character, TextLine, lines, median};

/// What differs less from its paper, relative to it, is paper.
const FAINTEST: f32 = 0.07;

/// How far ink must stand out of the noise, in standard deviations.
const STANDS_OUT: f32 = 3.5;

/// The paper is seen in a picture shrunk so many times.
const COARSE: u32 = 4;

/// The least height of a character in pixels.
const LEAST_HEIGHT: f32 = 6.0;

/// How large writing may be, as shares of the page's shorter side.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scale {
    /// A window so wide each way tells the paper: wider than writing is high, narrower than stamps,
    /// chips and pictures, which are paper of their own.
    window: f32,
    /// The largest height of a character.
    height: f32,
}

/// Writing on an envelope or a card.
pub(crate) const WRITING: Scale = Scale { window: 1.0 / 14.0, height: 0.3 };

/// A line that fills its picture.
pub(crate) const LARGE: Scale = Scale { window: 1.0 / 3.0, height: 0.95 };

/// Bars of a code stand in rows of so many at least.
const LEAST_BARS: usize = 9;

/// The ink of a page, each stroke as strong as any other, and its characters by lines.
pub(crate) struct Page {
    pub ink: Ink,
    labels: Labels,
    blobs: Vec<Blob>,
    pub lines: Vec<TextLine>,
    scale: Scale,
}

/// How the pixels of a picture differ from their paper, relative to it; above 0: darker.
pub(crate) struct Contrast {
    /// Of each pixel; 0 between the lightest and the darkest paper around it, so that an edge from one
    /// paper to another is no ink.
    values: Vec<f32>,
    /// Standard deviation of the paper.
    noise: f32,
}

/// How much each pixel differs from its paper.
pub(crate) fn contrast(grey: &GrayImage, scale: Scale) -> Contrast {
    let (width, height) = grey.dimensions();
    let small = imageops::thumbnail(grey, (width / COARSE).max(4), (height / COARSE).max(4));
    let radius = (small.width().min(small.height()) as f32 * scale.window).clamp(3.0, 40.0) as u32;
    let paper = median_filter(&small, radius, radius);
    let around = Mask::square(1);
    let large =
        |of: &GrayImage| imageops::resize(of, width, height, imageops::FilterType::Triangle);
    let dark = large(&grayscale_erode(&paper, &around));
    let light = large(&grayscale_dilate(&paper, &around));
    let paper = large(&paper);
    let smooth = smoothed(grey);
    let relative = |value: u8, paper: u8| {
        let paper = f32::from(paper);
        (paper - f32::from(value)) / paper.max(20.0)
    };
    let some = smooth.iter().zip(paper.iter()).step_by(7);
    let noise =
        median(some.map(|(&value, &paper)| relative(value, paper).abs()).collect()) * 1.4826;
    let values = smooth.iter().zip(dark.iter().zip(light.iter()));
    let values = values.map(|(&value, (&dark, &light))| match value {
        value if value < dark => relative(value, dark),
        value if value > light => relative(value, light),
        _ => 0.0,
    });
    Contrast { values: values.collect(), noise }
}

/// Each pixel with a half of its neighbours: takes the grain of a photograph.
fn smoothed(grey: &GrayImage) -> GrayImage {
    let (width, height) = (grey.width() as usize, grey.height() as usize);
    let row = |values: &[u8], out: &mut [u16]| {
        for (x, out) in out.iter_mut().enumerate() {
            let at = |x: usize| u16::from(values[x]);
            *out = at(x.saturating_sub(1)) + 2 * at(x) + at((x + 1).min(values.len() - 1));
        }
    };
    let mut rows = vec![0u16; width * height];
    for (values, out) in grey.as_raw().chunks(width).zip(rows.chunks_mut(width)) {
        row(values, out);
    }
    let at = |y: usize, x: usize| rows[y * width + x];
    GrayImage::from_fn(width as u32, height as u32, |x, y| {
        let (x, y) = (x as usize, y as usize);
        let sum = at(y.saturating_sub(1), x) + 2 * at(y, x) + at((y + 1).min(height - 1), x);
        Luma([((sum + 8) / 16) as u8])
    })
}

/// The ink that is darker (`sign` 1) or lighter (-1) than its paper: each connected piece is as strong
/// as any other, so that pale writing counts beside black.
fn ink_of(contrast: &Contrast, size: (u32, u32), sign: f32) -> Ink {
    let least = FAINTEST.max(STANDS_OUT * contrast.noise).min(0.3);
    let contrast = &contrast.values;
    let faint = GrayImage::from_raw(
        size.0,
        size.1,
        contrast.iter().map(|value| if sign * value > least { 255 } else { 0 }).collect(),
    )
    .expect("a value a pixel");
    let labels = labels_of(&faint, 127);
    // Of each piece, how many pixels are how strong.
    let pieces = labels.iter().copied().max().unwrap_or(0) as usize + 1;
    let mut counts = vec![[0u32; 32]; pieces];
    let bin = |value: f32| ((sign * value).clamp(0.0, 0.999) * 32.0) as usize;
    for (label, value) in labels.iter().zip(contrast) {
        if *label > 0 {
            counts[*label as usize][bin(*value)] += 1;
        }
    }
    let strongest: Vec<f32> = counts
        .iter()
        .map(|counts| {
            let all: u32 = counts.iter().sum();
            let mut left = all / 8;
            let at = (0..32).rev().find(|&bin| {
                let enough = counts[bin] > left;
                left = left.saturating_sub(counts[bin]);
                enough
            });
            (at.unwrap_or(0) as f32 + 0.5) / 32.0
        })
        .collect();
    let byte = |(label, value): (&u32, &f32)| match *label as usize {
        0 => 0,
        label => (sign * value / strongest[label] * 220.0).clamp(0.0, 255.0) as u8,
    };
    let bytes = labels.iter().zip(contrast).map(byte).collect();
    let map = GrayImage::from_raw(size.0, size.1, bytes).expect("a value a pixel");
    Ink { map, level: 110 }
}

impl Page {
    /// A page whose ink is darker (`sign` 1) or lighter (-1) than its paper.
    pub fn new(contrast: &Contrast, size: (u32, u32), sign: f32, scale: Scale) -> Self {
        Self::of_ink(ink_of(contrast, size, sign), scale)
    }

    fn of_ink(mut ink: Ink, scale: Scale) -> Self {
        let mut labels = labels_of(&ink.map, ink.level);
        let blobs = blobs_of(&labels);
        let size = ink.map.dimensions();
        let kept = characters_among(&blobs, size, scale);
        // What is no writing is wiped out, so that no window shows it.
        let mut wiped = vec![false; blobs.len()];
        for (at, blob) in blobs.iter().enumerate() {
            let large = blob.height().max(blob.width()) > LEAST_HEIGHT;
            wiped[at] = !kept[at] && large && !is_mark(blob);
        }
        for (label, value) in labels.iter_mut().zip(ink.map.iter_mut()) {
            if *label > 0 && wiped[*label as usize - 1] {
                (*label, *value) = (0, 0);
            }
        }
        let lines = lines(&blobs, &kept);
        Self { ink, labels, blobs, lines, scale }
    }

    /// The page turned by a quarter to the right.
    pub fn turned(&self) -> Self {
        let map = imageops::rotate90(&self.ink.map);
        Self::of_ink(Ink { map, level: self.ink.level }, self.scale)
    }

    /// The ink of large characters and of all pieces, in pixels: those of a line alone are most of it.
    pub fn areas(&self, least_height: f32) -> (f32, f32) {
        let kept = characters_among(&self.blobs, self.ink.map.dimensions(), self.scale);
        let large = self
            .blobs
            .iter()
            .zip(&kept)
            .filter(|(blob, kept)| **kept && blob.height() >= least_height);
        let all = self.blobs.iter().map(|blob| blob.area as f32);
        (large.map(|(blob, _)| blob.area as f32).sum(), all.sum())
    }

    /// How many times as wide as high the part with characters is.
    pub fn wide(&self) -> f32 {
        let all = || self.lines.iter().flat_map(|line| &line.characters);
        let low = |of: fn(&Character) -> f32| all().map(of).fold(f32::INFINITY, f32::min);
        let high = |of: fn(&Character) -> f32| all().map(of).fold(0.0, f32::max);
        let wide = (high(|one| one.right) - low(|one| one.left)).max(1.0);
        wide / (high(|one| one.bottom) - low(|one| one.top)).max(1.0)
    }

    /// Of the pieces of ink, the share whose nearest neighbour of the same size stands beside it, not
    /// above or below; and how many there are.
    pub fn across(&self) -> (f32, usize) {
        let kept = characters_among(&self.blobs, self.ink.map.dimensions(), self.scale);
        let some: Vec<&Blob> =
            self.blobs.iter().zip(&kept).filter(|(_, k)| **k).map(|(b, _)| b).collect();
        let mut some = some;
        some.sort_by_key(|blob| std::cmp::Reverse(blob.area));
        some.truncate(400);
        let size = |blob: &Blob| blob.height().max(blob.width());
        let (mut beside, mut all) = (0.0f32, 0usize);
        for (at, one) in some.iter().enumerate() {
            let near = some.iter().enumerate().filter(|(other, blob)| {
                *other != at && (0.45..2.2).contains(&(size(blob) / size(one)))
            });
            let gaps = near.map(|(_, other)| {
                let dx = (other.left as f32 - one.right as f32)
                    .max(one.left as f32 - other.right as f32);
                let dy = (other.top as f32 - one.bottom as f32)
                    .max(one.top as f32 - other.bottom as f32);
                (dx.max(0.0).hypot(dy.max(0.0)), dx > dy)
            });
            let nearest = gaps.min_by(|a, b| a.0.total_cmp(&b.0));
            if let Some((_, is_beside)) = nearest.filter(|(gap, _)| *gap < 1.5 * size(one)) {
                all += 1;
                beside += f32::from(u8::from(is_beside));
            }
        }
        (if all > 0 { beside / all as f32 } else { 0.5 }, all)
    }

    /// What a classifier sees of a place in a word: 28x28 pixels, the word 20 rows high; on its head
    /// where `turned` says so.
    pub fn window(&self, middle: f32, word: (f32, f32), slope: f32) -> Image {
        let zoom = (word.1 - word.0).max(4.0) / DIGIT as f32;
        let mut window = Image::black(ROWS, ROWS, 1);
        let map = &self.ink.map;
        let (width, height) = (map.width() as f32, map.height() as f32);
        // Small strokes of a large word are averaged, not skipped.
        let steps = (zoom.ceil() as usize).clamp(1, 4);
        for (place, pixel) in window.pixels.iter_mut().enumerate() {
            let mut sum = 0.0;
            for dy in 0..steps {
                for dx in 0..steps {
                    let within = |d: usize| (d as f32 + 0.5) / steps as f32;
                    let column = (place % ROWS) as f32 + within(dx) - ROWS as f32 / 2.0;
                    let row = (place / ROWS) as f32 + within(dy) - (ROWS - DIGIT) as f32 / 2.0;
                    let x = middle + column * zoom - 0.5;
                    let y = word.0 + row * zoom + slope * column * zoom - 0.5;
                    if x < 0.0 || y < 0.0 || x >= width - 1.0 || y >= height - 1.0 {
                        continue;
                    }
                    let (x0, y0) = (x as u32, y as u32);
                    let (fx, fy) = (x.fract(), y.fract());
                    let at = |x: u32, y: u32| f32::from(map.get_pixel(x, y).0[0]);
                    sum += (at(x0, y0) * (1.0 - fx) + at(x0 + 1, y0) * fx) * (1.0 - fy)
                        + (at(x0, y0 + 1) * (1.0 - fx) + at(x0 + 1, y0 + 1) * fx) * fy;
                }
            }
            let mean = sum / (steps * steps) as f32;
            *pixel = (mean / 220.0 * 255.0).min(255.0) as u8;
        }
        window
    }

    /// The ink of some characters alone, and of small marks that touch them.
    pub fn cut(&self, characters: &[Character]) -> Line {
        let mut kept = vec![false; self.blobs.len()];
        characters.iter().flat_map(|one| &one.blobs).for_each(|&blob| kept[blob] = true);
        let mut heights: Vec<f32> = characters.iter().map(Character::height).collect();
        heights.sort_by(f32::total_cmp);
        let digit_height = heights.get(heights.len() / 2).copied().unwrap_or(1.0);
        let line = cut_out(&self.ink.map, &self.labels, &self.blobs, &kept);
        Line { level: self.ink.level, digit_height, ..line }
    }

    /// The mark between two characters, if one lies there alone.
    pub fn mark_between(&self, left: &Character, right: &Character) -> Option<char> {
        let high = left.height().max(right.height());
        let (top, bottom) = (left.top.min(right.top), left.bottom.max(right.bottom));
        let fits = |blob: &&Blob| {
            let (a, b) = (blob.left as f32, blob.right as f32 + 1.0);
            let middle = blob.middle();
            let inside = a >= left.right - 1.0 && b <= right.left + 1.0;
            inside && middle > top && middle < bottom + 0.2 * high && blob.height() < 0.4 * high
        };
        let blob = self.blobs.iter().filter(fits).max_by_key(|blob| blob.area)?;
        let low = blob.middle() > bottom - 0.25 * high;
        match () {
            () if (blob.area as f32) < 0.006 * high * high => None,
            () if low => Some('.'),
            () if blob.width() > 1.3 * blob.height() => Some('-'),
            () => None,
        }
    }
}

/// A hyphen or a full stop.
fn is_mark(blob: &Blob) -> bool {
    blob.height() < 14.0 && blob.width() < 40.0
}

/// Which pieces may be characters: neither too small nor too large, no frames, no solid blocks, no
/// bars of a code.
fn characters_among(blobs: &[Blob], (width, height): (u32, u32), scale: Scale) -> Vec<bool> {
    let side = width.min(height) as f32;
    let mut kept: Vec<bool> = blobs
        .iter()
        .map(|blob| {
            let (wide, high) = (blob.width(), blob.height());
            let large = wide.max(high);
            let small = wide.min(high);
            let solid = blob.fills() > 0.85 && small > 0.5 * large && large > 0.05 * side;
            let at_edge = blob.left == 0
                || blob.top == 0
                || blob.right + 1 >= width
                || blob.bottom + 1 >= height;
            large >= LEAST_HEIGHT
                && blob.area >= 9
                && high < scale.height * side
                && wide < 0.6 * width as f32
                && large < 14.0 * small
                && blob.fills() > 0.09
                && !solid
                && !(at_edge && large > scale.height / 3.0 * side)
        })
        .collect();
    // A frame holds others. No line is shorter than a third of the lowest frame.
    let mut inner: Vec<&Blob> = blobs.iter().filter(|blob| blob.height() > 0.3 * 14.0).collect();
    inner.sort_by_key(|blob| blob.left);
    for outer in 0..blobs.len() {
        let frame = &blobs[outer];
        if !kept[outer] || frame.fills() > 0.4 || frame.height() < 14.0 {
            continue;
        }
        let holds = |inner: &Blob| {
            frame.left < inner.left
                && inner.right < frame.right
                && frame.top < inner.top
                && inner.bottom < frame.bottom
                && inner.height() > 0.3 * frame.height()
        };
        let first = inner.partition_point(|blob| blob.left <= frame.left);
        let mut beside = inner[first..].iter().take_while(|blob| blob.left < frame.right);
        kept[outer] = !beside.any(|blob| holds(blob));
    }
    bars(blobs, &mut kept);
    kept
}

/// Bars of a code are no characters: full, thin and in long rows, either way.
fn bars(blobs: &[Blob], kept: &mut [bool]) {
    for upright in [true, false] {
        let along =
            |blob: &Blob| if upright { (blob.left, blob.right) } else { (blob.top, blob.bottom) };
        let across = |blob: &Blob| {
            if upright { blob.middle() } else { (blob.left + blob.right) as f32 / 2.0 }
        };
        let long = |blob: &Blob| if upright { blob.height() } else { blob.width() };
        let thin = |blob: &Blob| if upright { blob.width() } else { blob.height() };
        let is_bar = |blob: &Blob| blob.fills() > 0.8 && long(blob) > 2.2 * thin(blob);
        let mut some: Vec<usize> =
            (0..blobs.len()).filter(|&at| kept[at] && is_bar(&blobs[at])).collect();
        some.sort_by_key(|&at| along(&blobs[at]).0);
        let mut used = vec![false; some.len()];
        for first in 0..some.len() {
            if used[first] {
                continue;
            }
            let mut row = vec![first];
            for next in first + 1..some.len() {
                let (last, blob) = (&blobs[some[row[row.len() - 1]]], &blobs[some[next]]);
                let gap = along(blob).0 as f32 - along(last).1 as f32;
                if gap > 1.2 * long(last) {
                    break;
                }
                let level = (across(blob) - across(last)).abs() < 0.5 * long(last);
                if !used[next] && level && (0.3..3.3).contains(&(long(blob) / long(last))) {
                    row.push(next);
                }
            }
            // Other characters between them make it writing.
            if row.len() >= LEAST_BARS {
                let ends =
                    (along(&blobs[some[first]]).0, along(&blobs[some[row[row.len() - 1]]]).1);
                let level = across(&blobs[some[first]]);
                let high = long(&blobs[some[first]]);
                let among = (0..blobs.len()).filter(|&at| {
                    let (blob, (from, to)) = (&blobs[at], along(&blobs[at]));
                    kept[at]
                        && !is_bar(blob)
                        && from >= ends.0
                        && to <= ends.1
                        && (across(blob) - level).abs() < 0.5 * high
                        && long(blob) > 0.4 * high
                });
                if 3 * among.count() < row.len() {
                    row.into_iter().for_each(|one| {
                        used[one] = true;
                        kept[some[one]] = false;
                    });
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edge_from_one_paper_to_another_is_no_ink() {
        let stroke = |x: u32, y: u32| (196..204).contains(&x) && (120..160).contains(&y);
        let grey = GrayImage::from_fn(400, 300, |x, y| match () {
            () if stroke(x, y) => Luma([230]),
            () if x + y / 3 < 250 => Luma([90]),
            () => Luma([120]),
        });
        let contrast = contrast(&grey, WRITING);
        for (at, value) in contrast.values.iter().enumerate() {
            let (x, y) = (at as u32 % 400, at as u32 / 400);
            let near = (192..208).contains(&x) && (116..164).contains(&y);
            assert!(near || value.abs() < FAINTEST, "{x} {y}: {value}");
            let inside = (198..202).contains(&x) && (122..158).contains(&y);
            assert!(!inside || *value < -0.5, "{x} {y}: {value}");
        }
    }
}

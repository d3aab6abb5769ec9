//! Finding lines: connected pieces of ink of one height that stand side by side.

use image::{GrayImage, Luma};
use imageproc::contrast::{ThresholdType, threshold};
use imageproc::region_labelling::{Connectivity, connected_components};

use crate::error::{ReadError, Result};
use crate::ink::Ink;

/// A connected piece of ink.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Blob {
    pub left: u32,
    pub right: u32,
    pub top: u32,
    pub bottom: u32,
    pub area: u32,
}

impl Blob {
    pub fn height(&self) -> f32 {
        (self.bottom + 1 - self.top) as f32
    }

    pub fn width(&self) -> f32 {
        (self.right + 1 - self.left) as f32
    }

    pub fn middle(&self) -> f32 {
        (self.top + self.bottom) as f32 / 2.0
    }

    /// Share of its box that is ink.
    pub fn fills(&self) -> f32 {
        self.area as f32 / (self.width() * self.height())
    }
}

/// A picture of which connected piece each pixel is of.
pub(crate) type Labels = image::ImageBuffer<Luma<u32>, Vec<u32>>;

/// How far around a blob faint ink is its own, in pixels.
const REACH: u32 = 2;

/// The ink of one line and nothing else: a part of a picture.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub map: GrayImage,
    /// Where the part begins in the picture.
    pub left: u32,
    pub top: u32,
    pub level: u8,
    /// About how high a digit is, in pixels.
    pub digit_height: f32,
}

impl Line {
    /// Left, top, right and lower end in the picture.
    pub fn sides(&self) -> [u32; 4] {
        [self.left, self.top, self.left + self.map.width(), self.top + self.map.height()]
    }
}

/// Lines with less ink than this, relative to the one with the most, are specks.
const LEAST_INK: f32 = 0.15;

/// A component that fills less of its box and holds another is a frame.
const FRAME_FILLS: f32 = 0.35;

/// Finds the lines, the one with the most ink first, each without everything else.
///
/// # Errors
/// Nothing in the picture has the shape of a line; something long crosses the first.
pub(crate) fn find_lines(ink: &Ink) -> Result<Vec<Line>> {
    let nothing = ReadError::NoLine("no pieces of ink stand side by side as digits do");
    let labels = labels_of(&ink.map, ink.level);
    let blobs = blobs_of(&labels);
    let (width, height) = ink.map.dimensions();
    let is_digit_like = |blob: &Blob| {
        let at_border =
            blob.left == 0 || blob.top == 0 || blob.right + 1 == width || blob.bottom + 1 == height;
        // Frames, rules and shadows reach the border or are long and thin.
        let frame = at_border
            && (blob.width() > 0.6 * width as f32 || blob.height() > 0.95 * height as f32);
        let rule = blob.width() > 12.0 * blob.height() || blob.height() > 12.0 * blob.width();
        blob.area >= 8 && blob.height() >= 5.0 && !frame && !rule && blob.fills() > 0.05
    };
    let mut digit_like: Vec<bool> = blobs.iter().map(is_digit_like).collect();
    let frames = frames(&blobs, &digit_like);
    frames.iter().for_each(|&frame| digit_like[frame] = false);
    let all: Vec<usize> = (0..blobs.len()).filter(|&blob| digit_like[blob]).collect();
    let digit_height = usual_height(&blobs, &all).ok_or(nothing.clone())?;
    let members: Vec<usize> = (all.into_iter())
        .filter(|&blob| (0.4..3.0).contains(&(blobs[blob].height() / digit_height)))
        .collect();
    let groups = groups(&blobs, &members, digit_height);
    let ink_of = |group: &[usize]| -> f32 { group.iter().map(|&b| blobs[b].area as f32).sum() };
    let most = groups.first().map_or(0.0, |group| ink_of(group));
    let mut lines = Vec::new();
    for group in groups.iter().filter(|group| ink_of(group) >= LEAST_INK * most) {
        let mut kept = with_neighbours(&blobs, group, digit_height);
        frames.iter().for_each(|&frame| kept[frame] = false);
        let of_line: Vec<usize> = (0..blobs.len()).filter(|&blob| kept[blob]).collect();
        let line = Line {
            level: ink.level,
            digit_height: usual_height(&blobs, &of_line).unwrap_or(digit_height),
            ..cut_out(&ink.map, &labels, &blobs, &kept)
        };
        lines.push(line);
    }
    let [left, top, right, bottom] = lines.first().ok_or(nothing)?.sides();
    let crosses = |(index, blob): (usize, &Blob)| {
        let within = blob.left > left + REACH && blob.right + REACH + 1 < right;
        let over = blob.top <= top + REACH && blob.bottom + REACH + 1 >= bottom;
        let long = blob.height() > 1.5 * digit_height;
        within && over && long && !digit_like[index] && !frames.contains(&index)
    };
    match blobs.iter().enumerate().any(crosses) {
        true => Err(ReadError::NoLine(
            "something long, such as the edge of a shadow, crosses the line; crop or retake the \
             picture",
        )),
        false => Ok(lines),
    }
}

/// The connected pieces of ink of a map, numbered from 1; 0 is paper.
pub(crate) fn labels_of(map: &GrayImage, level: u8) -> Labels {
    let binary = threshold(map, level, ThresholdType::Binary);
    connected_components(&binary, Connectivity::Eight, Luma([0]))
}

/// Components that stand around others, as a frame around digits or a box around each.
fn frames(blobs: &[Blob], digit_like: &[bool]) -> Vec<usize> {
    let all = || (0..blobs.len()).filter(|&blob| digit_like[blob]);
    let holds = |outer: &Blob, inner: &Blob| {
        let inside = outer.left < inner.left
            && inner.right < outer.right
            && outer.top < inner.top
            && inner.bottom < outer.bottom;
        inside && inner.height() > 0.4 * outer.height()
    };
    all()
        .filter(|&outer| blobs[outer].fills() < FRAME_FILLS)
        .filter(|&outer| all().any(|inner| holds(&blobs[outer], &blobs[inner])))
        .collect()
}

/// The blobs of a picture of labels, in the labels' order.
pub(crate) fn blobs_of(labels: &Labels) -> Vec<Blob> {
    let mut blobs: Vec<Blob> = Vec::new();
    for (x, y, label) in labels.enumerate_pixels() {
        let Some(index) = (label.0[0] as usize).checked_sub(1) else { continue };
        if index >= blobs.len() {
            let none = Blob { left: u32::MAX, right: 0, top: u32::MAX, bottom: 0, area: 0 };
            blobs.resize(index + 1, none);
        }
        let blob = &mut blobs[index];
        blob.left = blob.left.min(x);
        blob.right = blob.right.max(x);
        blob.top = blob.top.min(y);
        blob.bottom = blob.bottom.max(y);
        blob.area += 1;
    }
    blobs
}

/// The height of half of the ink of some blobs.
fn usual_height(blobs: &[Blob], some: &[usize]) -> Option<f32> {
    let mut heights: Vec<(f32, u32)> =
        some.iter().map(|&blob| (blobs[blob].height(), blobs[blob].area)).collect();
    heights.sort_by(|one, other| one.0.total_cmp(&other.0));
    let all: u64 = heights.iter().map(|(_, area)| u64::from(*area)).sum();
    let mut sum = 0;
    heights
        .iter()
        .find(|(_, area)| {
            sum += u64::from(*area);
            2 * sum >= all
        })
        .map(|(height, _)| *height)
}

/// The blobs that chain into a line, for each line; the one with the most ink first.
fn groups(blobs: &[Blob], members: &[usize], digit_height: f32) -> Vec<Vec<usize>> {
    let mut sorted = members.to_vec();
    sorted.sort_by_key(|&blob| (blobs[blob].left, blob));
    let mut group_of: Vec<usize> = (0..sorted.len()).collect();
    fn root(group_of: &mut [usize], mut one: usize) -> usize {
        while group_of[one] != one {
            group_of[one] = group_of[group_of[one]];
            one = group_of[one];
        }
        one
    }
    for one in 0..sorted.len() {
        for other in one + 1..sorted.len() {
            let (left, right) = (&blobs[sorted[one]], &blobs[sorted[other]]);
            let gap = right.left as f32 - left.right as f32;
            if gap > 2.5 * digit_height {
                // The blobs come by their left edges; a wide one may still reach another.
                if right.left as f32 - left.left as f32 > 2.5 * digit_height + left.width() {
                    break;
                }
                continue;
            }
            let apart = (left.middle() - right.middle()).abs();
            // A wide blob's middle is that of several digits of a line that may fall.
            let slack = 0.12 * (left.width() + right.width()) / 2.0;
            if apart < 0.55 * digit_height + slack {
                let (a, b) = (root(&mut group_of, one), root(&mut group_of, other));
                group_of[a.max(b)] = a.min(b);
            }
        }
    }
    let mut groups = vec![(0u64, Vec::new()); sorted.len()];
    for (one, &blob) in sorted.iter().enumerate() {
        let (area, group) = &mut groups[root(&mut group_of, one)];
        *area += u64::from(blobs[blob].area);
        group.push(blob);
    }
    groups.retain(|(_, group)| !group.is_empty());
    // Of two alike the one further left.
    groups.sort_by_key(|(area, _)| std::cmp::Reverse(*area));
    groups.into_iter().map(|(_, group)| group).collect()
}

/// The group, and what is too small for a digit of its own but lies among them: the bar of a 5, a
/// stroke that broke.
fn with_neighbours(blobs: &[Blob], group: &[usize], digit_height: f32) -> Vec<bool> {
    let mut kept = vec![false; blobs.len()];
    for &blob in group {
        kept[blob] = true;
    }
    let least = 0.008 * digit_height * digit_height;
    for (index, small) in blobs.iter().enumerate() {
        if kept[index] || (small.area as f32) < least || small.height() > 1.5 * digit_height {
            continue;
        }
        if small.width() > 1.5 * digit_height {
            continue;
        }
        kept[index] = group.iter().any(|&member| {
            let one = &blobs[member];
            let near = 0.25 * digit_height;
            let beside = small.left as f32 <= one.right as f32 + near
                && one.left as f32 <= small.right as f32 + near;
            let level = small.top as f32 + 0.25 * small.height() >= one.top as f32 - near
                && small.bottom as f32 - 0.25 * small.height() <= one.bottom as f32 + near;
            beside && level
        });
    }
    kept
}

/// The part of a picture with the blobs that are kept, without the ink of others; a little around a
/// blob is its own.
pub(crate) fn cut_out(map: &GrayImage, labels: &Labels, blobs: &[Blob], kept: &[bool]) -> Line {
    let (width, height) = map.dimensions();
    let of_line = || blobs.iter().zip(kept).filter(|(_, kept)| **kept).map(|(blob, _)| blob);
    let low = |side: fn(&Blob) -> u32| of_line().map(side).min().unwrap_or(0).saturating_sub(REACH);
    let high = |side: fn(&Blob) -> u32| of_line().map(side).max().unwrap_or(0) + REACH + 1;
    let (left, top) = (low(|blob| blob.left), low(|blob| blob.top));
    let right = high(|blob| blob.right).min(width);
    let bottom = high(|blob| blob.bottom).min(height);
    let reach = i64::from(REACH);
    let part = GrayImage::from_fn(right - left, bottom - top, |x, y| {
        let (x, y) = (x + left, y + top);
        let label = labels.get_pixel(x, y).0[0] as usize;
        let is_kept = |label: usize| kept[label - 1];
        if label > 0 {
            return if is_kept(label) { *map.get_pixel(x, y) } else { Luma([0]) };
        }
        // Faint ink counts beside a stroke that is kept.
        for dy in -reach..=reach {
            for dx in -reach..=reach {
                let (near_x, near_y) = (i64::from(x) + dx, i64::from(y) + dy);
                if !(0..i64::from(width)).contains(&near_x)
                    || !(0..i64::from(height)).contains(&near_y)
                {
                    continue;
                }
                let label = labels.get_pixel(near_x as u32, near_y as u32).0[0] as usize;
                if label > 0 && is_kept(label) {
                    return *map.get_pixel(x, y);
                }
            }
        }
        Luma([0])
    });
    Line { map: part, left, top, level: 0, digit_height: 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bars at (left, top, width, height).
    fn page(bars: &[[u32; 4]]) -> Ink {
        let map = GrayImage::from_fn(300, 200, |x, y| {
            let inside = |bar: &[u32; 4]| {
                (bar[0]..bar[0] + bar[2]).contains(&x) && (bar[1]..bar[1] + bar[3]).contains(&y)
            };
            Luma([if bars.iter().any(inside) { 220 } else { 0 }])
        });
        Ink { map, level: 110 }
    }

    /// A frame 2 pixels wide at (left, top, width, height), as bars.
    fn frame([left, top, width, height]: [u32; 4]) -> [[u32; 4]; 4] {
        let (right, bottom) = (left + width - 2, top + height - 2);
        [
            [left, top, width, 2],
            [left, bottom, width, 2],
            [left, top, 2, height],
            [right, top, 2, height],
        ]
    }

    /// Whether a line is what these bars show.
    fn shows(line: &Line, bars: &[[u32; 4]]) -> bool {
        let map = page(bars).map;
        let part = GrayImage::from_fn(300, 200, |x, y| {
            let inside = x >= line.left && y >= line.top;
            let pixel = inside.then(|| line.map.get_pixel_checked(x - line.left, y - line.top));
            pixel.flatten().copied().unwrap_or(Luma([0]))
        });
        part == map
    }

    const LINE: [[u32; 4]; 3] = [[40, 100, 12, 28], [70, 102, 12, 28], [100, 104, 12, 28]];

    #[test]
    fn lines_come_by_their_ink_and_all_else_is_wiped_out() {
        let other = [[40, 20, 8, 14], [60, 20, 8, 14]];
        let rule = [[10, 150, 280, 3]];
        let speck = [[200, 110, 2, 2]];
        let all: Vec<[u32; 4]> = [&LINE[..], &other, &rule, &speck].concat();
        let found = find_lines(&page(&all)).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].digit_height, found[1].digit_height), (28.0, 14.0));
        assert!(shows(&found[0], &LINE) && shows(&found[1], &other));
        assert_eq!(found[0].sides(), [38, 98, 114, 134]);
    }

    #[test]
    fn groups_far_apart_are_lines_of_their_own() {
        let far = [[200, 100, 12, 28], [225, 100, 12, 28]];
        let found = find_lines(&page(&[&LINE[..], &far].concat())).unwrap();
        assert!(found.len() == 2 && shows(&found[0], &LINE) && shows(&found[1], &far));
    }

    #[test]
    fn a_frame_around_the_line_or_a_box_around_each_digit_is_no_digit() {
        for boxes in [vec![[30, 90, 100, 60]], LINE.map(|[x, y, ..]| [x - 6, y - 6, 24, 40]).into()]
        {
            let mut all = LINE.to_vec();
            boxes.into_iter().for_each(|one| all.extend(frame(one)));
            let found = find_lines(&page(&all)).unwrap();
            assert!(found.len() == 1 && shows(&found[0], &LINE), "{all:?}");
        }
    }

    #[test]
    fn a_line_that_something_long_crosses_is_refused() {
        let edge = [[88, 0, 4, 200]];
        let error = find_lines(&page(&[&LINE[..], &edge].concat())).map(|_| ()).unwrap_err();
        assert!(error.to_string().contains("the edge of a shadow, crosses the line"), "{error}");
        // Beside the line it does no harm.
        let edge = [[150, 0, 4, 200]];
        assert!(find_lines(&page(&[&LINE[..], &edge].concat())).is_ok());
    }

    #[test]
    fn the_bar_of_a_five_stays_with_it() {
        let digit = [[40, 100, 12, 28], [56, 98, 10, 4], [80, 100, 12, 28]];
        assert!(shows(&find_lines(&page(&digit)).unwrap()[0], &digit));
    }

    #[test]
    fn specks_alone_are_no_line() {
        assert!(find_lines(&page(&[[5, 5, 2, 2], [50, 90, 3, 2]])).is_err());
        assert!(find_lines(&page(&[])).is_err());
    }
}

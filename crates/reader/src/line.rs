//! Finding the line: connected pieces of ink of one height that stand side by side.

use image::{GrayImage, Luma};
use imageproc::contrast::{ThresholdType, threshold};
use imageproc::region_labelling::{Connectivity, connected_components};

use crate::error::{ReadError, Result};
use crate::ink::Ink;

/// A connected piece of ink.
#[derive(Debug, Clone, Copy)]
struct Blob {
    left: u32,
    right: u32,
    top: u32,
    bottom: u32,
    area: u32,
}

impl Blob {
    fn height(&self) -> f32 {
        (self.bottom + 1 - self.top) as f32
    }

    fn width(&self) -> f32 {
        (self.right + 1 - self.left) as f32
    }

    fn middle(&self) -> f32 {
        (self.top + self.bottom) as f32 / 2.0
    }
}

/// The ink of one line and nothing else.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub map: GrayImage,
    pub level: u8,
    /// About how high a digit is, in pixels.
    pub digit_height: f32,
}

/// Finds the line with the most ink in it and wipes out everything else.
///
/// # Errors
/// Nothing in the picture has the shape of a line.
pub(crate) fn find_line(ink: &Ink) -> Result<Line> {
    let nothing = ReadError::NoLine("no pieces of ink stand side by side as digits do");
    let binary = threshold(&ink.map, ink.level, ThresholdType::Binary);
    let labels = connected_components(&binary, Connectivity::Eight, Luma([0]));
    let blobs = blobs_of(&labels);
    let (width, height) = ink.map.dimensions();
    let is_digit_like = |blob: &Blob| {
        let at_border =
            blob.left == 0 || blob.top == 0 || blob.right + 1 == width || blob.bottom + 1 == height;
        let fills = blob.area as f32 / (blob.width() * blob.height());
        // Frames, rules and shadows reach the border or are long and thin.
        let frame = at_border
            && (blob.width() > 0.6 * width as f32 || blob.height() > 0.95 * height as f32);
        let rule = blob.width() > 12.0 * blob.height() || blob.height() > 12.0 * blob.width();
        blob.area >= 8 && blob.height() >= 5.0 && !frame && !rule && fills > 0.05
    };
    let digit_height = usual_height(&blobs, is_digit_like).ok_or(nothing.clone())?;
    let members: Vec<usize> = (0..blobs.len())
        .filter(|&blob| {
            let high = blobs[blob].height() / digit_height;
            is_digit_like(&blobs[blob]) && (0.4..3.0).contains(&high)
        })
        .collect();
    let group = best_group(&blobs, &members, digit_height).ok_or(nothing)?;
    let kept = with_neighbours(&blobs, &group, digit_height);
    let digit_height = usual_height(&blobs, |blob| {
        kept.iter().zip(&blobs).any(|(kept, one)| *kept && std::ptr::eq(one, blob))
    })
    .unwrap_or(digit_height);
    Ok(Line { map: wipe(&ink.map, &labels, &kept), level: ink.level, digit_height })
}

/// The blobs of a picture of labels, in the labels' order.
fn blobs_of(labels: &image::ImageBuffer<Luma<u32>, Vec<u32>>) -> Vec<Blob> {
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

/// The height of half of the ink: of blobs by their area.
fn usual_height(blobs: &[Blob], counts: impl Fn(&Blob) -> bool) -> Option<f32> {
    let mut heights: Vec<(f32, u32)> =
        blobs.iter().filter(|blob| counts(blob)).map(|b| (b.height(), b.area)).collect();
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

/// The blobs that chain into the line with the most ink.
fn best_group(blobs: &[Blob], members: &[usize], digit_height: f32) -> Option<Vec<usize>> {
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
    let mut areas = vec![0u64; sorted.len()];
    for one in 0..sorted.len() {
        let group = root(&mut group_of, one);
        areas[group] += u64::from(blobs[sorted[one]].area);
    }
    let best = (0..areas.len()).max_by_key(|&group| (areas[group], usize::MAX - group))?;
    let members = (0..sorted.len()).filter(|&one| root(&mut group_of, one) == best);
    Some(members.map(|one| sorted[one]).collect())
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

/// The ink without that of blobs which are not kept; a little around a blob is its own.
fn wipe(
    map: &GrayImage,
    labels: &image::ImageBuffer<Luma<u32>, Vec<u32>>,
    kept: &[bool],
) -> GrayImage {
    let (width, height) = map.dimensions();
    let reach = 2i64;
    GrayImage::from_fn(width, height, |x, y| {
        let label = labels.get_pixel(x, y).0[0] as usize;
        let is_kept = |label: usize| kept[label - 1];
        if label > 0 {
            return if is_kept(label) { *map.get_pixel(x, y) } else { Luma([0]) };
        }
        // Faint ink counts beside a stroke that is kept.
        for dy in -reach..=reach {
            for dx in -reach..=reach {
                let (x, y) = (i64::from(x) + dx, i64::from(y) + dy);
                if x < 0 || y < 0 || x >= i64::from(width) || y >= i64::from(height) {
                    continue;
                }
                let label = labels.get_pixel(x as u32, y as u32).0[0] as usize;
                if label > 0 && is_kept(label) {
                    return *map.get_pixel((x - dx) as u32, (y - dy) as u32);
                }
            }
        }
        Luma([0])
    })
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

    #[test]
    fn the_line_with_the_most_ink_is_kept_and_all_else_wiped_out() {
        let line = [[40, 100, 12, 28], [70, 102, 12, 28], [100, 104, 12, 28]];
        let other = [[40, 20, 8, 14], [60, 20, 8, 14]];
        let rule = [[10, 150, 280, 3]];
        let speck = [[200, 110, 2, 2]];
        let all: Vec<[u32; 4]> = [&line[..], &other, &rule, &speck].concat();
        let found = find_line(&page(&all)).unwrap();
        assert_eq!(found.digit_height, 28.0);
        assert_eq!(found.map, page(&line).map);
    }

    #[test]
    fn the_bar_of_a_five_stays_with_it() {
        let digit = [[40, 100, 12, 28], [56, 98, 10, 4], [80, 100, 12, 28]];
        assert_eq!(find_line(&page(&digit)).unwrap().map, page(&digit).map);
    }

    #[test]
    fn specks_alone_are_no_line() {
        assert!(find_line(&page(&[[5, 5, 2, 2], [50, 90, 3, 2]])).is_err());
        assert!(find_line(&page(&[])).is_err());
    }
}

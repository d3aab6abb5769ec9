//! Parts of a line between wide gaps: the postcode before a city's name.

use crate::line::{Line, blobs_of, cut_out, labels_of};

/// How wide a gap is at least between words, in digit heights and in usual gaps. A digit and its
/// neighbour may be so far apart, too: a part is looked for where the whole line does not fit.
const GAP: f32 = 0.25;
const USUAL: u32 = 2;

/// What is lower, in digit heights, joins no words: a hyphen, a full stop.
const LOW: f32 = 0.4;

/// The most gaps that are looked at, the widest.
const MOST_GAPS: usize = 8;

/// All parts of a line from one wide gap to another, but for the whole line.
pub(crate) fn parts(line: &Line) -> Vec<Line> {
    let labels = labels_of(&line.map, line.level);
    let blobs = blobs_of(&labels);
    let mut high: Vec<_> =
        blobs.iter().filter(|blob| blob.height() >= LOW * line.digit_height).collect();
    high.sort_by_key(|blob| blob.left);
    // Gaps: how wide, and the columns on either side.
    let mut gaps = Vec::new();
    let mut end = None::<u32>;
    for blob in high {
        if let Some(end) = end.filter(|&end| blob.left > end) {
            gaps.push((blob.left - end, end, blob.left));
        }
        end = end.max(Some(blob.right));
    }
    gaps.sort_by_key(|(width, ..)| std::cmp::Reverse(*width));
    let usual = gaps.get(gaps.len() / 2).map_or(0, |(width, ..)| *width);
    gaps.retain(|(width, ..)| *width as f32 >= GAP * line.digit_height && *width >= USUAL * usual);
    gaps.truncate(MOST_GAPS);
    gaps.sort_by_key(|(_, end, _)| *end);
    let begins: Vec<u32> = [0].into_iter().chain(gaps.iter().map(|gap| gap.2)).collect();
    let ends: Vec<u32> = gaps.iter().map(|gap| gap.1).chain([u32::MAX]).collect();
    let mut parts = Vec::new();
    for (first, &begin) in begins.iter().enumerate() {
        for (last, &end) in ends.iter().enumerate().skip(first) {
            if last - first + 1 == begins.len() {
                continue;
            }
            let kept: Vec<bool> =
                blobs.iter().map(|blob| begin <= blob.left && blob.right <= end).collect();
            let part = cut_out(&line.map, &labels, &blobs, &kept);
            let (left, top) = (line.left + part.left, line.top + part.top);
            let (level, digit_height) = (line.level, line.digit_height);
            parts.push(Line { left, top, level, digit_height, ..part });
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{GrayImage, Luma};

    #[test]
    fn a_line_falls_into_parts_at_its_wide_gaps() {
        // Three bars, a hyphen, two bars, a wider gap, one bar.
        let bars = [0, 12, 24, 62, 74, 110];
        let map = GrayImage::from_fn(120, 30, |x, y| {
            let bar = bars.iter().any(|left| (*left..left + 6).contains(&x));
            let hyphen = (40..50).contains(&x) && (14..17).contains(&y);
            Luma([if bar || hyphen { 220 } else { 0 }])
        });
        let line = Line { map, left: 7, top: 5, level: 110, digit_height: 30.0 };
        let parts = parts(&line);
        let sides: Vec<[u32; 4]> = parts.iter().map(|part| part.sides()).collect();
        // With two pixels on either side, and the line's own place.
        let expected = [(7, 39), (7, 89), (67, 89), (67, 125), (115, 125)];
        assert_eq!(sides, expected.map(|(left, right)| [left, 5, right, 35]));
        // Where all gaps are wide there are no parts.
        let map = GrayImage::from_fn(120, 30, |x, _| Luma([if x % 30 < 6 { 220 } else { 0 }]));
        assert!(super::parts(&Line { map, ..line }).is_empty());
    }
}

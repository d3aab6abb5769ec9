//! Turning a line straight and its digits upright, and bringing it to one height.

use image::{GrayImage, Luma};
use imageproc::geometric_transformations::{Border, Interpolation, warp_into_with};

use crate::line::Line;

/// Height of a digit in the frame, in pixels: that of MNIST's.
pub(crate) const DIGIT: usize = 20;

/// Rows of the frame: those of MNIST's images.
pub(crate) const ROWS: usize = 28;

/// Free columns at either end.
const MARGIN: f32 = 8.0;

/// The most columns: some 150 digits.
const MOST_COLUMNS: f32 = 6000.0;

/// A line, straight and upright, its ink from 0 to 1.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    pub width: usize,
    /// [`ROWS`] rows of `width` values.
    pub ink: Vec<f32>,
    /// How the line fell to the right, in radians.
    pub skew: f32,
    /// How far its digits leaned to the right, as a tangent.
    pub lean: f32,
    /// From the frame to the picture: x = m0 column + m1 row + m2, y = m3 column + m4 row + m5.
    pub to_picture: [f32; 6],
}

impl Frame {
    /// Where a place of the frame is in the picture.
    pub fn place(&self, column: f32, row: f32) -> (f32, f32) {
        let m = &self.to_picture;
        (m[0] * column + m[1] * row + m[2], m[3] * column + m[4] * row + m[5])
    }
}

impl Frame {
    /// The frame on its head.
    pub fn turned(&self) -> Self {
        let m = &self.to_picture;
        let (x, y) = self.place(self.width as f32 - 1.0, ROWS as f32 - 1.0);
        let to_picture = [-m[0], -m[1], x, -m[3], -m[4], y];
        Self { ink: self.ink.iter().rev().copied().collect(), to_picture, ..self.clone() }
    }
}

/// One pixel of ink.
struct Point {
    x: f32,
    y: f32,
    weight: f32,
}

/// Straightens a line.
pub(crate) fn straighten(line: &Line) -> Frame {
    let points = points_of(line);
    let bin = line.digit_height / 24.0;
    let extent = |value: fn(&Point) -> f32| {
        let low = points.iter().map(value).fold(f32::INFINITY, f32::min);
        points.iter().map(value).fold(f32::NEG_INFINITY, f32::max) - low
    };
    let wide = extent(|point| point.x);
    // One or two digits alone do not say how a line runs.
    let skew = match wide > 2.2 * line.digit_height {
        true => {
            let [tops, bottoms] = contours(line);
            best(12.0f32.to_radians(), |skew| {
                let fall = skew.tan();
                -spread(&bottoms, fall, 0.85) - 0.5 * spread(&tops, fall, 0.15)
            })
        }
        false => 0.0,
    };
    let (sin, cos) = skew.sin_cos();
    let turned = |point: &Point| (point.x * cos + point.y * sin, point.y * cos - point.x * sin);
    let lean = best(0.45, |lean| {
        let sharpness = sharpness(&points, bin, |point| {
            let (x, y) = turned(point);
            x + lean * y
        });
        // Upright is likelier where little speaks for another lean.
        sharpness * (1.0 - 0.4 * lean * lean)
    });
    let upright = |point: &Point| {
        let (x, y) = turned(point);
        (x + lean * y, y)
    };
    let rows = points.iter().map(|point| (upright(point).1, point.weight)).collect();
    let (top, bottom) = quantiles(rows, 0.012);
    let columns: Vec<f32> = points.iter().map(|point| upright(point).0).collect();
    let left = columns.iter().copied().fold(f32::INFINITY, f32::min);
    let right = columns.iter().copied().fold(f32::NEG_INFINITY, f32::max);

    let scale = DIGIT as f32 / (bottom + 1.0 - top).max(4.0);
    let width = ((right - left) * scale + 2.0 * MARGIN).clamp(2.0 * MARGIN, MOST_COLUMNS) as usize;
    // Back: from the frame to upright, to turned, to the line's own picture.
    let free = (ROWS - DIGIT) as f32 / 2.0;
    let (a, row0, column0) = (1.0 / scale, top - free / scale, left - MARGIN / scale);
    // upright (u, v) = (a column + column0, a row + row0); turned = (u - lean v, v);
    // x = t cos - v sin, y = t sin + v cos.
    let t = [a, -lean * a, column0 - lean * row0];
    let v = [0.0, a, row0];
    let x: Vec<f32> = t.iter().zip(&v).map(|(t, v)| t * cos - v * sin).collect();
    let y: Vec<f32> = t.iter().zip(&v).map(|(t, v)| t * sin + v * cos).collect();
    let m = [x[0], x[1], x[2], y[0], y[1], y[2]];
    let (left, top) = (line.left as f32, line.top as f32);
    let to_picture = [m[0], m[1], m[2] + left, m[3], m[4], m[5] + top];
    let mut out = GrayImage::new(width as u32, ROWS as u32);
    warp_into_with(
        &line.map,
        |column, row| (m[0] * column + m[1] * row + m[2], m[3] * column + m[4] * row + m[5]),
        Interpolation::Bilinear,
        Border::Constant(Luma([0])),
        &mut out,
    );
    let ink = out.iter().map(|&value| (f32::from(value) / 220.0).min(1.0)).collect();
    Frame { width, ink, skew, lean, to_picture }
}

/// The ink of a line, thinned out to some twenty thousand pixels.
fn points_of(line: &Line) -> Vec<Point> {
    let inked = line.map.enumerate_pixels().filter(|(.., value)| value.0[0] > line.level);
    let every = inked.clone().count() / 20_000 + 1;
    inked
        .step_by(every)
        .map(|(x, y, value)| Point {
            x: x as f32,
            y: y as f32,
            weight: f32::from(value.0[0]) / 220.0,
        })
        .collect()
}

/// The highest and the lowest ink of each column: (column, row).
fn contours(line: &Line) -> [Vec<(f32, f32)>; 2] {
    let (mut tops, mut bottoms) = (Vec::new(), Vec::new());
    for x in 0..line.map.width() {
        let inked = |y: &u32| line.map.get_pixel(x, *y).0[0] > line.level;
        let Some(top) = (0..line.map.height()).find(inked) else { continue };
        let bottom = (0..line.map.height()).rev().find(inked).unwrap_or(top);
        tops.push((x as f32, top as f32));
        bottoms.push((x as f32, bottom as f32));
    }
    [tops, bottoms]
}

/// How far places lie from the line of a slope that leaves a share of them above it (smaller rows):
/// the pinball loss of quantile regression (Koenker and Bassett, 1978). Digits stand on such a line
/// although most of a contour does not.
fn spread(places: &[(f32, f32)], slope: f32, share: f32) -> f32 {
    let mut rests: Vec<f32> = places.iter().map(|(x, y)| y - slope * x).collect();
    let at = ((rests.len() - 1) as f32 * share) as usize;
    let (_, line, _) = rests.select_nth_unstable_by(at, f32::total_cmp);
    let line = *line;
    let loss = |rest: &f32| {
        let off = rest - line;
        if off > 0.0 { share * off } else { (share - 1.0) * off }
    };
    rests.iter().map(loss).sum()
}

/// How unevenly ink falls into bins: high where strokes fall together.
fn sharpness(points: &[Point], bin: f32, place: impl Fn(&Point) -> f32) -> f32 {
    let places: Vec<f32> = points.iter().map(|point| place(point) / bin).collect();
    let low = places.iter().copied().fold(f32::INFINITY, f32::min);
    let high = places.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut bins = vec![0.0f32; (high - low) as usize + 2];
    for (place, point) in places.iter().zip(points) {
        // Shared between two bins, so that the sum changes smoothly.
        let place = place - low;
        let (index, share) = (place as usize, place.fract());
        bins[index] += point.weight * (1.0 - share);
        bins[index + 1] += point.weight * share;
    }
    bins.iter().map(|bin| bin * bin).sum()
}

/// The value in ±reach for which a function is greatest: first in 49 steps, then finer twice.
fn best(reach: f32, of: impl Fn(f32) -> f32) -> f32 {
    let mut best = (of(0.0), 0.0);
    let mut try_all = |center: f32, step: f32, steps: i32| {
        for k in -steps..=steps {
            let value = center + k as f32 * step;
            let found = of(value);
            if found > best.0 {
                best = (found, value);
            }
        }
        best.1
    };
    let rough = try_all(0.0, reach / 24.0, 24);
    let finer = try_all(rough, reach / 96.0, 3);
    try_all(finer, reach / 384.0, 3)
}

/// The places below and above which a share of the weight lies.
fn quantiles(mut weighted: Vec<(f32, f32)>, share: f32) -> (f32, f32) {
    weighted.sort_by(|one, other| one.0.total_cmp(&other.0));
    let all: f32 = weighted.iter().map(|(_, weight)| weight).sum();
    let mut sum = 0.0;
    let (mut low, mut high) = (None, None);
    for (place, weight) in weighted {
        sum += weight;
        if low.is_none() && sum >= share * all {
            low = Some(place);
        }
        if high.is_none() && sum >= (1.0 - share) * all {
            high = Some(place);
        }
    }
    (low.unwrap_or(0.0), high.unwrap_or(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Five bars of 6x30, leaning and turned.
    fn bars(lean: f32, skew: f32) -> Line {
        let (sin, cos) = skew.sin_cos();
        let map = GrayImage::from_fn(220, 100, |x, y| {
            let (x, y) = (x as f32 - 20.0, y as f32 - 40.0);
            let (x, y) = (x * cos + y * sin, y * cos - x * sin);
            let x = x + lean * (y - 15.0);
            let inside = (0.0..30.0).contains(&y) && (0.0..180.0).contains(&x) && x % 30.0 < 6.0;
            Luma([if inside { 220 } else { 0 }])
        });
        Line { map, left: 0, top: 0, level: 110, digit_height: 30.0 }
    }

    #[test]
    fn skew_and_lean_are_found() {
        for (lean, skew) in [(0.0, 0.0f32), (0.2, 0.08), (-0.15, -0.1), (0.1, -0.05)] {
            let frame = straighten(&bars(lean, skew));
            assert!((frame.skew - skew).abs() < 0.012, "{} for {skew}", frame.skew);
            assert!((frame.lean - lean).abs() < 0.03, "{} for {lean}", frame.lean);
        }
    }

    #[test]
    fn a_frame_on_its_head_has_the_same_places_in_the_picture() {
        let frame = straighten(&bars(0.1, 0.06));
        let turned = frame.turned();
        assert_eq!(turned.ink[0], frame.ink[frame.ink.len() - 1]);
        let (x, y) = frame.place(10.0, 3.0);
        let (turned_x, turned_y) = turned.place(frame.width as f32 - 11.0, ROWS as f32 - 4.0);
        assert!((x - turned_x).abs() < 1e-3 && (y - turned_y).abs() < 1e-3);
    }

    #[test]
    fn a_frame_has_digits_of_one_height_and_knows_its_places_in_the_picture() {
        let line = bars(0.1, 0.06);
        let frame = straighten(&line);
        let row_ink =
            |row: usize| -> f32 { frame.ink[row * frame.width..][..frame.width].iter().sum() };
        assert!(row_ink(1) == 0.0 && row_ink(ROWS - 2) == 0.0);
        assert!(row_ink(5) > 12.0 && row_ink(22) > 12.0);
        for row in 0..ROWS {
            for column in 0..frame.width {
                let (x, y) = frame.place(column as f32, row as f32);
                if frame.ink[row * frame.width + column] > 0.99 {
                    let there = line.map.get_pixel(x.round() as u32, y.round() as u32).0[0];
                    assert_eq!(there, 220, "{row} {column}");
                }
            }
        }
    }
}

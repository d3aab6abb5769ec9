//! The envelope or card on its background: its four corners, and the picture as seen from above.

use image::{GrayImage, Luma, RgbImage, imageops};
use imageproc::contrast::otsu_level;
use imageproc::distance_transform::Norm;
use imageproc::geometric_transformations::{Border, Interpolation, Projection, warp_into};
use imageproc::geometry::{approximate_polygon_dp, contour_area, convex_hull};
use imageproc::morphology::open;
use imageproc::point::Point;
use imageproc::region_labelling::{Connectivity, connected_components};

use crate::line::blobs_of;

/// The longer side, in pixels, of the picture in which a sheet is looked for.
const THUMBNAIL: u32 = 320;

/// Of the picture's area, the least that a sheet takes.
const LEAST_AREA: f64 = 0.12;

/// What is so near the picture's edge, in pixels of the small picture, ends with it.
const AT_EDGE: i32 = 4;

/// How much of a quadrilateral its sheet fills at least, and at most.
const FILLS: std::ops::Range<f64> = 0.9..1.06;

/// The corners of a sheet on its background, in pixels of the picture: upper left, upper right, lower
/// right, lower left; nothing where the sheet fills the picture, or no four sides are found.
pub(crate) fn find_sheet(picture: &RgbImage) -> Option<[(f32, f32); 4]> {
    let (width, height) = picture.dimensions();
    let zoom = (width.max(height) as f32 / THUMBNAIL as f32).max(1.0);
    let side = |length: u32| ((length as f32 / zoom) as u32).max(8);
    let small = imageops::thumbnail(picture, side(width), side(height));
    let zoom = (width as f32 / small.width() as f32, height as f32 / small.height() as f32);
    let masks = masks(&small);
    let found = masks.iter().filter_map(sheet_in);
    let (_, corners) = found.reduce(|best, one| if one.0 > best.0 { one } else { best })?;
    let corners = corners.map(|(x, y)| ((x + 0.5) * zoom.0, (y + 0.5) * zoom.1));
    // A sheet as large as the picture needs no straightening.
    let ends =
        [(0.0, 0.0), (width as f32, 0.0), (width as f32, height as f32), (0.0, height as f32)];
    let near = 0.02 * width.max(height) as f32;
    let whole = corners.iter().zip(ends).all(|(a, b)| (a.0 - b.0).hypot(a.1 - b.1) < near);
    (!whole).then_some(corners)
}

/// Ways to tell sheet from table: lighter, darker, of another colour, unlike what lies at the edges.
fn masks(small: &RgbImage) -> Vec<GrayImage> {
    let (width, height) = small.dimensions();
    let ring = (width.min(height) / 40).max(2);
    let at_edge = |x: u32, y: u32| x < ring || y < ring || x + ring >= width || y + ring >= height;
    let mut edge: [Vec<u8>; 3] = Default::default();
    for (x, y, pixel) in small.enumerate_pixels().filter(|(x, y, _)| at_edge(*x, *y)) {
        let _ = (x, y);
        (0..3).for_each(|i| edge[i].push(pixel.0[i]));
    }
    let median = edge.map(|mut values| {
        let middle = values.len() / 2;
        *values.select_nth_unstable(middle).1
    });
    let grey = imageops::grayscale(small);
    let map = |of: &dyn Fn([u8; 3]) -> u8| {
        GrayImage::from_fn(width, height, |x, y| Luma([of(small.get_pixel(x, y).0)]))
    };
    let unlike = map(&|pixel| {
        let off = |i: usize| (f32::from(pixel[i]) - f32::from(median[i])).powi(2);
        (off(0) + off(1) + off(2)).sqrt().min(255.0) as u8
    });
    let hue = map(&|[r, g, b]| {
        let sum = f32::from(r) + f32::from(g) + f32::from(b) + 30.0;
        ((f32::from(r) - f32::from(b)) / sum * 300.0 + 128.0).clamp(0.0, 255.0) as u8
    });
    let mut masks = Vec::new();
    for (values, both) in [(&grey, true), (&unlike, false), (&hue, true)] {
        let level = otsu_level(values);
        // Otsu's level, and levels nearer to either class.
        for level in [level, level / 2 + level / 4, level + (255 - level) / 4] {
            let mask = |above: bool| {
                let bits = GrayImage::from_fn(width, height, |x, y| {
                    let is_above = values.get_pixel(x, y).0[0] > level;
                    Luma([if is_above == above { 255 } else { 0 }])
                });
                open(&bits, Norm::L1, 2)
            };
            masks.push(mask(true));
            if both {
                masks.push(mask(false));
            }
        }
    }
    masks
}

/// The largest piece of a mask, if it has four sides: how good it is, and its corners.
fn sheet_in(mask: &GrayImage) -> Option<(f64, [(f32, f32); 4])> {
    let labels = connected_components(mask, Connectivity::Four, Luma([0]));
    let blobs = blobs_of(&labels);
    let (largest, _) = blobs.iter().enumerate().max_by_key(|(_, blob)| blob.area)?;
    let all = f64::from(mask.width()) * f64::from(mask.height());
    // The ends of each row are enough for the hull.
    let mut points = Vec::new();
    let mut area = 0.0;
    for y in blobs[largest].top..=blobs[largest].bottom {
        let is = |x: &u32| labels.get_pixel(*x, y).0[0] as usize == largest + 1;
        let first = (0..mask.width()).find(is);
        let last = (0..mask.width()).rev().find(is);
        if let (Some(first), Some(last)) = (first, last) {
            points.extend([Point::new(first as i32, y as i32), Point::new(last as i32, y as i32)]);
            // Holes, such as stamps and writing, are part of the sheet.
            area += f64::from(last - first + 1);
        }
    }
    if area < LEAST_AREA * all || points.len() < 8 {
        return None;
    }
    let hull = convex_hull(points);
    let corners = largest_quadrilateral(&hull)?;
    let quad = contour_area(&corners);
    let fills = area / quad.max(1.0);
    if !FILLS.contains(&fills) || quad > 0.985 * all {
        return None;
    }
    // What ends with the picture, along a whole side, is a part of a pattern, or needs no straightening.
    let (right, below) = (mask.width() as i32 - 1 - AT_EDGE, mask.height() as i32 - 1 - AT_EDGE);
    let at_edges = corners.map(|p| [p.x <= AT_EDGE, p.y <= AT_EDGE, p.x >= right, p.y >= below]);
    for at in 0..4 {
        let mut both = at_edges[at].iter().zip(at_edges[(at + 1) % 4]);
        if both.any(|(a, b)| *a && b) {
            return None;
        }
    }
    // No side much shorter than its opposite, no corner far from a right angle.
    for at in 0..4 {
        let [a, b, c] = [corners[(at + 3) % 4], corners[at], corners[(at + 1) % 4]];
        let (u, v) = ((a.x - b.x, a.y - b.y), (c.x - b.x, c.y - b.y));
        let (u, v) = ((f64::from(u.0), f64::from(u.1)), (f64::from(v.0), f64::from(v.1)));
        let cos = (u.0 * v.0 + u.1 * v.1) / (u.0.hypot(u.1) * v.0.hypot(v.1)).max(1e-6);
        if cos.abs() > 0.5 {
            return None;
        }
    }
    let good = 1.0 - (1.0 - fills).abs() * 3.0 + 0.5 * quad / all;
    Some((good, in_order(corners).map(|point| (point.x as f32, point.y as f32))))
}

/// The four points of a hull that enclose the most.
fn largest_quadrilateral(hull: &[Point<i32>]) -> Option<[Point<i32>; 4]> {
    let mut points = hull.to_vec();
    let mut epsilon = 1.0;
    while points.len() > 24 {
        points = approximate_polygon_dp(hull, epsilon, true);
        epsilon *= 1.3;
    }
    let n = points.len();
    let mut best = (0.0, None);
    for a in 0..n {
        for b in a + 1..n {
            for c in b + 1..n {
                for d in c + 1..n {
                    let four = [points[a], points[b], points[c], points[d]];
                    let area = contour_area(&four);
                    if area > best.0 {
                        best = (area, Some(four));
                    }
                }
            }
        }
    }
    best.1
}

/// Clockwise, beginning at the upper left.
fn in_order(corners: [Point<i32>; 4]) -> [Point<i32>; 4] {
    let x = corners.iter().map(|p| f64::from(p.x)).sum::<f64>() / 4.0;
    let y = corners.iter().map(|p| f64::from(p.y)).sum::<f64>() / 4.0;
    let mut sorted = corners;
    let angle = |p: &Point<i32>| (f64::from(p.y) - y).atan2(f64::from(p.x) - x);
    sorted.sort_by(|a, b| angle(a).total_cmp(&angle(b)));
    let first = (0..4).min_by_key(|&at| sorted[at].x + sorted[at].y).unwrap_or(0);
    sorted.rotate_left(first);
    sorted
}

/// A sheet seen from above, and the way from there to the picture.
pub(crate) fn straightened(
    grey: &GrayImage,
    corners: [(f32, f32); 4],
    most_pixels: f32,
) -> Option<(GrayImage, Projection)> {
    let length =
        |a: usize, b: usize| (corners[a].0 - corners[b].0).hypot(corners[a].1 - corners[b].1);
    let (wide, high) = (length(0, 1).max(length(3, 2)), length(0, 3).max(length(1, 2)));
    let zoom = (most_pixels / (wide * high)).sqrt().min(1.0);
    let (width, height) = ((wide * zoom).max(16.0), (high * zoom).max(16.0));
    let to = [(0.0, 0.0), (width, 0.0), (width, height), (0.0, height)];
    let onto = Projection::from_control_points(corners, to)?;
    let mut out = GrayImage::new(width as u32, height as u32);
    warp_into(grey, onto, Interpolation::Bilinear, Border::Replicate, &mut out);
    Some((out, onto.invert()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;

    fn on_table(sheet: [u8; 3], table: [u8; 3], angle: f32) -> RgbImage {
        let (sin, cos) = angle.to_radians().sin_cos();
        RgbImage::from_fn(600, 440, |x, y| {
            let (x, y) = (x as f32 - 300.0, y as f32 - 220.0);
            let (u, v) = (x * cos + y * sin, y * cos - x * sin);
            let text = (-40.0..60.0).contains(&u) && (20.0..30.0).contains(&v) && u as i32 % 9 < 4;
            let stamp = (120.0..170.0).contains(&u) && (-80.0..-30.0).contains(&v);
            match () {
                () if u.abs() > 190.0 || v.abs() > 100.0 => Rgb(table),
                () if text || stamp => Rgb([60, 30, 40]),
                () => Rgb(sheet),
            }
        })
    }

    #[test]
    fn a_sheet_is_found_whatever_its_tone_and_angle() {
        for (sheet, table) in [
            ([240, 240, 230], [90, 60, 40]),
            ([40, 50, 90], [190, 180, 170]),
            ([200, 170, 120], [90, 95, 100]),
        ] {
            for angle in [0.0, 8.0, -30.0] {
                let corners = find_sheet(&on_table(sheet, table, angle)).unwrap();
                let (sin, cos) = angle.to_radians().sin_cos();
                for (u, v) in [(-190.0, -100.0), (190.0, -100.0), (190.0, 100.0), (-190.0, 100.0)] {
                    let (x, y) = (300.0 + u * cos - v * sin, 220.0 + u * sin + v * cos);
                    let off = corners.iter().map(|c| (c.0 - x).hypot(c.1 - y));
                    let off = off.fold(f32::INFINITY, f32::min);
                    assert!(off < 8.0, "{sheet:?} {angle}: {off}");
                }
            }
        }
    }

    #[test]
    fn what_fills_the_picture_is_no_sheet_on_a_table() {
        assert!(find_sheet(&RgbImage::from_pixel(300, 200, Rgb([230, 230, 230]))).is_none());
        let lines = RgbImage::from_fn(300, 200, |x, y| {
            let ink = (40..200).contains(&x) && y % 40 < 14 && x % 14 < 5;
            Rgb([if ink { 30 } else { 230 }; 3])
        });
        assert!(find_sheet(&lines).is_none());
    }

    #[test]
    fn what_ends_with_the_picture_along_a_side_is_no_sheet() {
        // A card of two colours that fills the picture.
        let card = RgbImage::from_fn(600, 400, |x, y| {
            Rgb(if x + y / 8 < 450 { [60, 90, 60] } else { [150, 60, 70] })
        });
        assert_eq!(find_sheet(&card), None);
    }

    #[test]
    fn a_straightened_sheet_is_as_large_as_its_sides() {
        let grey = GrayImage::from_fn(400, 300, |x, _| Luma([x as u8]));
        let corners = [(50.0, 40.0), (350.0, 60.0), (340.0, 240.0), (60.0, 220.0)];
        let (seen, back) = straightened(&grey, corners, 1e6).unwrap();
        assert!(seen.width().abs_diff(300) < 4 && seen.height().abs_diff(180) < 4);
        let (x, y) = back * (0.0, 0.0);
        assert!((x - 50.0).abs() < 0.1 && (y - 40.0).abs() < 0.1);
    }
}

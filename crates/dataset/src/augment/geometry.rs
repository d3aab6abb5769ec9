//! Maps of the plane: flip, rotation, scale, shear, shift, perspective.

/// A projective map in continuous coordinates, from a place in the result to one in the image:
/// `(x, y, 1)` times the rows, the first two divided by the third.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Map(pub(crate) [[f64; 3]; 3]);

impl Map {
    pub(crate) const IDENTITY: Map = Map([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]);

    /// `x + by_x`, `y + by_y`.
    pub(crate) fn shift(by_x: f64, by_y: f64) -> Map {
        Map([[1.0, 0.0, by_x], [0.0, 1.0, by_y], [0.0, 0.0, 1.0]])
    }

    /// The columns, the rows or both in the other order.
    pub(crate) fn flip(height: usize, width: usize, horizontal: bool, vertical: bool) -> Map {
        let axis = |flip: bool, side: usize| if flip { (-1.0, side as f64) } else { (1.0, 0.0) };
        let ((a, x), (b, y)) = (axis(horizontal, width), axis(vertical, height));
        Map([[a, 0.0, x], [0.0, b, y], [0.0, 0.0, 1.0]])
    }

    /// The way back from an image that was sheared along its rows, scaled and rotated about its
    /// centre, in this order, then shifted.
    ///
    /// A positive angle turns clockwise, as rows count downwards. The same as torchvision's
    /// `affine(angle, translate, scale, shear)`.
    pub(crate) fn affine(height: usize, width: usize, motion: &Motion) -> Map {
        let (x, y) = (width as f64 / 2.0, height as f64 / 2.0);
        let (sin, cos) = motion.angle.to_radians().sin_cos();
        let slant = motion.shear.to_radians().tan();
        // Rotation * shear * scale is [[cos, -slant cos - sin], [sin, cos - slant sin]] * scale.
        let forward = [[cos, -slant * cos - sin], [sin, cos - slant * sin]];
        // Its determinant is scale^2.
        let inverse = [
            [forward[1][1] / motion.scale, -forward[0][1] / motion.scale],
            [-forward[1][0] / motion.scale, forward[0][0] / motion.scale],
        ];
        let around_center = Map([
            [inverse[0][0], inverse[0][1], x - inverse[0][0] * x - inverse[0][1] * y],
            [inverse[1][0], inverse[1][1], y - inverse[1][0] * x - inverse[1][1] * y],
            [0.0, 0.0, 1.0],
        ]);
        Map::shift(-motion.shift_x, -motion.shift_y).then(&around_center)
    }

    /// The map that takes the four corners `from` to `to`, both (x, y), in the same order; `None`
    /// where three of them lie on a line.
    pub(crate) fn perspective(from: [[f64; 2]; 4], to: [[f64; 2]; 4]) -> Option<Map> {
        // x' = (a x + b y + c) / (g x + h y + 1), y' likewise: eight linear equations.
        let mut rows = [[0.0; 9]; 8];
        for (corner, ([x, y], [u, v])) in from.into_iter().zip(to).enumerate() {
            rows[2 * corner] = [x, y, 1.0, 0.0, 0.0, 0.0, -u * x, -u * y, u];
            rows[2 * corner + 1] = [0.0, 0.0, 0.0, x, y, 1.0, -v * x, -v * y, v];
        }
        let [a, b, c, d, e, f, g, h] = solve(rows)?;
        Some(Map([[a, b, c], [d, e, f], [g, h, 1.0]]))
    }

    /// First this map, then `next`.
    pub(crate) fn then(&self, next: &Map) -> Map {
        let product = |row: usize, column: usize| {
            (0..3).map(|k| next.0[row][k] * self.0[k][column]).sum::<f64>()
        };
        Map(std::array::from_fn(|row| std::array::from_fn(|column| product(row, column))))
    }

    /// Where a place leads.
    pub(crate) fn apply(&self, x: f32, y: f32) -> (f32, f32) {
        let row = |row: usize| {
            let [a, b, c] = self.0[row].map(|value| value as f32);
            a * x + b * y + c
        };
        if self.0[2] == [0.0, 0.0, 1.0] {
            return (row(0), row(1));
        }
        let depth = row(2);
        (row(0) / depth, row(1) / depth)
    }
}

/// How an image is moved.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Motion {
    /// Degrees, clockwise.
    pub angle: f64,
    /// Pixels to the right.
    pub shift_x: f64,
    /// Pixels downwards.
    pub shift_y: f64,
    /// Above 1 the image grows.
    pub scale: f64,
    /// Degrees by which columns lean to the right, seen upwards.
    pub shear: f64,
}

impl Motion {
    pub(crate) const NONE: Motion =
        Motion { angle: 0.0, shift_x: 0.0, shift_y: 0.0, scale: 1.0, shear: 0.0 };
}

/// Gauss's elimination with the largest pivot first.
fn solve<const N: usize, const WIDE: usize>(mut rows: [[f64; WIDE]; N]) -> Option<[f64; N]> {
    for step in 0..N {
        let pivot =
            (step..N).max_by(|&a, &b| rows[a][step].abs().total_cmp(&rows[b][step].abs()))?;
        rows.swap(step, pivot);
        let head = rows[step];
        if head[step].abs() < 1e-9 {
            return None;
        }
        for (place, row) in rows.iter_mut().enumerate() {
            if place != step {
                let factor = row[step] / head[step];
                row.iter_mut().zip(head).for_each(|(value, head)| *value -= factor * head);
            }
        }
    }
    Some(std::array::from_fn(|place| rows[place][N] / rows[place][place]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: (f32, f32), expected: (f32, f32)) {
        let error = (found.0 - expected.0).abs().max((found.1 - expected.1).abs());
        assert!(error < 1e-4, "{found:?}, expected {expected:?}");
    }

    #[test]
    fn a_quarter_turn_takes_the_right_side_to_the_bottom() {
        let turn = Map::affine(10, 10, &Motion { angle: 90.0, ..Motion::NONE });
        // What is at the bottom of the result comes from the right of the image.
        near(turn.apply(5.0, 9.0), (9.0, 5.0));
    }

    #[test]
    fn scale_and_shift_are_about_the_centre() {
        let motion = Motion { scale: 2.0, shift_x: 3.0, shift_y: -1.0, ..Motion::NONE };
        let map = Map::affine(10, 20, &motion);
        near(map.apply(13.0, 4.0), (10.0, 5.0));
        near(map.apply(15.0, 4.0), (11.0, 5.0));
    }

    #[test]
    fn a_flip_takes_the_first_pixel_from_the_last() {
        near(Map::flip(4, 6, true, false).apply(0.5, 0.5), (5.5, 0.5));
        near(Map::flip(4, 6, true, true).apply(0.5, 0.5), (5.5, 3.5));
    }

    #[test]
    fn a_perspective_takes_corners_to_corners() {
        let from = [[0.0, 0.0], [8.0, 0.0], [8.0, 8.0], [0.0, 8.0]];
        let to = [[1.0, 0.5], [7.0, 0.0], [8.0, 7.0], [0.5, 8.0]];
        let map = Map::perspective(from, to).unwrap();
        for ([x, y], [u, v]) in from.into_iter().zip(to) {
            near(map.apply(x as f32, y as f32), (u as f32, v as f32));
        }
        assert_eq!(Map::perspective([[1.0, 1.0]; 4], to), None);
    }
}

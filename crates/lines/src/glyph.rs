//! One digit's ink.

/// Pixels of a glyph per pixel of the picture, each way: it is composed finer than it is shown.
pub(crate) const FINE: f64 = 2.0;

/// One digit's ink, [`FINE`] times as fine as the picture.
#[derive(Debug, Clone)]
pub(crate) struct Glyph {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// How much of each pixel is covered, 0 to 1, row by row.
    pub ink: Vec<f32>,
}

/// From where on ink counts as seen: gaps and boxes are measured between seen ink.
pub(crate) const SEEN: f32 = 0.25;

impl Glyph {
    /// First and last column, first and last row of the ink that is seen; of all where none is.
    pub fn seen(&self) -> [usize; 4] {
        let mut bounds: Option<[usize; 4]> = None;
        for (place, _) in self.ink.iter().enumerate().filter(|(_, ink)| **ink >= SEEN) {
            let (x, y) = (place % self.width, place / self.width);
            let [left, right, top, bottom] = bounds.unwrap_or([x, x, y, y]);
            bounds = Some([left.min(x), right.max(x), top.min(y), bottom.max(y)]);
        }
        bounds.unwrap_or([0, self.width - 1, 0, self.height - 1])
    }
}

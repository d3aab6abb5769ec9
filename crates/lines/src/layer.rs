//! Digits on one baseline: ink and whose it is, before it lies on paper.

use crate::glyph::{FINE, Glyph, SEEN};
use crate::settings::Parameters;

/// Pixels of additional gap between the groups of a card number.
pub(crate) const GROUP_GAP: f64 = 18.0;

/// The ink of a line and its owners.
#[derive(Debug, Clone)]
pub(crate) struct Layer {
    pub height: usize,
    pub width: usize,
    /// How much of each pixel is covered, 0 to 1.
    pub ink: Vec<f32>,
    /// Which digit the ink is of, from 1; 0: none.
    pub owner: Vec<u8>,
}

impl Layer {
    fn empty(height: usize, width: usize) -> Self {
        Self { height, width, ink: vec![0.0; height * width], owner: vec![0; height * width] }
    }

    /// Sets digits side by side, straight and upright, [`FINE`] times as fine as the picture.
    pub fn compose(glyphs: &[Glyph], parameters: &Parameters, groups_of: Option<usize>) -> Self {
        let seen: Vec<[usize; 4]> = glyphs.iter().map(Glyph::seen).collect();
        // Where each glyph's left edge comes to lie; they are moved right when all are known.
        let mut lefts = Vec::with_capacity(glyphs.len());
        let mut cursor = 0.0;
        for (place, [left, right, ..]) in seen.iter().enumerate() {
            lefts.push(cursor - *left as f64);
            let group = groups_of.is_some_and(|size| (place + 1) % size == 0);
            let gap = parameters.gaps.get(place).copied().unwrap_or(0.0);
            let gap = gap + if group { GROUP_GAP } else { 0.0 };
            cursor += (right + 1 - left) as f64 + gap * FINE;
        }
        let first = lefts.iter().copied().fold(f64::INFINITY, f64::min);
        let lefts: Vec<usize> = lefts.iter().map(|left| (left - first).round() as usize).collect();
        let above = seen.iter().map(|[.., bottom]| bottom + 1).max().unwrap_or(1);
        let below = glyphs.iter().zip(&seen).map(|(glyph, [.., bottom])| glyph.height - bottom - 1);
        let height = above + below.max().unwrap_or(0);
        let width = lefts.iter().zip(glyphs).map(|(left, glyph)| left + glyph.width).max();
        let mut layer = Layer::empty(height, width.unwrap_or(1));
        for (place, glyph) in glyphs.iter().enumerate() {
            let top = above - 1 - seen[place][3];
            layer.add(glyph, top, lefts[place], place as u8 + 1);
        }
        layer
    }

    fn add(&mut self, glyph: &Glyph, top: usize, left: usize, owner: u8) {
        for y in 0..glyph.height {
            for x in 0..glyph.width {
                let ink = glyph.ink[y * glyph.width + x];
                let place = (top + y) * self.width + left + x;
                if ink > self.ink[place] {
                    self.ink[place] = ink;
                    self.owner[place] = owner;
                }
            }
        }
    }

    /// Slanted and skewed, at the picture's own fineness, within margins (left, right, top, bottom).
    pub fn onto_page(&self, slant: f64, skew: f64, margins: [usize; 4]) -> Layer {
        let (width, height) = (self.width as f64 / FINE, self.height as f64 / FINE);
        let (sin, cos) = skew.to_radians().sin_cos();
        let lean = slant.to_radians().tan();
        // From a place in the line, in the picture's pixels, to the page: lean, then turn.
        let onto = |x: f64, y: f64| {
            let (x, y) = (x + lean * (height - y), y);
            (x * cos - y * sin, x * sin + y * cos)
        };
        let corners = [onto(0.0, 0.0), onto(width, 0.0), onto(0.0, height), onto(width, height)];
        let bound = |of: fn(&(f64, f64)) -> f64, pick: fn(f64, f64) -> f64| {
            corners.iter().map(of).reduce(pick).unwrap_or(0.0)
        };
        let (left, right) = (bound(|c| c.0, f64::min), bound(|c| c.0, f64::max));
        let (top, bottom) = (bound(|c| c.1, f64::min), bound(|c| c.1, f64::max));
        let page_width = (right - left).ceil() as usize + margins[0] + margins[1];
        let page_height = (bottom - top).ceil() as usize + margins[2] + margins[3];
        let mut page = Layer::empty(page_height, page_width);
        for row in 0..page_height {
            for column in 0..page_width {
                let mut sum = 0.0;
                let mut best = (0.0, 0);
                // Four places within each pixel.
                for (dx, dy) in [(0.25, 0.25), (0.75, 0.25), (0.25, 0.75), (0.75, 0.75)] {
                    let x = column as f64 + dx - margins[0] as f64 + left;
                    let y = row as f64 + dy - margins[2] as f64 + top;
                    let (x, y) = (x * cos + y * sin, -x * sin + y * cos);
                    let x = x - lean * (height - y);
                    let (ink, owner) = self.at(x * FINE, y * FINE);
                    sum += ink;
                    if ink > best.0 {
                        best = (ink, owner);
                    }
                }
                page.ink[row * page_width + column] = sum / 4.0;
                page.owner[row * page_width + column] = best.1;
            }
        }
        page
    }

    /// Ink between the centres of four pixels, and the owner of the nearest.
    fn at(&self, x: f64, y: f64) -> (f32, u8) {
        let (x, y) = (x - 0.5, y - 0.5);
        let (x0, y0) = (x.floor(), y.floor());
        let (fx, fy) = ((x - x0) as f32, (y - y0) as f32);
        let mut ink = 0.0;
        let mut best = (0.0, 0);
        for (dx, dy, weight) in [
            (0.0, 0.0, (1.0 - fx) * (1.0 - fy)),
            (1.0, 0.0, fx * (1.0 - fy)),
            (0.0, 1.0, (1.0 - fx) * fy),
            (1.0, 1.0, fx * fy),
        ] {
            let (x, y) = (x0 + dx, y0 + dy);
            if x < 0.0 || y < 0.0 || x >= self.width as f64 || y >= self.height as f64 {
                continue;
            }
            let place = y as usize * self.width + x as usize;
            ink += weight * self.ink[place];
            if weight * self.ink[place] > best.0 {
                best = (weight * self.ink[place], self.owner[place]);
            }
        }
        (ink, best.1)
    }

    /// Left, top, width and height of each digit's seen ink; all 0 where another hides it.
    pub fn boxes(&self, digits: usize) -> Vec<[u32; 4]> {
        let mut bounds = vec![None::<[u32; 4]>; digits];
        for (place, (&ink, &owner)) in self.ink.iter().zip(&self.owner).enumerate() {
            if ink < SEEN || owner == 0 {
                continue;
            }
            let (x, y) = ((place % self.width) as u32, (place / self.width) as u32);
            let one = &mut bounds[usize::from(owner) - 1];
            let [left, top, right, bottom] = one.unwrap_or([x, y, x, y]);
            *one = Some([left.min(x), top.min(y), right.max(x), bottom.max(y)]);
        }
        let size =
            |[left, top, right, bottom]: [u32; 4]| [left, top, right + 1 - left, bottom + 1 - top];
        bounds.into_iter().map(|one| one.map_or([0; 4], size)).collect()
    }
}

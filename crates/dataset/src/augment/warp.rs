//! One look-up per pixel: flips, affine maps, perspective and elastic displacement together.

use crate::augment::affine::Affine;
use crate::augment::augmentation::{Augmentation, Scratch};
use crate::augment::elastic::{Elastic, Field};
use crate::augment::flip::Flip;
use crate::augment::geometry::Map;
use crate::augment::padding::PaddingCrop;
use crate::augment::perspective::Perspective;
use crate::image::Image;
use crate::random::Random;

/// Everything that moves pixels, in one look-up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Warp {
    pub flip: Flip,
    pub padding: PaddingCrop,
    pub affine: Affine,
    pub perspective: Perspective,
    pub elastic: Elastic,
    /// That the last three are done.
    pub probability: f64,
    pub border: Border,
}

impl Warp {
    pub(crate) fn is_on(&self) -> bool {
        self.flip.is_on() || self.padding.padding > 0 || self.distorts()
    }

    fn distorts(&self) -> bool {
        self.affine.is_on() || self.perspective.is_on() || self.elastic.is_on()
    }
}

impl Augmentation for Warp {
    fn name(&self) -> &str {
        "warp"
    }

    fn lane(&self) -> u32 {
        Affine::LANE.into()
    }

    fn apply(&self, image: &mut Image, random: &mut Random, scratch: &mut Scratch) {
        let (height, width) = (image.height, image.width);
        let lane = |lane: u8| random.clone().lane(lane);
        // Maps lead from the result to the image, so the last change comes first.
        let flip = self.flip.draw(height, width, lane(Flip::LANE));
        let mut map = self.padding.draw(lane(PaddingCrop::LANE)).then(&flip);
        let mut field = None;
        let mut random = lane(Affine::LANE);
        if self.distorts() && random.chance(self.probability) {
            map = self.affine.draw(height, width, &mut random).then(&map);
            if self.perspective.is_on()
                && let Some(perspective) =
                    self.perspective.draw(height, width, lane(Perspective::LANE))
            {
                map = perspective.then(&map);
            }
            if self.elastic.is_on() {
                self.elastic.draw(height, width, lane(Elastic::LANE), &mut scratch.field);
                field = Some(&scratch.field);
            }
        }
        if map == Map::IDENTITY && field.is_none() {
            return;
        }
        warp(image, &map, field, self.border, &mut scratch.pixels);
        std::mem::swap(&mut image.pixels, &mut scratch.pixels);
    }
}

/// What lies beyond the border of an image that is moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Border {
    /// Black; the border pixels fade into it. The default.
    #[default]
    Black,
    /// The nearest pixel, over and over.
    Edge,
    /// The image mirrored, without repeating its border pixels.
    Reflect,
}

impl Border {
    /// The place inside `0..len` that stands for `place`; `None` is black.
    fn inside(self, place: i32, len: i32) -> Option<usize> {
        let place = match self {
            _ if (0..len).contains(&place) => place,
            Border::Black => return None,
            Border::Edge => place.clamp(0, len - 1),
            Border::Reflect if len == 1 => 0,
            Border::Reflect => {
                let period = 2 * (len - 1);
                let place = place.rem_euclid(period);
                if place < len { place } else { period - place }
            }
        };
        Some(place as usize) // 0..len by now
    }
}

/// Coordinates stay within this, so that neighbours can be counted in 32 bits.
const FAR: f32 = 1e6;

/// Writes the image whose pixel at `p` is the bilinear value of `image` at `map(p + field(p))`,
/// rounded half up.
///
/// Coordinates are continuous: the first pixel reaches from 0 to 1 and has its centre at 0.5.
pub(crate) fn warp(
    image: &Image,
    map: &Map,
    field: Option<&Field>,
    border: Border,
    out: &mut Vec<u8>,
) {
    match image.channels {
        1 => warp_channels::<1>(image, map, field, border, out),
        _ => warp_channels::<3>(image, map, field, border, out),
    }
}

fn warp_channels<const CHANNELS: usize>(
    image: &Image,
    map: &Map,
    field: Option<&Field>,
    border: Border,
    out: &mut Vec<u8>,
) {
    let (height, width) = (image.height, image.width);
    let (pixels, _) = image.pixels.as_chunks::<CHANNELS>();
    let (last_row, last_column) = (height as i32 - 1, width as i32 - 1);
    out.clear();
    for row in 0..height {
        for column in 0..width {
            let (mut x, mut y) = (column as f32 + 0.5, row as f32 + 0.5);
            if let Some(field) = field {
                x += field.x[row * width + column];
                y += field.y[row * width + column];
            }
            let (x, y) = map.apply(x, y);
            let (x, y) = ((x - 0.5).clamp(-FAR, FAR), (y - 0.5).clamp(-FAR, FAR));
            let (left, top) = (floor(x), floor(y));
            let (right_share, lower_share) = (x - left as f32, y - top as f32);
            let inner = (0..last_column).contains(&left) && (0..last_row).contains(&top);
            let corners: [[f32; CHANNELS]; 4] = if inner {
                let first = top as usize * width + left as usize;
                [first, first + 1, first + width, first + width + 1]
                    .map(|place| pixels[place].map(f32::from))
            } else {
                [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(down, right)| {
                    let row = border.inside(top + down, height as i32);
                    let column = border.inside(left + right, width as i32);
                    match (row, column) {
                        (Some(row), Some(column)) => pixels[row * width + column].map(f32::from),
                        _ => [0.0; CHANNELS],
                    }
                })
            };
            let [upper_left, upper_right, lower_left, lower_right] = corners;
            let value: [u8; CHANNELS] = std::array::from_fn(|c| {
                let upper = upper_left[c] + (upper_right[c] - upper_left[c]) * right_share;
                let lower = lower_left[c] + (lower_right[c] - lower_left[c]) * right_share;
                (upper + (lower - upper) * lower_share + 0.5) as u8
            });
            out.extend_from_slice(&value);
        }
    }
}

/// Without the call that `f32::floor` is on a plain x86-64; the argument is within [`FAR`].
fn floor(x: f32) -> i32 {
    let toward_zero = x as i32;
    toward_zero - i32::from(x < toward_zero as f32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::augment::geometry::Map;

    fn row(values: &[u8]) -> Image {
        Image::new(1, values.len(), 1, values.to_vec()).unwrap()
    }

    fn shifted(image: &Image, by: f64, border: Border) -> Vec<u8> {
        let mut out = Vec::new();
        // The pixel at x comes from x - by.
        warp(image, &Map::IDENTITY.then(&Map::shift(-by, 0.0)), None, border, &mut out);
        out
    }

    #[test]
    fn nothing_done_changes_no_byte() {
        let pixels: Vec<u8> = (0..75).map(|place| (place * 37 % 256) as u8).collect();
        let image = Image::new(5, 5, 3, pixels).unwrap();
        let mut out = Vec::new();
        warp(&image, &Map::IDENTITY, None, Border::Black, &mut out);
        assert_eq!(out, image.pixels);
    }

    #[test]
    fn a_whole_shift_moves_bytes_and_each_border_fills_its_way() {
        let image = row(&[10, 20, 30, 40]);
        assert_eq!(shifted(&image, 2.0, Border::Black), [0, 0, 10, 20]);
        assert_eq!(shifted(&image, 2.0, Border::Edge), [10, 10, 10, 20]);
        assert_eq!(shifted(&image, 2.0, Border::Reflect), [30, 20, 10, 20]);
        // A period of 6 further on: 10 20 30 40 30 20 | 10 20 …, from place 9 on.
        assert_eq!(shifted(&image, -9.0, Border::Reflect), [40, 30, 20, 10]);
    }

    #[test]
    fn half_a_shift_is_the_mean_of_neighbours() {
        assert_eq!(shifted(&row(&[10, 20, 30]), 0.5, Border::Black), [5, 15, 25]);
    }

    #[test]
    fn a_place_that_is_no_number_is_no_fault() {
        let nowhere = Map([[f64::NAN; 3], [f64::INFINITY; 3], [0.0; 3]]);
        let mut out = Vec::new();
        for border in [Border::Black, Border::Edge, Border::Reflect] {
            warp(&row(&[1, 2, 3]), &nowhere, None, border, &mut out);
            assert_eq!(out.len(), 3);
        }
    }

    #[test]
    fn flooring_is_that_of_the_library() {
        for x in [-2.5f32, -2.0, -0.5, -0.0, 0.0, 0.25, 1.0, 7.75, -FAR, FAR] {
            assert_eq!(floor(x), x.floor() as i32);
        }
    }
}

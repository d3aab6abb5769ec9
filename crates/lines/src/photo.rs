//! A sheet as a photograph shows it: on a table, from an angle, under some light.

use image::codecs::jpeg::JpegEncoder;
use image::{ImageReader, RgbImage};
use imageproc::filter::gaussian_blur_f32;
use imageproc::geometric_transformations::Projection;
use serde::{Deserialize, Serialize};
use taper_dataset::Image;
use taper_dataset::random::Random;

use crate::canvas::{Canvas, Colour, Sides};

/// How a photograph strays from the sheet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Photo {
    /// How far the sheet is turned beyond its quarter turns, in degrees.
    pub angle: f64,
    /// How far its corners stray from a rectangle, in shares of its height.
    pub perspective: f64,
    /// How much of the light a gradient takes.
    pub gradient: f64,
    /// How bright a glare is; 0: none.
    pub glare: f64,
    /// How much light the shadow of a hand takes; 0: none.
    pub shadow: f64,
    /// Standard deviation of the blur, in pixels.
    pub blur: f64,
    /// Standard deviation of the noise, in grey levels.
    pub noise: f64,
    /// Quality of the JPEG file.
    pub quality: u8,
}

impl Photo {
    /// Draws one; blur goes by the height of digits in pixels.
    pub(crate) fn draw(digit_height: f64, random: &mut Random) -> Self {
        let some =
            |random: &mut Random, chance: f64, low: f64, high: f64| match random.chance(chance) {
                true => random.between(low, high),
                false => 0.0,
            };
        Self {
            angle: match random.below(5) {
                0 => random.between(-35.0, 35.0),
                _ => random.between(-9.0, 9.0),
            },
            perspective: random.between(0.0, 0.09),
            gradient: random.between(0.0, 0.45),
            glare: some(random, 0.25, 0.2, 0.8),
            shadow: some(random, 0.25, 0.2, 0.5),
            blur: random.between(0.0, 0.05) * digit_height.min(30.0),
            noise: random.between(0.0, 8.0),
            quality: 40 + random.below(53) as u8,
        }
    }
}

/// A picture taken of a sheet.
pub(crate) struct Taken {
    pub picture: Image,
    pub jpeg: Vec<u8>,
    /// From the sheet to the picture.
    pub onto: Projection,
}

/// The corners of a part, in a picture that it is projected onto.
pub(crate) fn corners(onto: &Projection, [left, top, right, bottom]: Sides) -> [[f32; 2]; 4] {
    let places = [(left, top), (right, top), (right, bottom), (left, bottom)];
    places.map(|(x, y)| {
        let (x, y) = *onto * (x as f32, y as f32);
        [x, y]
    })
}

/// Takes a picture of a sheet that is turned by so many quarters to the right.
pub(crate) fn take(sheet: &Canvas, photo: &Photo, quarters: u8, random: &mut Random) -> Taken {
    let (width, height) = (sheet.width as f64, sheet.height as f64);
    let (sin, cos) = (photo.angle + 90.0 * f64::from(quarters)).to_radians().sin_cos();
    let mut places = [(0.0, 0.0), (width, 0.0), (width, height), (0.0, height)].map(|(x, y)| {
        let (x, y) = (x - width / 2.0, y - height / 2.0);
        let stray = |random: &mut Random| photo.perspective * height * random.between(-1.0, 1.0);
        (x * cos - y * sin + stray(random), x * sin + y * cos + stray(random))
    });
    let bound = |of: fn(&(f64, f64)) -> f64, pick: fn(f64, f64) -> f64| {
        places.iter().map(of).reduce(pick).unwrap_or(0.0)
    };
    let (left, right) = (bound(|p| p.0, f64::min), bound(|p| p.0, f64::max));
    let (top, bottom) = (bound(|p| p.1, f64::min), bound(|p| p.1, f64::max));
    let mut margin = || random.between(0.03, 0.25) * height;
    let margins = [margin(), margin(), margin(), margin()];
    for place in &mut places {
        *place = (place.0 - left + margins[0], place.1 - top + margins[1]);
    }
    let size = (
        (right - left + margins[0] + margins[2]) as usize,
        (bottom - top + margins[1] + margins[3]) as usize,
    );
    let from = [(0.0, 0.0), (width, 0.0), (width, height), (0.0, height)];
    let single = |places: [(f64, f64); 4]| places.map(|(x, y)| (x as f32, y as f32));
    let onto = Projection::from_control_points(single(from), single(places))
        .expect("the corners of a sheet are no line");
    let back = onto.invert();

    let mut picture = table(size, random);
    let edge = random.between(0.0, 0.5);
    for y in 0..size.1 {
        for x in 0..size.0 {
            let (u, v) = back * (x as f32 + 0.5, y as f32 + 0.5);
            let (u, v) = (f64::from(u), f64::from(v));
            let inside = u.min(width - u).min(v).min(height - v);
            let pixel = &mut picture.pixels[y * size.0 + x];
            // The sheet's own shadow.
            let lower = (u - 2.0).min(width + 3.0 - u).min(v - 2.0).min(height + 3.0 - v);
            let dim = 1.0 - edge * (lower / 3.0 + 1.0).clamp(0.0, 1.0);
            pixel.iter_mut().for_each(|value| *value *= dim as f32);
            let share = (inside + 0.5).clamp(0.0, 1.0) as f32;
            if share > 0.0 {
                let on_sheet = sample(sheet, u - 0.5, v - 0.5);
                for (value, seen) in pixel.iter_mut().zip(on_sheet) {
                    *value += share * (seen - *value);
                }
            }
        }
    }
    light(&mut picture, photo, random);
    let (picture, jpeg) = develop(&picture, photo, random);
    Taken { picture, jpeg, onto }
}

/// The colour between four pixels.
fn sample(sheet: &Canvas, x: f64, y: f64) -> Colour {
    let (x, y) =
        (x.clamp(0.0, sheet.width as f64 - 1.001), y.clamp(0.0, sheet.height as f64 - 1.001));
    let (column, row) = (x as usize, y as usize);
    let (fx, fy) = ((x - column as f64) as f32, (y - row as f64) as f32);
    let at = |x: usize, y: usize| sheet.pixels[y * sheet.width + x];
    let (a, b) = (at(column, row), at((column + 1).min(sheet.width - 1), row));
    let below = (row + 1).min(sheet.height - 1);
    let (c, d) = (at(column, below), at((column + 1).min(sheet.width - 1), below));
    std::array::from_fn(|i| {
        (a[i] * (1.0 - fx) + b[i] * fx) * (1.0 - fy) + (c[i] * (1.0 - fx) + d[i] * fx) * fy
    })
}

/// A table: plain, of wood, or of cloth.
fn table((width, height): (usize, usize), random: &mut Random) -> Canvas {
    let base = random.between(25.0, 190.0) as f32;
    let tint = [random.between(0.0, 25.0) as f32, 0.0, -random.between(0.0, 25.0) as f32];
    let mut canvas = Canvas::new(width, height, tint.map(|tint| base + tint));
    let (kind, period) = (random.below(4), random.between(6.0, 60.0));
    let strength = random.between(4.0, 22.0);
    let (sin, cos) = random.between(0.0, std::f64::consts::TAU).sin_cos();
    for (place, pixel) in canvas.pixels.iter_mut().enumerate() {
        let (x, y) = ((place % width) as f64, (place / width) as f64);
        let (u, v) = (x * cos + y * sin, y * cos - x * sin);
        let change = match kind {
            0 => 0.0,
            1 => ((v + 6.0 * (u / 90.0).sin()) / period * 6.0).sin() + 0.5 * (v / period).sin(),
            2 => (u / 2.2).sin() * (v / 2.2).sin(),
            _ => f64::from(random.normals()[0]),
        };
        pixel.iter_mut().for_each(|value| *value += (strength * change) as f32);
    }
    canvas
}

fn light(picture: &mut Canvas, photo: &Photo, random: &mut Random) {
    let (width, height) = (picture.width as f64, picture.height as f64);
    let (sin, cos) = random.between(0.0, std::f64::consts::TAU).sin_cos();
    let place = |random: &mut Random| [random.uniform() * width, random.uniform() * height];
    let glare = (place(random), random.between(0.08, 0.25) * width);
    // Fingers come from an edge.
    let from = place(random);
    let fingers: Vec<([f64; 2], f64)> = (0..4)
        .map(|_| {
            let off = [random.between(-0.2, 0.2) * width, random.between(-0.2, 0.2) * height];
            (
                [from[0] + off[0], from[1].min(height - from[1]) * 0.4 + off[1]],
                random.between(0.06, 0.2) * width,
            )
        })
        .collect();
    for (at, pixel) in picture.pixels.iter_mut().enumerate() {
        let (x, y) = ((at % picture.width) as f64, (at / picture.width) as f64);
        let along = ((x - width / 2.0) * cos + (y - height / 2.0) * sin) / width.max(height);
        let mut share = 1.0 - photo.gradient * (along + 0.5).clamp(0.0, 1.0);
        if photo.shadow > 0.0 {
            let near = |&([fx, fy], radius): &([f64; 2], f64)| {
                (1.3 - (x - fx).hypot(y - fy) / radius) / 0.3
            };
            let dark = fingers.iter().map(near).fold(0.0, f64::max).clamp(0.0, 1.0);
            share *= 1.0 - photo.shadow * dark;
        }
        let ([gx, gy], radius) = glare;
        let off = ((x - gx).powi(2) + 2.0 * (y - gy).powi(2)) / (radius * radius);
        let glow = (255.0 * photo.glare * (-off).exp()) as f32;
        pixel.iter_mut().for_each(|value| {
            *value = *value * share as f32 + glow * (1.0 - *value * share as f32 / 255.0)
        });
    }
}

/// Blur, noise and a JPEG file; the picture is what the file shows.
fn develop(picture: &Canvas, photo: &Photo, random: &mut Random) -> (Image, Vec<u8>) {
    let Image { width, height, pixels, .. } = picture.to_image();
    let image =
        RgbImage::from_raw(width as u32, height as u32, pixels).expect("three bytes a pixel");
    let mut image =
        if photo.blur > 0.3 { gaussian_blur_f32(&image, photo.blur as f32) } else { image };
    for pixels in image.chunks_mut(6) {
        let normals = random.normals();
        for (pixel, normal) in pixels.chunks_mut(3).zip(normals) {
            for value in pixel {
                *value = (f32::from(*value) + photo.noise as f32 * normal).round().clamp(0.0, 255.0)
                    as u8;
            }
        }
    }
    let mut jpeg = Vec::new();
    JpegEncoder::new_with_quality(&mut jpeg, photo.quality)
        .encode_image(&image)
        .expect("a picture in colour fits a JPEG file");
    let reader = ImageReader::with_format(std::io::Cursor::new(&jpeg), image::ImageFormat::Jpeg);
    let seen = reader.decode().expect("what was encoded can be decoded").into_rgb8();
    (Image { height, width, channels: 3, pixels: seen.into_raw() }, jpeg)
}

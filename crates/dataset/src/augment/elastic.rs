//! Elastic distortion: a smooth random displacement of every pixel.
//!
//! Simard, Steinkraus and Platt, "Best practices for convolutional neural networks applied to
//! visual document analysis", 2003: independent displacements from -1 to 1, smoothed by a Gaussian
//! of deviation sigma, times alpha.

use crate::random::Random;

/// How strong it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Elastic {
    /// Factor of the smoothed displacements, in pixels.
    pub alpha: f64,
    /// Deviation of the Gaussian that smooths them, in pixels.
    pub sigma: f64,
}

impl Elastic {
    pub(crate) const LANE: u8 = 6;

    pub(crate) fn is_on(&self) -> bool {
        self.alpha > 0.0
    }

    /// Fills a field for an image of `height` x `width`.
    pub(crate) fn draw(&self, height: usize, width: usize, mut random: Random, field: &mut Field) {
        gaussian(self.sigma, &mut field.kernel);
        for part in [&mut field.x, &mut field.y] {
            uniform(height * width, self.alpha as f32, &mut random, part);
            smooth(part, height, width, &field.kernel, &mut field.between);
        }
    }
}

/// A displacement in pixels for every pixel, row by row.
#[derive(Debug, Default)]
pub(crate) struct Field {
    pub x: Vec<f32>,
    pub y: Vec<f32>,
    /// What smoothing needs in between.
    between: Vec<f32>,
    kernel: Vec<f32>,
}

/// Numbers from `-most` to `most`, one of 65,536 each: 16 bits are enough here.
fn uniform(count: usize, most: f32, random: &mut Random, out: &mut Vec<f32>) {
    out.clear();
    for _ in 0..count.div_ceil(2) {
        let bits = random.next_u32();
        for half in [bits as u16, (bits >> 16) as u16] {
            out.push(((f32::from(half) + 0.5) / 32768.0 - 1.0) * most);
        }
    }
    out.truncate(count);
}

/// The weights of a Gaussian up to three deviations, adding up to 1: `scipy.ndimage`'s with
/// `truncate=3`.
pub(crate) fn gaussian(sigma: f64, out: &mut Vec<f32>) {
    let radius = (3.0 * sigma + 0.5).floor();
    let weight = |place: f64| (-0.5 * (place / sigma).powi(2)).exp();
    let count = 2 * radius as usize + 1;
    let weights = (0..count).map(|place| weight(place as f64 - radius));
    let total: f64 = weights.clone().sum();
    out.clear();
    out.extend(weights.map(|weight| (weight / total) as f32));
}

/// Smooths along columns, then rows; beyond the border all is 0.
///
/// Each tap is added to whole rows, so that the compiler makes vectors of it.
pub(crate) fn smooth(
    values: &mut [f32],
    height: usize,
    width: usize,
    kernel: &[f32],
    between: &mut Vec<f32>,
) {
    let radius = kernel.len() / 2;
    let padded = width + 2 * radius;
    // Along the columns, into rows with room for the kernel on both sides.
    between.clear();
    between.resize(height * padded, 0.0);
    for (row, out) in between.chunks_exact_mut(padded).enumerate() {
        let out = &mut out[radius..radius + width];
        let first = row.saturating_sub(radius);
        let end = (row + radius + 1).min(height);
        for (from, &weight) in (first..end).zip(&kernel[first + radius - row..]) {
            let line = &values[from * width..][..width];
            out.iter_mut().zip(line).for_each(|(out, &value)| *out += weight * value);
        }
    }
    for (out, line) in values.chunks_exact_mut(width).zip(between.chunks_exact(padded)) {
        out.fill(0.0);
        for (tap, &weight) in kernel.iter().enumerate() {
            let line = &line[tap..tap + width];
            out.iter_mut().zip(line).for_each(|(out, &value)| *out += weight * value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Purpose;

    #[test]
    fn displacements_have_the_deviation_that_theory_gives() {
        let mut field = Field::default();
        let random = Random::new(0, Purpose::Augment, 0, 0);
        let (alpha, sigma) = (34.0, 4.0);
        Elastic { alpha, sigma }.draw(200, 200, random, &mut field);
        // Uniform noise has deviation 1/sqrt 3; smoothing leaves 1/(2 sqrt(pi) sigma) of it, away
        // from the border. About (200 / 2 sqrt(pi) sigma)^2 = 200 independent values: 15 %.
        let expected = alpha / 3f64.sqrt() / (2.0 * std::f64::consts::PI.sqrt() * sigma);
        let inner = |part: &[f32]| {
            let rows = (20..180).flat_map(|row| &part[row * 200 + 20..row * 200 + 180]);
            (rows.map(|&d| f64::from(d * d)).sum::<f64>() / 25_600.0).sqrt()
        };
        for part in [&field.x, &field.y] {
            let deviation = inner(part);
            assert!((deviation / expected - 1.0).abs() < 0.15, "{deviation}, {expected}");
        }
        assert_ne!(field.x, field.y);
    }

    #[test]
    fn a_constant_stays_constant_away_from_the_border() {
        let mut kernel = Vec::new();
        gaussian(1.0, &mut kernel);
        assert_eq!(kernel.len(), 7);
        let mut values = vec![2.0; 9 * 8];
        smooth(&mut values, 9, 8, &kernel, &mut Vec::new());
        assert!((values[4 * 8 + 4] - 2.0).abs() < 1e-5, "{}", values[4 * 8 + 4]);
        assert!(values[0] < 1.0);
    }
}

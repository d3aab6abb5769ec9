//! Numbers that are not evenly spread.

use super::Random;

impl Random {
    /// Whether something of this probability happens.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.uniform() < probability
    }

    /// A number in [low, high), each equally likely; `low` if the two are equal.
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.uniform()
    }

    /// A number of the normal distribution of mean 0 and deviation 1 (Box and Muller).
    pub fn normal(&mut self) -> f64 {
        // 1 - u is above 0, so its logarithm is finite.
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// Two numbers as [`Random::normal`] gives one, from 64 random bits: for many at once.
    pub fn normals(&mut self) -> [f32; 2] {
        // Of 24 bits each; the first is above 0.
        let mut share = || ((self.next_u32() >> 8) as f32 + 0.5) / (1 << 24) as f32;
        let radius = (-2.0 * share().ln()).sqrt();
        let (sin, cos) = (std::f32::consts::TAU * share()).sin_cos();
        [radius * cos, radius * sin]
    }

    /// A number of the gamma distribution of scale 1 (Marsaglia and Tsang, 2000); `shape` above 0.
    pub fn gamma(&mut self, shape: f64) -> f64 {
        if shape < 1.0 {
            // Their section 6: gamma(a) = gamma(a + 1) * u^(1 / a).
            let lift = (1.0 - self.uniform()).powf(1.0 / shape);
            return self.gamma(shape + 1.0) * lift;
        }
        let d = shape - 1.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        loop {
            let x = self.normal();
            let v = (1.0 + c * x).powi(3);
            if v > 0.0 && (1.0 - self.uniform()).ln() < 0.5 * x * x + d - d * v + d * v.ln() {
                return d * v;
            }
        }
    }

    /// A number in [0, 1] of the beta distribution with both parameters `alpha`, above 0.
    pub fn beta(&mut self, alpha: f64) -> f64 {
        let (one, other) = (self.gamma(alpha), self.gamma(alpha));
        // Tiny parameters can make both 0.
        if one + other > 0.0 { one / (one + other) } else { f64::from(self.next_u32() & 1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Purpose;

    /// Mean and variance of 20,000 numbers.
    fn moments(draw: impl Fn(&mut Random) -> f64) -> (f64, f64) {
        let mut random = Random::new(3, Purpose::Augment, 0, 0);
        let numbers: Vec<f64> = (0..20_000).map(|_| draw(&mut random)).collect();
        let mean = numbers.iter().sum::<f64>() / 2e4;
        (mean, numbers.iter().map(|number| (number - mean).powi(2)).sum::<f64>() / 2e4)
    }

    #[test]
    fn distributions_have_their_mean_and_variance() {
        // Five standard deviations of the mean, sqrt(variance / 20000), and of the variance, which
        // is below 3 * variance / sqrt(20000) for all of these but gamma(0.4): 5 / 141 * 4.
        for (name, (mean, variance), expected_mean, expected_variance) in [
            ("normal", moments(Random::normal), 0.0, 1.0),
            ("normals", moments(|random| f64::from(random.normals()[1])), 0.0, 1.0),
            ("gamma 0.4", moments(|random| random.gamma(0.4)), 0.4, 0.4),
            ("gamma 3", moments(|random| random.gamma(3.0)), 3.0, 3.0),
            // Beta: 1 / (4 (2 alpha + 1)).
            ("beta 0.2", moments(|random| random.beta(0.2)), 0.5, 1.0 / 5.6),
            ("beta 1", moments(|random| random.beta(1.0)), 0.5, 1.0 / 12.0),
            ("beta 8", moments(|random| random.beta(8.0)), 0.5, 1.0 / 68.0),
            ("between", moments(|random| random.between(-1.0, 3.0)), 1.0, 16.0 / 12.0),
        ] {
            let deviation: f64 = expected_variance;
            let error = (mean - expected_mean).abs();
            assert!(error < 5.0 * deviation.sqrt() / 141.0, "{name}: mean {mean}");
            let error = (variance - expected_variance).abs();
            assert!(error < 0.15 * expected_variance, "{name}: variance {variance}");
        }
    }

    #[test]
    fn a_chance_comes_as_often_as_it_says() {
        let (mean, _) = moments(|random| f64::from(u8::from(random.chance(0.3))));
        assert!((mean - 0.3).abs() < 5.0 * (0.3f64 * 0.7 / 2e4).sqrt(), "{mean}");
    }
}

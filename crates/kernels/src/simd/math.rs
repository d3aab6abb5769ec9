//! Elementary functions of vectors, out of arithmetic.

use super::vector::Simd;

/// `a * x + b` from the highest coefficient down.
#[inline(always)]
unsafe fn polynomial<S: Simd, const N: usize>(x: S::Vector, coefficients: [f32; N]) -> S::Vector {
    // SAFETY: arithmetic on registers; the caller has the features of `S`.
    unsafe {
        let mut y = S::splat(coefficients[0]);
        for &c in &coefficients[1..] {
            y = S::fma(y, x, S::splat(c));
        }
        y
    }
}

/// `e^x` within 2 units in the last place, zero and infinity at the ends; a NaN stays.
///
/// `x = n ln 2 + r` with whole `n`; a polynomial for `e^r`, the power of two in two halves so that
/// it may leave the range of normal numbers. The constants are those of S. Moshier's Cephes
/// library (`expf`), <https://www.netlib.org/cephes/>.
#[inline(always)]
pub(crate) unsafe fn exp<S: Simd>(x: S::Vector) -> S::Vector {
    // SAFETY: arithmetic on registers; the caller has the features of `S`.
    unsafe {
        let x = S::clamp_max(S::clamp_min(x, -104.), 89.);
        let n = S::round(S::mul(x, S::splat(std::f32::consts::LOG2_E)));
        let r = S::fma(n, S::splat(-0.693_359_4), x);
        let r = S::fma(n, S::splat(2.121_944_4e-4), r);
        let p = polynomial::<S, 6>(
            r,
            [1.987_569_2e-4, 1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5],
        );
        let y = S::add(S::fma(p, S::mul(r, r), r), S::splat(1.));
        let half = S::round(S::mul(n, S::splat(0.5)));
        S::mul(S::mul(y, S::exp2i(half)), S::exp2i(S::sub(n, half)))
    }
}

/// The standard normal distribution's cumulative function within 3e-7, 0 and 1 at the ends.
///
/// `1/2 + x P(x²) / Q(x²)`, where the fraction is closest to `erf(x / sqrt(2)) / 2` up to 5.6 (to
/// 1e-8; the rest is rounding): fitted by iteratively reweighted least squares to the error
/// function of SciPy 1.17.
#[inline(always)]
pub(crate) unsafe fn normal_cdf<S: Simd>(x: S::Vector) -> S::Vector {
    // SAFETY: arithmetic on registers; the caller has the features of `S`.
    unsafe {
        let x = S::clamp_max(S::clamp_min(x, -5.7), 5.7);
        let t = S::mul(x, x);
        let p = polynomial::<S, 6>(
            t,
            [
                2.214_517_5e-8,
                6.356_513_7e-6,
                1.738_509_2e-4,
                4.707_260_7e-3,
                3.437_614_8e-2,
                3.989_422_2e-1,
            ],
        );
        let q = polynomial::<S, 6>(
            t,
            [1.180_206_5e-6, 7.510_187_4e-5, 1.912_979_6e-3, 2.894_010_8e-2, 2.528_339_4e-1, 1.],
        );
        let half = S::div(S::mul(x, p), q);
        S::add(S::clamp_max(S::clamp_min(half, -0.5), 0.5), S::splat(0.5))
    }
}

/// The derivative of `x` times [`normal_cdf`], which is that function plus `x` times the density,
/// within 3e-7.
///
/// `1/2 + x P(x²) / Q(x²)`, fitted likewise up to 6 (to 5e-9); beyond, the value there.
#[inline(always)]
pub(crate) unsafe fn gelu_slope<S: Simd>(x: S::Vector) -> S::Vector {
    // SAFETY: arithmetic on registers; the caller has the features of `S`.
    unsafe {
        let x = S::clamp_max(S::clamp_min(x, -6.), 6.);
        let t = S::mul(x, x);
        let p = polynomial::<S, 8>(
            t,
            [
                -2.887_901_9e-11,
                1.300_202_4e-8,
                1.121_801_4e-6,
                3.202_715e-5,
                2.851_763_4e-4,
                1.356_911_2e-2,
                -1.804_063_7e-2,
                7.978_845e-1,
            ],
        );
        let q = polynomial::<S, 7>(
            t,
            [
                3.635_984_2e-7,
                1.081_160_6e-5,
                2.585_940_4e-4,
                4.150_083_9e-3,
                4.558_185e-2,
                3.107_222_6e-1,
                1.,
            ],
        );
        S::add(S::div(S::mul(x, p), q), S::splat(0.5))
    }
}

/// The logistic function `s(x) = 1 / (1 + e^-x)` and its derivative `s (1 - s)`, both with a small
/// relative error.
#[inline(always)]
pub(crate) unsafe fn logistic<S: Simd>(x: S::Vector) -> (S::Vector, S::Vector) {
    // SAFETY: arithmetic on registers; the caller has the features of `S`.
    unsafe {
        let one = S::splat(1.);
        let e = exp::<S>(S::sub(S::splat(0.), S::abs(x)));
        let larger = S::div(one, S::add(one, e));
        let smaller = S::mul(e, larger);
        let s = S::add(smaller, S::where_positive(x, S::sub(larger, smaller)));
        (s, S::mul(smaller, larger))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::{Isa, Kernel};

    struct Apply<F>(Vec<f32>, F);

    #[derive(Clone, Copy)]
    enum Function {
        Exp,
        Cdf,
        GeluSlope,
        Logistic,
        LogisticSlope,
    }

    impl Kernel for Apply<Function> {
        type Output = Vec<f32>;
        #[inline(always)]
        unsafe fn run<S: Simd>(mut self) -> Vec<f32> {
            for x in self.0.chunks_exact_mut(S::LANES) {
                // SAFETY: a chunk is a whole vector.
                unsafe {
                    let v = S::load(x.as_ptr());
                    let y = match self.1 {
                        Function::Exp => exp::<S>(v),
                        Function::Cdf => normal_cdf::<S>(v),
                        Function::GeluSlope => gelu_slope::<S>(v),
                        Function::Logistic => logistic::<S>(v).0,
                        Function::LogisticSlope => logistic::<S>(v).1,
                    };
                    S::store(x.as_mut_ptr(), y);
                }
            }
            self.0
        }
    }

    fn each(function: Function, x: &[f32], check: impl Fn(f32, f64)) {
        for isa in Isa::all() {
            let mut padded = x.to_vec();
            padded.resize(x.len().next_multiple_of(16), 0.);
            let y = isa.run(Apply(padded, function));
            for (&x, &y) in x.iter().zip(&y) {
                check(x, f64::from(y));
            }
        }
    }

    fn grid(low: f32, high: f32) -> Vec<f32> {
        (0..=4000).map(|i| low + (high - low) * i as f32 / 4000.).collect()
    }

    #[test]
    fn exponentials_are_right_to_two_units_in_the_last_place() {
        each(Function::Exp, &grid(-87., 88.), |x, y| {
            let expected = f64::from(x).exp();
            assert!((y - expected).abs() <= 2.4e-7 * expected, "{x}: {y} for {expected}");
        });
        each(Function::Exp, &[-1e9, f32::NEG_INFINITY, -104.5], |_, y| assert_eq!(y, 0.));
        each(Function::Exp, &[89., 1e9, f32::INFINITY], |_, y| assert_eq!(y, f64::INFINITY));
        each(Function::Exp, &[f32::NAN], |_, y| assert!(y.is_nan()));
        each(Function::Exp, &[0.], |_, y| assert_eq!(y, 1.));
    }

    #[test]
    fn the_normal_distribution_is_right_to_three_in_ten_million() {
        each(Function::Cdf, &grid(-9., 9.), |x, y| {
            let z = f64::from(x) * std::f64::consts::FRAC_1_SQRT_2;
            let expected = 0.5 * candle_core::cpu::erf::erfc_f64(-z);
            assert!((y - expected).abs() < 3e-7, "{x}: {y} for {expected}");
        });
        each(Function::Cdf, &[f32::NAN], |_, y| assert!(y.is_nan()));
        each(Function::Cdf, &[f32::INFINITY, 1e30], |_, y| assert_eq!(y, 1.));
        each(Function::Cdf, &[f32::NEG_INFINITY, -1e30], |_, y| assert_eq!(y, 0.));
    }

    #[test]
    fn the_slope_of_gelu_is_right_to_three_in_ten_million() {
        each(Function::GeluSlope, &grid(-20., 20.), |x, y| {
            let x = f64::from(x);
            let cdf = 0.5 * candle_core::cpu::erf::erfc_f64(-x * std::f64::consts::FRAC_1_SQRT_2);
            let density = (-0.5 * x * x).exp() / (2. * std::f64::consts::PI).sqrt();
            let expected = cdf + x * density;
            assert!((y - expected).abs() < 3e-7, "{x}: {y} for {expected}");
        });
        each(Function::GeluSlope, &[f32::NAN], |_, y| assert!(y.is_nan()));
        each(Function::GeluSlope, &[f32::INFINITY, 1e38], |_, y| assert!((y - 1.).abs() < 3e-7));
        each(Function::GeluSlope, &[f32::NEG_INFINITY], |_, y| assert!(y.abs() < 3e-7));
    }

    #[test]
    fn the_logistic_function_and_its_slope_are_right_to_a_millionth_of_their_size() {
        each(Function::Logistic, &grid(-80., 80.), |x, y| {
            let expected = 1. / (1. + (-f64::from(x)).exp());
            assert!((y - expected).abs() < 1e-6 * expected, "{x}: {y} for {expected}");
        });
        each(Function::LogisticSlope, &grid(-80., 80.), |x, y| {
            let s = 1. / (1. + f64::from(x).abs().exp());
            assert!((y - s * (1. - s)).abs() < 1e-6 * s, "{x}: {y}");
        });
        each(Function::Logistic, &[f32::NAN], |_, y| assert!(y.is_nan()));
        each(Function::Logistic, &[f32::INFINITY, 1e30], |_, y| assert_eq!(y, 1.));
        each(Function::Logistic, &[f32::NEG_INFINITY], |_, y| assert_eq!(y, 0.));
    }
}

//! Every operation of every instruction set of this machine against its meaning, lane by lane.

use super::{Isa, Kernel, Simd, sum_lanes};
use crate::counter::Counter;

/// Numbers of all kinds; the kernel's constants and a NaN among them.
fn numbers(seed: u64) -> [f32; 32] {
    let counter = Counter::new(seed);
    let mut x = std::array::from_fn(|i| (counter.normal(i as u64) * 3.) as f32);
    (x[1], x[5], x[9]) = (0., -0., f32::NAN);
    x
}

struct Operations;

impl Kernel for Operations {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let (mut a, mut b, c) = (numbers(1), numbers(2), numbers(3));
        (b[3], b[7]) = (a[3], f32::NAN);
        let n = S::LANES;
        macro_rules! lanes {
            ($what:literal, $v:expr, |$i:ident| $expected:expr) => {{
                let mut found = [0f32; 16];
                S::store(found.as_mut_ptr(), $v);
                for $i in 0..n {
                    let (found, expected): (f32, f32) = (found[$i], $expected);
                    let same = found == expected || found.is_nan() && expected.is_nan();
                    // A fused multiply-add rounds once.
                    let close = (found - expected).abs() <= 1e-6 * expected.abs().max(1.);
                    assert!(same || close, "{}, lane {}: {found} for {expected}", $what, $i);
                }
            }};
        }
        // SAFETY: arrays of 32 numbers, of which two vectors are used at most.
        unsafe {
            let (va, vb, vc) = (S::load(a.as_ptr()), S::load(b.as_ptr()), S::load(c.as_ptr()));
            lanes!("load", va, |i| a[i]);
            lanes!("splat", S::splat(2.5), |_i| 2.5);
            lanes!("add", S::add(va, vb), |i| a[i] + b[i]);
            lanes!("sub", S::sub(va, vb), |i| a[i] - b[i]);
            lanes!("mul", S::mul(va, vb), |i| a[i] * b[i]);
            lanes!("fma", S::fma(va, vb, vc), |i| a[i] * b[i] + c[i]);
            lanes!("div", S::div(va, S::splat(3.)), |i| a[i] / 3.);
            lanes!("max", S::max(va, vb), |i| if a[i] > b[i] { a[i] } else { b[i] });
            lanes!("clamp_min", S::clamp_min(va, 0.5), |i| if a[i] < 0.5 { 0.5 } else { a[i] });
            lanes!("clamp_max", S::clamp_max(va, 0.5), |i| if a[i] > 0.5 { 0.5 } else { a[i] });
            lanes!("abs", S::abs(va), |i| a[i].abs());
            lanes!("round", S::round(va), |i| a[i].round_ties_even());
            lanes!("relu", S::relu(va), |i| if a[i] < 0. { 0. } else { a[i] });
            let positive = S::where_positive(va, vc);
            lanes!("where_positive", positive, |i| if a[i] > 0. { c[i] } else { 0. });
            let equal = S::where_equal(va, vb, vc);
            lanes!("where_equal", equal, |i| if a[i] == b[i] { c[i] } else { 0. });
            let (best, index) = S::later_maximum(va, S::splat(1.), vb, S::splat(2.));
            let wins = |i: usize| b[i] > a[i] || b[i].is_nan() && !a[i].is_nan();
            lanes!("later_maximum", best, |i| if wins(i) { b[i] } else { a[i] });
            lanes!("later_maximum's index", index, |i| if wins(i) { 2. } else { 1. });
            let whole: [f32; 16] = std::array::from_fn(|i| i as f32 * 16. - 126.);
            let powers = S::exp2i(S::load(whole.as_ptr()));
            lanes!("exp2i", powers, |i| whole[i].exp2());

            for count in 0..n {
                let part = S::load_partial(a.as_ptr(), count);
                lanes!("load_partial", part, |i| if i < count { a[i] } else { 0. });
                let mut to = [7f32; 32];
                S::store_partial(to.as_mut_ptr(), vc, count);
                for (i, &v) in to.iter().enumerate() {
                    let expected = if i < count { c[i] } else { 7. };
                    assert!(
                        v == expected || v.is_nan() && expected.is_nan(),
                        "store_first {count}"
                    );
                }
            }
            (a[9], b[7]) = (9., 7.);
            let second = S::load(a.as_ptr().add(n));
            let (even, odd) = S::deinterleave(S::load(a.as_ptr()), second);
            lanes!("deinterleave", even, |i| a[2 * i]);
            lanes!("deinterleave", odd, |i| a[2 * i + 1]);
            let (low, high) = S::interleave(S::load(a.as_ptr()), S::load(b.as_ptr()));
            lanes!("interleave", low, |i| if i % 2 == 0 { a[i / 2] } else { b[i / 2] });
            lanes!("interleave", high, |i| {
                let at = n / 2 + i / 2;
                if i % 2 == 0 { a[at] } else { b[at] }
            });
            let small: [f32; 16] = std::array::from_fn(|i| (i * 17) as f32);
            let mut bytes = [99u8; 32];
            S::store_bytes(bytes.as_mut_ptr(), S::load(small.as_ptr()));
            assert!(bytes[..n].iter().zip(small).all(|(&byte, x)| f32::from(byte) == x));
            assert!(bytes[n..].iter().all(|&byte| byte == 99));
            lanes!("load_bytes", S::load_bytes(bytes.as_ptr()), |i| small[i]);
            let sum: f32 = small[..n].iter().sum();
            assert_eq!(sum_lanes::<S>(S::load(small.as_ptr())), sum);

            let from: Vec<f32> = (0..16 * 19).map(|i| i as f32).collect();
            let mut to = vec![-1f32; 16 * 21];
            S::transpose(from.as_ptr(), 19, to.as_mut_ptr(), 21);
            for (i, &v) in to.iter().enumerate() {
                let (row, column) = (i / 21, i % 21);
                let inside = row < n && column < n;
                assert_eq!(v, if inside { from[column * 19 + row] } else { -1. });
            }
            let counter = Counter::new(5);
            let first = u64::from(u32::MAX) - 3;
            let blocks: Vec<u32> = (0..8).flat_map(|i| counter.block(first + i)).collect();
            assert_eq!(S::philox8(&counter, first).to_vec(), blocks);
        }
    }
}

#[test]
fn every_operation_means_the_same_on_every_instruction_set() {
    for isa in Isa::all() {
        isa.run(Operations);
    }
}

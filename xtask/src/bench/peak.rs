//! What the machine can do: single-precision multiply-adds a second.

use std::hint::black_box;
use std::time::Instant;

use pulp::{Arch, Simd, WithSimd};
use serde::Serialize;

/// Independent chains of multiply-adds. Two units with a latency of four or five cycles need ten;
/// with two constants, twelve fit AVX2's 16 registers.
const CHAINS: usize = 12;

/// Length of each chain in one run: a few hundredths of a second.
const LENGTH: usize = 4_000_000;

/// Peak rates in GFLOP/s, a multiply-add counted as two.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Peak {
    /// The instruction set that was found.
    pub instructions: &'static str,
    /// One thread alone.
    pub one_thread: f64,
    /// All threads at once.
    pub all_threads: f64,
    /// How many that is.
    pub threads: usize,
}

/// Measures the peak with one thread and with all of rayon's: the best of a few runs each, as
/// anything that disturbs a run makes it slower.
pub fn measure() -> Peak {
    let threads = rayon::current_num_threads();
    let best = |threads| (0..7).map(|_| rate(threads)).fold(0.0, f64::max);
    Peak { instructions: instructions(), one_thread: best(1), all_threads: best(threads), threads }
}

fn rate(threads: usize) -> f64 {
    let started = Instant::now();
    let operations: f64 = std::thread::scope(|scope| {
        let run = || Arch::new().dispatch(Chains);
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(run)).collect();
        let own = run();
        // The closure has nothing that can panic.
        own + others.into_iter().map(|other| other.join().unwrap_or(0.0)).sum::<f64>()
    });
    operations / started.elapsed().as_secs_f64() / 1e9
}

struct Chains;

impl WithSimd for Chains {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f64 {
        // c -> c * 0.5 + 0.5 stays at 1: neither denormals nor infinities slow it down.
        let half = simd.splat_f32s(black_box(0.5));
        let mut chains = [simd.splat_f32s(black_box(1.0)); CHAINS];
        for _ in 0..LENGTH {
            for chain in &mut chains {
                *chain = simd.mul_add_e_f32s(*chain, half, half);
            }
        }
        for chain in chains {
            black_box(simd.reduce_sum_f32s(chain));
        }
        (2 * LENGTH * CHAINS * S::F32_LANES) as f64
    }
}

fn instructions() -> &'static str {
    struct Lanes;
    impl WithSimd for Lanes {
        type Output = usize;
        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) -> usize {
            S::F32_LANES
        }
    }
    match Arch::new().dispatch(Lanes) {
        16 => "AVX-512",
        8 => "AVX2 and FMA",
        4 => "128-bit",
        _ => "scalar",
    }
}

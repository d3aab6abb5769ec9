//! Vectors of 256 bits, with fused multiply-add.

use super::vector::{Kernel, Simd, functions};
use crate::counter::{Counter, MULTIPLIERS, ROUNDS, WEYL};
use std::arch::x86_64::*;

#[derive(Clone, Copy)]
pub(crate) struct Avx2;

/// Runs a kernel with the features switched on.
///
/// # Safety
///
/// The CPU has AVX2 and FMA.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn enter<K: Kernel>(kernel: K) -> K::Output {
    // SAFETY: the features are those of this function.
    unsafe { kernel.run::<Avx2>() }
}

/// A mask of the first `count` lanes.
#[inline(always)]
unsafe fn first(count: usize) -> __m256i {
    static ONES_THEN_ZEROS: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];
    // SAFETY: eight elements from `8 - count` on lie in the table for any count up to 8.
    unsafe { _mm256_loadu_si256(ONES_THEN_ZEROS.as_ptr().add(8 - count.min(8)).cast()) }
}

/// Half of a row and of the fourth one after it in one register, so that transposing needs only
/// shuffles within halves.
#[inline(always)]
unsafe fn pair(row: *const f32, stride: usize) -> __m256 {
    // SAFETY: the caller, `transpose`, has four elements in each of eight rows.
    unsafe {
        let low = _mm256_castps128_ps256(_mm_loadu_ps(row));
        _mm256_insertf128_ps::<1>(low, _mm_loadu_ps(row.add(4 * stride)))
    }
}

/// The low and high words of the products of eight words with a constant.
#[inline(always)]
unsafe fn multiply(words: __m256i, by: u64) -> (__m256i, __m256i) {
    // SAFETY: arithmetic on registers; the caller has AVX2.
    unsafe {
        let by = _mm256_set1_epi64x(by as i64);
        let even = _mm256_mul_epu32(words, by);
        let odd = _mm256_mul_epu32(_mm256_srli_epi64::<32>(words), by);
        (
            _mm256_blend_epi32::<0b1010_1010>(even, _mm256_slli_epi64::<32>(odd)),
            _mm256_blend_epi32::<0b1010_1010>(_mm256_srli_epi64::<32>(even), odd),
        )
    }
}

impl Simd for Avx2 {
    type Vector = __m256;
    const LANES: usize = 8;

    functions! {
        fn load(from: *const f32) -> __m256 { _mm256_loadu_ps(from) }
        fn load_partial(from: *const f32, count: usize) -> __m256 {
            _mm256_maskload_ps(from, first(count))
        }
        fn store(to: *mut f32, v: __m256) { _mm256_storeu_ps(to, v) }
        fn stream(to: *mut f32, v: __m256) { _mm256_stream_ps(to, v) }
        fn streamed() { _mm_sfence() }
        fn store_partial(to: *mut f32, v: __m256, count: usize) {
            _mm256_maskstore_ps(to, first(count), v)
        }
        fn splat(x: f32) -> __m256 { _mm256_set1_ps(x) }
        fn add(a: __m256, b: __m256) -> __m256 { _mm256_add_ps(a, b) }
        fn sub(a: __m256, b: __m256) -> __m256 { _mm256_sub_ps(a, b) }
        fn mul(a: __m256, b: __m256) -> __m256 { _mm256_mul_ps(a, b) }
        fn fma(a: __m256, b: __m256, c: __m256) -> __m256 { _mm256_fmadd_ps(a, b, c) }
        fn div(a: __m256, b: __m256) -> __m256 { _mm256_div_ps(a, b) }
        // The second operand comes out where one is a NaN.
        fn max(a: __m256, b: __m256) -> __m256 { _mm256_max_ps(a, b) }
        fn clamp_min(v: __m256, bound: f32) -> __m256 { _mm256_max_ps(_mm256_set1_ps(bound), v) }
        fn clamp_max(v: __m256, bound: f32) -> __m256 { _mm256_min_ps(_mm256_set1_ps(bound), v) }
        fn abs(v: __m256) -> __m256 { _mm256_andnot_ps(_mm256_set1_ps(-0.), v) }
        fn round(v: __m256) -> __m256 {
            _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(v)
        }
        fn exp2i(v: __m256) -> __m256 {
            let exponent = _mm256_add_epi32(_mm256_cvtps_epi32(v), _mm256_set1_epi32(127));
            _mm256_castsi256_ps(_mm256_slli_epi32::<23>(exponent))
        }
        // The second operand comes out where one is a NaN.
        fn relu(v: __m256) -> __m256 { _mm256_max_ps(_mm256_setzero_ps(), v) }
        fn where_positive(condition: __m256, value: __m256) -> __m256 {
            let mask = _mm256_cmp_ps::<_CMP_GT_OQ>(condition, _mm256_setzero_ps());
            _mm256_and_ps(mask, value)
        }
        fn later_maximum(a: __m256, index_a: __m256, b: __m256, index_b: __m256) -> (__m256, __m256) {
            let not_less = _mm256_cmp_ps::<_CMP_NLE_UQ>(b, a);
            let mask = _mm256_and_ps(not_less, _mm256_cmp_ps::<_CMP_ORD_Q>(a, a));
            (_mm256_blendv_ps(a, b, mask), _mm256_blendv_ps(index_a, index_b, mask))
        }
        fn where_equal(a: __m256, b: __m256, value: __m256) -> __m256 {
            _mm256_and_ps(_mm256_cmp_ps::<_CMP_EQ_OQ>(a, b), value)
        }
        fn deinterleave(a: __m256, b: __m256) -> (__m256, __m256) {
            // Within halves first, then their quarters in order: 0 2 1 3.
            let even = _mm256_castps_pd(_mm256_shuffle_ps::<0b10_00_10_00>(a, b));
            let odd = _mm256_castps_pd(_mm256_shuffle_ps::<0b11_01_11_01>(a, b));
            (
                _mm256_castpd_ps(_mm256_permute4x64_pd::<0b11_01_10_00>(even)),
                _mm256_castpd_ps(_mm256_permute4x64_pd::<0b11_01_10_00>(odd)),
            )
        }
        fn interleave(a: __m256, b: __m256) -> (__m256, __m256) {
            let (low, high) = (_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
            (_mm256_permute2f128_ps::<0x20>(low, high), _mm256_permute2f128_ps::<0x31>(low, high))
        }
        fn store_bytes(to: *mut u8, v: __m256) {
            let words = _mm256_cvttps_epi32(v);
            let (low, high) = (_mm256_castsi256_si128(words), _mm256_extracti128_si256::<1>(words));
            let halves = _mm_packs_epi32(low, high);
            _mm_storel_epi64(to.cast(), _mm_packus_epi16(halves, halves));
        }
        fn load_bytes(from: *const u8) -> __m256 {
            _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(from.cast())))
        }
        fn philox8(counter: &Counter, first: u64) -> [u32; 32] {
            let indices: [u64; 8] = std::array::from_fn(|i| first.wrapping_add(i as u64));
            let low = indices.map(|index| index as u32);
            let high = indices.map(|index| (index >> 32) as u32);
            let mut words = [
                _mm256_loadu_si256(low.as_ptr().cast()),
                _mm256_loadu_si256(high.as_ptr().cast()),
                _mm256_setzero_si256(),
                _mm256_setzero_si256(),
            ];
            let mut key = counter.key();
            for _ in 0..ROUNDS {
                let (a_low, a_high) = multiply(words[0], MULTIPLIERS[0]);
                let (b_low, b_high) = multiply(words[2], MULTIPLIERS[1]);
                let keys = key.map(|key| key as i32);
                words = [
                    _mm256_xor_si256(
                        _mm256_xor_si256(b_high, words[1]),
                        _mm256_set1_epi32(keys[0]),
                    ),
                    b_low,
                    _mm256_xor_si256(
                        _mm256_xor_si256(a_high, words[3]),
                        _mm256_set1_epi32(keys[1]),
                    ),
                    a_low,
                ];
                key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
            }
            // Words of a block side by side: four blocks of each half, then the halves in order.
            let (ab, ab2) = (
                _mm256_unpacklo_epi32(words[0], words[1]),
                _mm256_unpackhi_epi32(words[0], words[1]),
            );
            let (cd, cd2) = (
                _mm256_unpacklo_epi32(words[2], words[3]),
                _mm256_unpackhi_epi32(words[2], words[3]),
            );
            let pairs = [
                _mm256_unpacklo_epi64(ab, cd),
                _mm256_unpackhi_epi64(ab, cd),
                _mm256_unpacklo_epi64(ab2, cd2),
                _mm256_unpackhi_epi64(ab2, cd2),
            ];
            let mut out = [0u32; 32];
            for (half, out) in out.as_chunks_mut::<16>().0.iter_mut().enumerate() {
                for (pair, out) in pairs.iter().zip(out.as_chunks_mut::<4>().0) {
                    let block = match half {
                        0 => _mm256_castsi256_si128(*pair),
                        _ => _mm256_extracti128_si256::<1>(*pair),
                    };
                    _mm_storeu_si128(out.as_mut_ptr().cast(), block);
                }
            }
            out
        }
        fn transpose(from: *const f32, from_row: usize, to: *mut f32, to_row: usize) {
            for half in [0, 4] {
                let from = from.add(half);
                let (a, b) = (pair(from, from_row), pair(from.add(from_row), from_row));
                let c = pair(from.add(2 * from_row), from_row);
                let d = pair(from.add(3 * from_row), from_row);
                let (ab_low, ab_high) = (_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
                let (cd_low, cd_high) = (_mm256_unpacklo_ps(c, d), _mm256_unpackhi_ps(c, d));
                let to = to.add(half * to_row);
                _mm256_storeu_ps(to, _mm256_shuffle_ps::<0x44>(ab_low, cd_low));
                _mm256_storeu_ps(to.add(to_row), _mm256_shuffle_ps::<0xEE>(ab_low, cd_low));
                _mm256_storeu_ps(to.add(2 * to_row), _mm256_shuffle_ps::<0x44>(ab_high, cd_high));
                _mm256_storeu_ps(to.add(3 * to_row), _mm256_shuffle_ps::<0xEE>(ab_high, cd_high));
            }
        }
    }
}

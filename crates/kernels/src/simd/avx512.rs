//! Vectors of 512 bits.

use super::avx2::Avx2;
use super::vector::{Kernel, Simd, functions, load};
use crate::counter::Counter;
use std::arch::x86_64::*;

#[derive(Clone, Copy)]
pub(crate) struct Avx512;

/// Runs a kernel with the features switched on.
///
/// # Safety
///
/// The CPU has AVX-512 F, BW, DQ and VL, AVX2 and FMA.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
pub(super) unsafe fn enter<K: Kernel>(kernel: K) -> K::Output {
    // SAFETY: the features are those of this function.
    unsafe { kernel.run::<Avx512>() }
}

/// A mask of the first `count` lanes.
#[inline(always)]
fn first(count: usize) -> __mmask16 {
    // Sixteen lanes and more are all of them.
    ((1u32 << count.min(16)) - 1) as __mmask16
}

/// The indices of `deinterleave` and `interleave`: lanes of the first operand, then (from 16 on)
/// of the second.
static EVEN: [i32; 16] = [0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30];
static ODD: [i32; 16] = [1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31];
static LOW: [i32; 16] = [0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23];
static HIGH: [i32; 16] = [8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31];

/// The lanes of two vectors that a table names.
#[inline(always)]
unsafe fn pick(a: __m512, table: &[i32; 16], b: __m512) -> __m512 {
    // SAFETY: sixteen indices; the caller has AVX-512.
    unsafe { _mm512_permutex2var_ps(a, _mm512_loadu_si512(table.as_ptr().cast()), b) }
}

impl Simd for Avx512 {
    type Vector = __m512;
    const LANES: usize = 16;

    functions! {
        fn load(from: *const f32) -> __m512 { _mm512_loadu_ps(from) }
        fn load_partial(from: *const f32, count: usize) -> __m512 {
            _mm512_maskz_loadu_ps(first(count), from)
        }
        fn store(to: *mut f32, v: __m512) { _mm512_storeu_ps(to, v) }
        fn stream(to: *mut f32, v: __m512) { _mm512_stream_ps(to, v) }
        fn streamed() { _mm_sfence() }
        fn store_partial(to: *mut f32, v: __m512, count: usize) {
            _mm512_mask_storeu_ps(to, first(count), v)
        }
        fn splat(x: f32) -> __m512 { _mm512_set1_ps(x) }
        fn add(a: __m512, b: __m512) -> __m512 { _mm512_add_ps(a, b) }
        fn sub(a: __m512, b: __m512) -> __m512 { _mm512_sub_ps(a, b) }
        fn mul(a: __m512, b: __m512) -> __m512 { _mm512_mul_ps(a, b) }
        fn fma(a: __m512, b: __m512, c: __m512) -> __m512 { _mm512_fmadd_ps(a, b, c) }
        fn div(a: __m512, b: __m512) -> __m512 { _mm512_div_ps(a, b) }
        // Of two operands of which one is a NaN, maximum and minimum give the second.
        fn max(a: __m512, b: __m512) -> __m512 { _mm512_max_ps(a, b) }
        fn clamp_min(v: __m512, bound: f32) -> __m512 { _mm512_max_ps(_mm512_set1_ps(bound), v) }
        fn clamp_max(v: __m512, bound: f32) -> __m512 { _mm512_min_ps(_mm512_set1_ps(bound), v) }
        fn abs(v: __m512) -> __m512 { _mm512_abs_ps(v) }
        // No digits after the point: the upper half of the constant is zero.
        fn round(v: __m512) -> __m512 {
            _mm512_roundscale_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(v)
        }
        fn exp2i(v: __m512) -> __m512 {
            let exponent = _mm512_add_epi32(_mm512_cvtps_epi32(v), _mm512_set1_epi32(127));
            _mm512_castsi512_ps(_mm512_slli_epi32::<23>(exponent))
        }
        fn relu(v: __m512) -> __m512 { _mm512_max_ps(_mm512_setzero_ps(), v) }
        fn where_positive(condition: __m512, value: __m512) -> __m512 {
            let mask = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(condition, _mm512_setzero_ps());
            _mm512_maskz_mov_ps(mask, value)
        }
        fn later_maximum(a: __m512, index_a: __m512, b: __m512, index_b: __m512) -> (__m512, __m512) {
            let not_less = _mm512_cmp_ps_mask::<_CMP_NLE_UQ>(b, a);
            let mask = not_less & _mm512_cmp_ps_mask::<_CMP_ORD_Q>(a, a);
            (_mm512_mask_blend_ps(mask, a, b), _mm512_mask_blend_ps(mask, index_a, index_b))
        }
        fn where_equal(a: __m512, b: __m512, value: __m512) -> __m512 {
            _mm512_maskz_mov_ps(_mm512_cmp_ps_mask::<_CMP_EQ_OQ>(a, b), value)
        }
        fn deinterleave(a: __m512, b: __m512) -> (__m512, __m512) {
            (pick(a, &EVEN, b), pick(a, &ODD, b))
        }
        fn interleave(a: __m512, b: __m512) -> (__m512, __m512) {
            (pick(a, &LOW, b), pick(a, &HIGH, b))
        }
        fn store_bytes(to: *mut u8, v: __m512) {
            _mm_storeu_si128(to.cast(), _mm512_cvtepi32_epi8(_mm512_cvttps_epi32(v)))
        }
        fn load_bytes(from: *const u8) -> __m512 {
            _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(from.cast())))
        }
        fn philox8(counter: &Counter, first: u64) -> [u32; 32] { Avx2::philox8(counter, first) }
        fn transpose(from: *const f32, from_row: usize, to: *mut f32, to_row: usize) {
            let rows: [__m512; 16] = load::<Self, 16>(from, from_row);
            // Four rows at a time: quarter `l` of `fours[4 * g + j]` is column `4 * l + j` of the
            // rows from `4 * g` on.
            let mut fours = [_mm512_setzero_ps(); 16];
            for (four, rows) in fours.as_chunks_mut::<4>().0.iter_mut().zip(rows.as_chunks::<4>().0)
            {
                let low = [
                    _mm512_castps_pd(_mm512_unpacklo_ps(rows[0], rows[1])),
                    _mm512_castps_pd(_mm512_unpacklo_ps(rows[2], rows[3])),
                ];
                let high = [
                    _mm512_castps_pd(_mm512_unpackhi_ps(rows[0], rows[1])),
                    _mm512_castps_pd(_mm512_unpackhi_ps(rows[2], rows[3])),
                ];
                *four = [
                    _mm512_castpd_ps(_mm512_unpacklo_pd(low[0], low[1])),
                    _mm512_castpd_ps(_mm512_unpackhi_pd(low[0], low[1])),
                    _mm512_castpd_ps(_mm512_unpacklo_pd(high[0], high[1])),
                    _mm512_castpd_ps(_mm512_unpackhi_pd(high[0], high[1])),
                ];
            }
            for j in 0..4 {
                let [a, b, c, d] = [fours[j], fours[4 + j], fours[8 + j], fours[12 + j]];
                // Quarters 0 and 1 of two, then 2 and 3; of these the first and third, then the
                // second and fourth.
                let (ab, ab2) =
                    (_mm512_shuffle_f32x4::<0x44>(a, b), _mm512_shuffle_f32x4::<0xEE>(a, b));
                let (cd, cd2) =
                    (_mm512_shuffle_f32x4::<0x44>(c, d), _mm512_shuffle_f32x4::<0xEE>(c, d));
                let columns = [
                    _mm512_shuffle_f32x4::<0x88>(ab, cd),
                    _mm512_shuffle_f32x4::<0xDD>(ab, cd),
                    _mm512_shuffle_f32x4::<0x88>(ab2, cd2),
                    _mm512_shuffle_f32x4::<0xDD>(ab2, cd2),
                ];
                for (l, column) in columns.into_iter().enumerate() {
                    Self::store(to.add((4 * l + j) * to_row), column);
                }
            }
        }
    }
}

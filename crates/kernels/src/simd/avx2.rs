//! Vectors of 256 bits, with fused multiply-add.

use super::{Kernel, Simd};
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

// SAFETY (all functions): the features are there by the trait's promise, and pointers are used
// for the eight elements, or the `count` unmasked ones, that it promises.
impl Simd for Avx2 {
    type Vector = __m256;
    const LANES: usize = 8;

    #[inline(always)]
    unsafe fn load(from: *const f32) -> __m256 {
        unsafe { _mm256_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn load_first(from: *const f32, count: usize) -> __m256 {
        unsafe { _mm256_maskload_ps(from, first(count)) }
    }

    #[inline(always)]
    unsafe fn store(to: *mut f32, v: __m256) {
        unsafe { _mm256_storeu_ps(to, v) }
    }

    #[inline(always)]
    unsafe fn store_first(to: *mut f32, v: __m256, count: usize) {
        unsafe { _mm256_maskstore_ps(to, first(count), v) }
    }

    #[inline(always)]
    unsafe fn splat(x: f32) -> __m256 {
        unsafe { _mm256_set1_ps(x) }
    }

    #[inline(always)]
    unsafe fn add(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_add_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn sub(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_sub_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn mul(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_mul_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn fma(a: __m256, b: __m256, c: __m256) -> __m256 {
        unsafe { _mm256_fmadd_ps(a, b, c) }
    }

    #[inline(always)]
    unsafe fn relu(v: __m256) -> __m256 {
        // The second operand comes out where one is a NaN.
        unsafe { _mm256_max_ps(_mm256_setzero_ps(), v) }
    }

    #[inline(always)]
    unsafe fn where_positive(condition: __m256, value: __m256) -> __m256 {
        unsafe {
            let mask = _mm256_cmp_ps::<_CMP_GT_OQ>(condition, _mm256_setzero_ps());
            _mm256_and_ps(mask, value)
        }
    }

    #[inline(always)]
    unsafe fn later_maximum(
        a: __m256,
        index_a: __m256,
        b: __m256,
        index_b: __m256,
    ) -> (__m256, __m256) {
        unsafe {
            let not_less = _mm256_cmp_ps::<_CMP_NLE_UQ>(b, a);
            let mask = _mm256_and_ps(not_less, _mm256_cmp_ps::<_CMP_ORD_Q>(a, a));
            (_mm256_blendv_ps(a, b, mask), _mm256_blendv_ps(index_a, index_b, mask))
        }
    }

    #[inline(always)]
    unsafe fn where_equal(a: __m256, b: __m256, value: __m256) -> __m256 {
        unsafe { _mm256_and_ps(_mm256_cmp_ps::<_CMP_EQ_OQ>(a, b), value) }
    }

    #[inline(always)]
    unsafe fn store_bytes(to: *mut u8, v: __m256) {
        unsafe {
            let words = _mm256_cvttps_epi32(v);
            let (low, high) = (_mm256_castsi256_si128(words), _mm256_extracti128_si256::<1>(words));
            let halves = _mm_packs_epi32(low, high);
            _mm_storel_epi64(to.cast(), _mm_packus_epi16(halves, halves));
        }
    }

    #[inline(always)]
    unsafe fn load_bytes(from: *const u8) -> __m256 {
        unsafe { _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(from.cast()))) }
    }

    #[inline(always)]
    unsafe fn transpose(from: *const f32, from_row: usize, to: *mut f32, to_row: usize) {
        unsafe {
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

//! Vectors as arrays: the compiler makes of them what the target has (SSE2, NEON).

use super::vector::Simd;

#[derive(Clone, Copy)]
pub(crate) struct Portable;

const LANES: usize = 8;

#[derive(Clone, Copy)]
#[repr(align(32))]
pub(crate) struct Array([f32; LANES]);

#[inline(always)]
fn each(f: impl Fn(usize) -> f32) -> Array {
    Array(std::array::from_fn(f))
}

impl Simd for Portable {
    type Vector = Array;
    const LANES: usize = LANES;

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Array {
        // SAFETY: `LANES` elements are there, by the trait's promise.
        Array(unsafe { from.cast::<[f32; LANES]>().read_unaligned() })
    }

    #[inline(always)]
    unsafe fn load_partial(from: *const f32, count: usize) -> Array {
        // SAFETY: the first `count` elements are there, by the trait's promise.
        each(|i| if i < count { unsafe { *from.add(i) } } else { 0. })
    }

    #[inline(always)]
    unsafe fn store(to: *mut f32, v: Array) {
        // SAFETY: as in `load`.
        unsafe { to.cast::<[f32; LANES]>().write_unaligned(v.0) }
    }

    #[inline(always)]
    unsafe fn stream(to: *mut f32, v: Array) {
        // SAFETY: as in `load`.
        unsafe { Self::store(to, v) }
    }

    unsafe fn streamed() {}

    unsafe fn store_partial(to: *mut f32, v: Array, count: usize) {
        for (i, &x) in v.0.iter().enumerate().take(count) {
            // SAFETY: as in `load_partial`.
            unsafe { *to.add(i) = x }
        }
    }

    #[inline(always)]
    unsafe fn splat(x: f32) -> Array {
        Array([x; LANES])
    }

    #[inline(always)]
    unsafe fn add(a: Array, b: Array) -> Array {
        each(|i| a.0[i] + b.0[i])
    }

    #[inline(always)]
    unsafe fn sub(a: Array, b: Array) -> Array {
        each(|i| a.0[i] - b.0[i])
    }

    #[inline(always)]
    unsafe fn mul(a: Array, b: Array) -> Array {
        each(|i| a.0[i] * b.0[i])
    }

    #[inline(always)]
    unsafe fn fma(a: Array, b: Array, c: Array) -> Array {
        // Not `mul_add`, which is a call into the C library where the target has no such
        // instruction.
        each(|i| a.0[i] * b.0[i] + c.0[i])
    }

    #[inline(always)]
    unsafe fn div(a: Array, b: Array) -> Array {
        each(|i| a.0[i] / b.0[i])
    }

    #[inline(always)]
    unsafe fn max(a: Array, b: Array) -> Array {
        each(|i| if a.0[i] > b.0[i] { a.0[i] } else { b.0[i] })
    }

    #[inline(always)]
    unsafe fn clamp_min(v: Array, bound: f32) -> Array {
        each(|i| if v.0[i] < bound { bound } else { v.0[i] })
    }

    #[inline(always)]
    unsafe fn clamp_max(v: Array, bound: f32) -> Array {
        each(|i| if v.0[i] > bound { bound } else { v.0[i] })
    }

    #[inline(always)]
    unsafe fn abs(v: Array) -> Array {
        each(|i| v.0[i].abs())
    }

    #[inline(always)]
    unsafe fn round(v: Array) -> Array {
        // Adding 1.5 * 2^23 leaves no bits for a fraction.
        const SHIFT: f32 = 12_582_912.;
        each(|i| (v.0[i] + SHIFT) - SHIFT)
    }

    #[inline(always)]
    unsafe fn exp2i(v: Array) -> Array {
        each(|i| f32::from_bits(((v.0[i] as i32).wrapping_add(127) << 23) as u32))
    }

    #[inline(always)]
    unsafe fn relu(v: Array) -> Array {
        each(|i| if v.0[i] <= 0. { 0. } else { v.0[i] })
    }

    #[inline(always)]
    unsafe fn where_positive(condition: Array, value: Array) -> Array {
        each(|i| if condition.0[i] > 0. { value.0[i] } else { 0. })
    }

    #[inline(always)]
    unsafe fn later_maximum(a: Array, index_a: Array, b: Array, index_b: Array) -> (Array, Array) {
        let wins = |i: usize| b.0[i] > a.0[i] || (b.0[i].is_nan() && !a.0[i].is_nan());
        (
            each(|i| if wins(i) { b.0[i] } else { a.0[i] }),
            each(|i| if wins(i) { index_b.0[i] } else { index_a.0[i] }),
        )
    }

    #[inline(always)]
    unsafe fn where_equal(a: Array, b: Array, value: Array) -> Array {
        each(|i| if a.0[i] == b.0[i] { value.0[i] } else { 0. })
    }

    #[inline(always)]
    unsafe fn deinterleave(a: Array, b: Array) -> (Array, Array) {
        let at = |i: usize| if i < LANES { a.0[i] } else { b.0[i - LANES] };
        (each(|i| at(2 * i)), each(|i| at(2 * i + 1)))
    }

    #[inline(always)]
    unsafe fn interleave(a: Array, b: Array) -> (Array, Array) {
        let at = |i: usize| if i.is_multiple_of(2) { a.0[i / 2] } else { b.0[i / 2] };
        (each(at), each(|i| at(i + LANES)))
    }

    #[inline(always)]
    unsafe fn store_bytes(to: *mut u8, v: Array) {
        // SAFETY: as in `load`, of bytes.
        unsafe { to.cast::<[u8; LANES]>().write_unaligned(v.0.map(|x| x as u8)) }
    }

    #[inline(always)]
    unsafe fn load_bytes(from: *const u8) -> Array {
        // SAFETY: as in `load`, of bytes.
        Array(unsafe { from.cast::<[u8; LANES]>().read_unaligned() }.map(f32::from))
    }

    #[inline(always)]
    unsafe fn transpose(from: *const f32, from_row: usize, to: *mut f32, to_row: usize) {
        for i in 0..LANES {
            for j in 0..LANES {
                // SAFETY: `LANES` elements of as many rows are there, by the trait's promise.
                unsafe { *to.add(j * to_row + i) = *from.add(i * from_row + j) }
            }
        }
    }
}

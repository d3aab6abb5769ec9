//! The inner loop of every product: a few rows times one or two vectors, held in registers.

use crate::simd::Simd;

/// Where the operands of [`tile`] lie. The sum runs over `chunks * inner` steps: `inner` of them
/// at one stride, then a jump to the next chunk.
#[derive(Clone, Copy)]
pub(crate) struct Steps {
    pub chunks: usize,
    pub inner: usize,
    /// Distance of two steps, and of two chunks, in the rows' operand.
    pub a_step: usize,
    pub a_chunk: usize,
    /// Likewise in the vectors' operand, and the distance of its two vectors.
    pub b_step: usize,
    pub b_chunk: usize,
    pub b_vector: usize,
}

/// `out[r][v] (+)= sum over steps of a[r] * b[v]` for `R` rows and `V` vectors.
///
/// Six rows by two vectors are twelve sums: enough to hide the latency of two multiply-adds a
/// cycle (4 cycles), with the two vectors and one broadcast in the other registers of sixteen.
///
/// # Safety
///
/// `a[r]` and `b` are readable at all steps, `b` for a whole vector each; `out` is writable for
/// `V` vectors at distance `out_vector` in each of `R` rows at distance `out_row`.
#[inline(always)]
pub(crate) unsafe fn tile<S: Simd, const R: usize, const V: usize>(
    steps: Steps,
    a: [*const f32; R],
    b: *const f32,
    out: *mut f32,
    out_row: usize,
    out_vector: usize,
    accumulate: bool,
) {
    // SAFETY: the caller's promise. Behind the last step `b_at` is at most at the end of what there is, and not read.
    unsafe {
        let a = a.map(opaque);
        let mut sums = [[S::splat(0.); V]; R];
        if accumulate {
            for (r, sums) in sums.iter_mut().enumerate() {
                for (v, sum) in sums.iter_mut().enumerate() {
                    *sum = S::load(out.add(r * out_row + v * out_vector));
                }
            }
        }
        for chunk in 0..steps.chunks {
            let mut a_at = chunk * steps.a_chunk;
            let mut b_at = b.add(chunk * steps.b_chunk);
            for _ in 0..steps.inner {
                let mut vectors = [S::splat(0.); V];
                for (v, vector) in vectors.iter_mut().enumerate() {
                    *vector = S::load(b_at.add(v * steps.b_vector));
                }
                for (sums, &a) in sums.iter_mut().zip(&a) {
                    let a = S::splat(*a.add(a_at));
                    for (sum, &vector) in sums.iter_mut().zip(&vectors) {
                        *sum = S::fma(a, vector, *sum);
                    }
                }
                a_at += steps.a_step;
                b_at = b_at.add(steps.b_step);
            }
        }
        for (r, sums) in sums.iter().enumerate() {
            for (v, &sum) in sums.iter().enumerate() {
                S::store(out.add(r * out_row + v * out_vector), sum);
            }
        }
    }
}

/// The same pointer, of which the compiler knows nothing: it keeps each row's in a register,
/// where it would else add up the distance of two rows six times a step.
#[inline(always)]
#[allow(clippy::pointers_in_nomem_asm_block, reason = "nothing is read: the block is empty")]
fn opaque(pointer: *const f32) -> *const f32 {
    #[cfg(all(any(target_arch = "x86_64", target_arch = "aarch64"), not(miri)))]
    {
        let mut pointer = pointer;
        // SAFETY: no instruction.
        unsafe {
            std::arch::asm!("/* {0} */", inout(reg) pointer, options(pure, nomem, nostack, preserves_flags));
        }
        pointer
    }
    #[cfg(not(all(any(target_arch = "x86_64", target_arch = "aarch64"), not(miri))))]
    pointer
}

/// [`tile`] over any number of rows and one or two vectors; row `r` of `a` starts at `a(r)`.
///
/// # Safety
///
/// As [`tile`], for `rows` rows and `vectors` (1 or 2) vectors.
#[inline(always)]
#[expect(clippy::too_many_arguments, reason = "operands, sizes and strides of a product")]
pub(crate) unsafe fn rows<S: Simd>(
    steps: Steps,
    rows: usize,
    vectors: usize,
    a: impl Fn(usize) -> *const f32,
    b: *const f32,
    out: *mut f32,
    (out_row, out_vector): (usize, usize),
    accumulate: bool,
) {
    macro_rules! group {
        ($r:literal, $first:expr) => {{
            let a: [*const f32; $r] = std::array::from_fn(|r| a($first + r));
            let out = out.add($first * out_row);
            if vectors == 2 {
                tile::<S, $r, 2>(steps, a, b, out, out_row, out_vector, accumulate);
            } else {
                tile::<S, $r, 1>(steps, a, b, out, out_row, out_vector, accumulate);
            }
        }};
    }
    // SAFETY: the caller's promise, for groups of its rows.
    unsafe {
        let mut first = 0;
        while rows - first >= 6 {
            group!(6, first);
            first += 6;
        }
        match rows - first {
            5 => group!(5, first),
            4 => group!(4, first),
            3 => group!(3, first),
            2 => group!(2, first),
            1 => group!(1, first),
            _ => {}
        }
    }
}

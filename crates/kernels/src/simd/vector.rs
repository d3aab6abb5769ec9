//! The operations on vectors, and the kernels that are made of them.

use crate::counter::Counter;

/// The operations on a vector of [`LANES`](Self::LANES) numbers.
///
/// # Safety
///
/// Every function needs the features of its instruction set: call them inside [`Kernel::run`]
/// alone. Loads and stores need `LANES` (or the stated number of) elements behind the pointer.
pub(crate) trait Simd: Copy + Send + Sync + 'static {
    type Vector: Copy;
    const LANES: usize;

    unsafe fn load(from: *const f32) -> Self::Vector;
    /// The first `count < LANES` elements, zeros above them.
    unsafe fn load_partial(from: *const f32, count: usize) -> Self::Vector;
    unsafe fn store(to: *mut f32, v: Self::Vector);
    /// Stores to an address that is a multiple of a vector's size, past the caches: for large results that nobody reads
    /// soon, which would else be read from memory before they are written to it. [`streamed`](Self::streamed) comes last.
    unsafe fn stream(to: *mut f32, v: Self::Vector);
    /// Whoever sees what this thread writes from now on sees what it streamed before.
    unsafe fn streamed();
    /// Stores the first `count < LANES` elements.
    unsafe fn store_partial(to: *mut f32, v: Self::Vector, count: usize);
    unsafe fn splat(x: f32) -> Self::Vector;
    unsafe fn add(a: Self::Vector, b: Self::Vector) -> Self::Vector;
    unsafe fn sub(a: Self::Vector, b: Self::Vector) -> Self::Vector;
    unsafe fn mul(a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// `a * b + c`; rounded once or twice as the instruction set does it.
    unsafe fn fma(a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector;
    unsafe fn div(a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// The larger of two lanes; `b` where one of them is a NaN.
    unsafe fn max(a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// The larger of the lane and the bound; a NaN stays.
    unsafe fn clamp_min(v: Self::Vector, bound: f32) -> Self::Vector;
    /// The smaller of the lane and the bound; a NaN stays.
    unsafe fn clamp_max(v: Self::Vector, bound: f32) -> Self::Vector;
    unsafe fn abs(v: Self::Vector) -> Self::Vector;
    /// The nearest whole number; lanes are less than 2^22 in magnitude.
    unsafe fn round(v: Self::Vector) -> Self::Vector;
    /// `2^v` of whole numbers from -126 to 127; any number for others.
    unsafe fn exp2i(v: Self::Vector) -> Self::Vector;
    /// `max(v, 0)`; a NaN stays.
    unsafe fn relu(v: Self::Vector) -> Self::Vector;
    /// `value` in the lanes where `condition > 0`, zero in the others.
    unsafe fn where_positive(condition: Self::Vector, value: Self::Vector) -> Self::Vector;
    /// Where `b` wins over `a` as the later candidate for a maximum (`b > a`, or `b` is the first
    /// NaN): (`b`, `index_b`); elsewhere (`a`, `index_a`).
    unsafe fn later_maximum(
        a: Self::Vector,
        index_a: Self::Vector,
        b: Self::Vector,
        index_b: Self::Vector,
    ) -> (Self::Vector, Self::Vector);
    /// `value` in the lanes where `a == b`, zero in the others.
    unsafe fn where_equal(a: Self::Vector, b: Self::Vector, value: Self::Vector) -> Self::Vector;
    /// The even lanes of two vectors one after the other, and the odd ones.
    unsafe fn deinterleave(a: Self::Vector, b: Self::Vector) -> (Self::Vector, Self::Vector);
    /// Two vectors lane by lane: the reverse of [`deinterleave`](Self::deinterleave).
    unsafe fn interleave(a: Self::Vector, b: Self::Vector) -> (Self::Vector, Self::Vector);
    /// Stores the lanes, small whole numbers, as bytes.
    unsafe fn store_bytes(to: *mut u8, v: Self::Vector);
    /// Loads bytes as numbers.
    unsafe fn load_bytes(from: *const u8) -> Self::Vector;
    /// The words of eight blocks of a counter from `first` on, in order.
    #[inline(always)]
    unsafe fn philox8(counter: &Counter, first: u64) -> [u32; 32] {
        counter.philox8(first)
    }
    /// Transposes a square of `LANES` rows: row `i` of the source starts at `from + i * from_row`.
    unsafe fn transpose(from: *const f32, from_row: usize, to: *mut f32, to_row: usize);
}

/// `N` vectors at a distance of `stride` numbers. A loop, not a closure: closures are functions
/// that the compiler may leave without the instruction set's features.
///
/// # Safety
///
/// As [`Simd::load`], for each vector.
#[inline(always)]
pub(crate) unsafe fn load<S: Simd, const N: usize>(
    from: *const f32,
    stride: usize,
) -> [S::Vector; N] {
    // SAFETY: the caller's promise.
    unsafe {
        let mut vectors = [S::splat(0.); N];
        for (i, vector) in vectors.iter_mut().enumerate() {
            *vector = S::load(from.add(i * stride));
        }
        vectors
    }
}

/// The first `count` elements, zeros above them; a whole vector where there are more.
///
/// # Safety
///
/// As [`Simd::load_partial`], or [`Simd::load`].
#[inline(always)]
pub(crate) unsafe fn load_some<S: Simd>(from: *const f32, count: usize) -> S::Vector {
    // SAFETY: the caller's promise.
    unsafe { if count < S::LANES { S::load_partial(from, count) } else { S::load(from) } }
}

/// Stores the first `count` elements; the whole vector where there are more.
///
/// # Safety
///
/// As [`Simd::store_partial`], or [`Simd::store`].
#[inline(always)]
pub(crate) unsafe fn store_some<S: Simd>(to: *mut f32, v: S::Vector, count: usize) {
    // SAFETY: the caller's promise.
    unsafe { if count < S::LANES { S::store_partial(to, v, count) } else { S::store(to, v) } }
}

/// The sum of the lanes: of halves, of these halves' halves, and so on.
///
/// # Safety
///
/// The CPU has the features of `S`.
#[inline(always)]
pub(crate) unsafe fn sum_lanes<S: Simd>(v: S::Vector) -> f32 {
    let mut lanes = [0f32; 16];
    // SAFETY: a vector has at most sixteen lanes.
    unsafe { S::store(lanes.as_mut_ptr(), v) };
    let mut half = S::LANES / 2;
    while half > 0 {
        for i in 0..half {
            lanes[i] += lanes[i + half];
        }
        half /= 2;
    }
    lanes[0]
}

/// Functions of [`Simd`] for an instruction set, by its intrinsics.
#[cfg(target_arch = "x86_64")]
macro_rules! functions {
    ($(fn $name:ident($($argument:ident: $type:ty),*) $(-> $result:ty)? { $($body:tt)* })*) => {$(
        #[inline(always)]
        unsafe fn $name($($argument: $type),*) $(-> $result)? {
            // SAFETY: by the promise of `Simd` the CPU has the set's features, and the elements that the function
            // names are behind the pointers; masks leave out those beyond a count.
            unsafe { $($body)* }
        }
    )*};
}
#[cfg(target_arch = "x86_64")]
pub(super) use functions;

/// Work that is compiled for each instruction set.
pub(crate) trait Kernel {
    type Output;
    /// # Safety
    ///
    /// The CPU has the features of `S`. To be marked `inline(always)`, like all it calls that
    /// uses `S`.
    unsafe fn run<S: Simd>(self) -> Self::Output;
}

//! Scratch memory that is reused: a kernel in the steady state allocates only what candle owns.

use rayon::prelude::*;
use std::mem::MaybeUninit;
use std::sync::Mutex;

/// One cache line, so that buffers start on one.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; 16]);

static POOL: Mutex<Vec<Vec<Line>>> = Mutex::new(Vec::new());

/// A buffer on loan; it goes back when dropped. Its contents are whatever was left in it.
pub(crate) struct Scratch {
    lines: Vec<Line>,
    len: usize,
}

/// Lends a buffer of `len` numbers, the smallest returned one that fits or a new one.
pub(crate) fn buffer(len: usize) -> Scratch {
    let needed = len.div_ceil(16);
    let found = {
        let mut pool = POOL.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let fits = pool.iter().enumerate().filter(|(_, b)| b.len() >= needed);
        let best = fits.min_by_key(|(_, b)| b.len()).map(|(i, b)| (i, b.len()));
        // A buffer far too large is left for whoever needs it.
        best.filter(|&(_, found)| found <= 4 * needed + 1024).map(|(i, _)| pool.swap_remove(i))
    };
    let lines = found.unwrap_or_else(|| vec![Line([0.; 16]); needed]);
    Scratch { lines, len }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        /// Buffers kept; beyond these the smallest ones are freed.
        const KEPT: usize = 64;
        let mut pool = POOL.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        pool.push(std::mem::take(&mut self.lines));
        if pool.len() > KEPT
            && let Some((i, _)) = pool.iter().enumerate().min_by_key(|(_, b)| b.len())
        {
            pool.swap_remove(i);
        }
    }
}

impl std::ops::Deref for Scratch {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        // SAFETY: `lines` holds at least `len` initialized numbers without gaps (`Line` is 16
        // numbers and as large as they are).
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.len) }
    }
}

impl std::ops::DerefMut for Scratch {
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: as above, and borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.len) }
    }
}

/// An output whose elements are still to be written.
pub(crate) struct UninitVec<T> {
    data: Vec<T>,
    len: usize,
}

impl<T: Copy> UninitVec<T> {
    pub(crate) fn new(len: usize) -> Self {
        Self { data: Vec::with_capacity(len), len }
    }

    pub(crate) fn send_ptr(&mut self) -> SendPtr<T> {
        SendPtr(self.data.as_mut_ptr())
    }

    /// The elements, in pieces of `size`, to be written.
    pub(crate) fn pieces(&mut self, size: usize) -> rayon::slice::ChunksMut<'_, MaybeUninit<T>>
    where
        T: Send,
    {
        self.data.spare_capacity_mut()[..self.len].par_chunks_mut(size)
    }

    /// # Safety
    ///
    /// Every element was written.
    pub(crate) unsafe fn finish(mut self) -> Vec<T> {
        // SAFETY: the capacity is `len` at least, and the elements are the caller's promise.
        unsafe { self.data.set_len(self.len) };
        self.data
    }
}

/// A pointer into an output whose disjoint parts are written by several tasks.
#[derive(Clone, Copy)]
pub(crate) struct SendPtr<T>(*mut T);

// SAFETY: the tasks that get a copy write to disjoint elements; each use says why.
unsafe impl<T: Send> Send for SendPtr<T> {}
// SAFETY: likewise.
unsafe impl<T: Send> Sync for SendPtr<T> {}

impl<T> SendPtr<T> {
    pub(crate) fn new(data: &mut [T]) -> Self {
        Self(data.as_mut_ptr())
    }

    /// The pointer to the element `count` further on, which the caller has to know to exist.
    pub(crate) fn offset(self, count: usize) -> Self {
        Self(self.0.wrapping_add(count))
    }

    pub(crate) fn pointer(self) -> *mut T {
        self.0
    }

    /// The `len` elements from here on, which need not be written yet.
    ///
    /// # Safety
    ///
    /// They exist for `'a`, and nobody else uses them meanwhile.
    pub(crate) unsafe fn slice<'a>(self, len: usize) -> &'a mut [MaybeUninit<T>] {
        // SAFETY: the caller's promise; `MaybeUninit` may be unwritten.
        unsafe { std::slice::from_raw_parts_mut(self.0.cast(), len) }
    }
}

#[cfg(test)]
mod tests {
    use super::buffer;

    #[test]
    fn buffers_have_their_length_start_on_a_cache_line_and_come_back() {
        for len in [0, 1, 16, 17, 1000] {
            let mut buffer = buffer(len);
            assert_eq!(buffer.len(), len);
            assert_eq!(buffer.as_ptr() as usize % 64, 0);
            buffer.fill(1.);
        }
        let (a, b) = (buffer(100), buffer(100));
        assert_ne!(a.as_ptr(), b.as_ptr());
    }
}

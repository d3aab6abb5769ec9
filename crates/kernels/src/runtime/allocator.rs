//! An allocator that keeps large blocks for the next one who asks.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// A global allocator for programs that train: large blocks that are freed are kept and handed
/// out again, smaller ones go to the system's allocator.
///
/// A training step allocates and frees the same large tensors again and again. The system's
/// allocator gives such blocks back to the kernel, which has to clear and map every page anew:
/// measured at a quarter of the reference CNN's step. A library does not choose the allocator;
/// a program installs it so:
///
/// ```
/// #[global_allocator]
/// static ALLOCATOR: taper_kernels::PoolingAllocator = taper_kernels::PoolingAllocator::new();
///
/// let mut first = vec![1f32; 1 << 20];
/// first[0] = 2.;
/// drop(first);
/// assert!(vec![0f32; 1 << 20].iter().all(|&x| x == 0.));
/// ```
///
/// Blocks are rounded up to the next of four sizes in each power of two; pages of the rest that
/// nobody touches take no memory. What is kept and what is in use are together never more than was
/// once in use at a time, and 1 GiB: a training step finds all memory of the one before.
pub struct PoolingAllocator {
    lists: [List; CLASSES],
    /// Bytes of large blocks: kept, in use, and the most that were in use at a time.
    kept: AtomicUsize,
    used: AtomicUsize,
    peak: AtomicUsize,
}

/// What all allocators keep.
static KEPT: AtomicUsize = AtomicUsize::new(0);

/// Bytes that [`PoolingAllocator`] keeps for whoever asks next: the system counts them as this process's, but they are
/// free.
pub fn kept_memory() -> usize {
    KEPT.load(Ordering::Relaxed)
}

/// Blocks of one size that nobody uses; each holds the address of the next in its first bytes.
struct List {
    locked: AtomicBool,
    head: UnsafeCell<*mut u8>,
}

// SAFETY: `head` is read and written by whoever holds `locked` alone.
unsafe impl Sync for List {}
// SAFETY: likewise; the blocks belong to the list.
unsafe impl Send for List {}

/// Blocks from 2^15 bytes on are kept, up to 2^30.
const SMALLEST: u32 = 15;
const LARGEST: u32 = 30;
const CLASSES: usize = 4 * (LARGEST - SMALLEST) as usize;
/// Bytes that may be kept beyond those that were in use at a time.
const BEYOND_PEAK: usize = 1 << 30;
/// All blocks start on a cache line.
const ALIGNMENT: usize = 64;

/// The class of a size and the size of its blocks, if blocks of it are kept.
fn class(layout: Layout) -> Option<(usize, usize)> {
    let size = layout.size();
    if size <= 1 << SMALLEST || size > 1 << LARGEST || layout.align() > ALIGNMENT {
        return None;
    }
    // Sizes (2^k, 2^(k + 1)] in quarters of 2^k.
    let octave = (size - 1).ilog2();
    let steps = (size - (1 << octave)).div_ceil(1 << (octave - 2));
    let index = 4 * (octave - SMALLEST) as usize + steps - 1;
    Some((index, class_size(index)))
}

/// The size of a class's blocks.
fn class_size(index: usize) -> usize {
    (index % 4 + 5) << (index / 4 + SMALLEST as usize - 2)
}

fn block_layout(size: usize) -> Layout {
    // SAFETY: the alignment is a power of two, and a size of at most 2^30 does not overflow.
    unsafe { Layout::from_size_align_unchecked(size, ALIGNMENT) }
}

impl List {
    const fn new() -> Self {
        Self { locked: AtomicBool::new(false), head: UnsafeCell::new(std::ptr::null_mut()) }
    }

    fn with<R>(&self, f: impl FnOnce(&mut *mut u8) -> R) -> R {
        while self
            .locked
            .compare_exchange_weak(false, true, Ordering::Acquire, Ordering::Relaxed)
            .is_err()
        {
            std::hint::spin_loop();
        }
        // SAFETY: the lock is held, so that this is the only reference.
        let result = f(unsafe { &mut *self.head.get() });
        self.locked.store(false, Ordering::Release);
        result
    }

    fn push(&self, block: *mut u8) {
        self.with(|head| {
            // SAFETY: a block is larger than a pointer, aligned, and nobody uses it.
            unsafe { block.cast::<*mut u8>().write(*head) };
            *head = block;
        });
    }

    fn pop(&self) -> Option<*mut u8> {
        self.with(|head| {
            let block = *head;
            if block.is_null() {
                return None;
            }
            // SAFETY: `push` wrote the next address there, and nobody else has the block.
            *head = unsafe { block.cast::<*mut u8>().read() };
            Some(block)
        })
    }
}

/// The most bytes of a block that is kept when a list grows out of it.
const LARGE_STEP: usize = 32 << 20;

impl PoolingAllocator {
    /// An allocator that keeps nothing yet.
    pub const fn new() -> Self {
        let [kept, used, peak] = [const { AtomicUsize::new(0) }; 3];
        Self { lists: [const { List::new() }; CLASSES], kept, used, peak }
    }

    /// A block of a class, if one is kept; if not, there is room for a new one.
    fn reuse(&self, (index, size): (usize, usize)) -> Option<*mut u8> {
        let used = self.used.fetch_add(size, Ordering::Relaxed) + size;
        let block = self.lists[index].pop();
        if block.is_some() {
            self.peak.fetch_max(used, Ordering::Relaxed);
            self.lose(size);
        } else {
            self.shrink();
        }
        block
    }

    /// A new block from the system, which [`reuse`](Self::reuse) has counted already; null where there is none.
    fn counted(&self, size: usize, block: *mut u8) -> *mut u8 {
        if block.is_null() {
            self.used.fetch_sub(size, Ordering::Relaxed);
        } else {
            self.peak.fetch_max(self.used.load(Ordering::Relaxed), Ordering::Relaxed);
        }
        block
    }

    /// Keeps a block of a class that is not used any more.
    fn keep(&self, (index, size): (usize, usize), block: *mut u8) {
        self.used.fetch_sub(size, Ordering::Relaxed);
        self.kept.fetch_add(size, Ordering::Relaxed);
        KEPT.fetch_add(size, Ordering::Relaxed);
        self.lists[index].push(block);
        self.shrink();
    }

    fn lose(&self, size: usize) {
        self.kept.fetch_sub(size, Ordering::Relaxed);
        KEPT.fetch_sub(size, Ordering::Relaxed);
    }

    /// Gives blocks back to the system, the largest first, until no more are kept than may be.
    fn shrink(&self) {
        let load = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
        // What was just asked for may be refused, and is no peak yet.
        let most = || load(&self.peak).max(load(&self.used)) + BEYOND_PEAK;
        for index in (0..CLASSES).rev() {
            while load(&self.kept) + load(&self.used) > most() {
                let Some(block) = self.lists[index].pop() else { break };
                let size = class_size(index);
                self.lose(size);
                // SAFETY: a block of this class, which nobody uses, was allocated with this layout.
                unsafe { System.dealloc(block, block_layout(size)) }
            }
        }
    }
}

impl Default for PoolingAllocator {
    fn default() -> Self {
        Self::new()
    }
}

// SAFETY: a block comes from the system at its class's size or larger than asked for, aligned to
// `ALIGNMENT` or the asked alignment; the class follows from the layout alone, so a block is freed
// the way it was allocated; a block in a list belongs to nobody else.
unsafe impl GlobalAlloc for PoolingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match class(layout) {
            Some(class) => self.reuse(class).unwrap_or_else(|| {
                // SAFETY: the size is not zero.
                self.counted(class.1, unsafe { System.alloc(block_layout(class.1)) })
            }),
            // SAFETY: the caller's promise.
            None => unsafe { System.alloc(layout) },
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        match class(layout) {
            Some(class) => match self.reuse(class) {
                Some(block) => {
                    // SAFETY: the block holds at least that many bytes.
                    unsafe { block.write_bytes(0, layout.size()) };
                    block
                }
                None => {
                    // SAFETY: the size is not zero.
                    self.counted(class.1, unsafe { System.alloc_zeroed(block_layout(class.1)) })
                }
            },
            // SAFETY: the caller's promise.
            None => unsafe { System.alloc_zeroed(layout) },
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        match class(layout) {
            Some(class) => self.keep(class, block),
            // SAFETY: the caller's promise.
            None => unsafe { System.dealloc(block, layout) },
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller promises that the new size does not overflow with the alignment.
        let new = unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) };
        match (class(layout), class(new)) {
            (Some((old, _)), Some((new, _))) if old == new => block,
            // SAFETY: the caller's promise; neither is a block that is kept.
            (None, None) => unsafe { System.realloc(block, layout, new_size) },
            _ => {
                // SAFETY: the blocks are different ones and hold what is copied; the old one is
                // freed as it was allocated. A large one is not kept: the steps of a list that grows are together as
                // large as the list.
                unsafe {
                    let moved = self.alloc(new);
                    if !moved.is_null() {
                        moved.copy_from_nonoverlapping(block, layout.size().min(new_size));
                        match class(layout) {
                            Some(class) if class.1 <= LARGE_STEP => self.keep(class, block),
                            Some((_, size)) => {
                                self.used.fetch_sub(size, Ordering::Relaxed);
                                System.dealloc(block, block_layout(size));
                            }
                            None => System.dealloc(block, layout),
                        }
                    }
                    moved
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(size: usize) -> Layout {
        Layout::from_size_align(size, 4).unwrap()
    }

    #[test]
    fn a_class_holds_its_sizes_and_wastes_at_most_a_quarter() {
        assert_eq!(class(layout(1 << SMALLEST)), None);
        assert_eq!(class(layout((1 << LARGEST) + 1)), None);
        assert_eq!(class(Layout::from_size_align(1 << 20, 128).unwrap()), None);
        let mut last = None;
        let mut size = (1 << SMALLEST) + 1;
        while size <= 1 << LARGEST {
            let (index, block) = class(layout(size)).unwrap();
            assert!(block >= size && block <= size + size / 4, "{size} in {block}");
            assert!(index < CLASSES);
            // Sizes of a class have one block size, and the next class a larger one.
            if let Some((last_index, last_block)) = last {
                assert_eq!(index == last_index, block == last_block);
                assert!(index >= last_index && block >= last_block);
            }
            last = Some((index, block));
            size += size / 37;
        }
    }

    #[test]
    fn a_freed_block_comes_back_and_zeroed_memory_is_zero() {
        // For as long as the program, as in one: a pool keeps its blocks.
        static ALLOCATOR: PoolingAllocator = PoolingAllocator::new();
        let allocator = &ALLOCATOR;
        let asked = layout(100_000);
        // SAFETY: every block is used within its size and freed with its layout.
        unsafe {
            let a = allocator.alloc(asked);
            a.write_bytes(7, asked.size());
            allocator.dealloc(a, asked);
            let b = allocator.alloc_zeroed(asked);
            assert_eq!(a, b);
            assert!(std::slice::from_raw_parts(b, asked.size()).iter().all(|&x| x == 0));
            let c = allocator.alloc(asked);
            assert_ne!(b, c);
            allocator.dealloc(b, asked);
            allocator.dealloc(c, asked);
        }
    }

    #[test]
    fn what_is_kept_and_in_use_is_bounded_by_what_was_once_in_use() {
        static ALLOCATOR: PoolingAllocator = PoolingAllocator::new();
        let allocator = &ALLOCATOR;
        let load = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
        let quarter = layout(BEYOND_PEAK / 4);
        // SAFETY: nothing is written, and each block is freed with its layout.
        unsafe {
            // Six quarters in use: all are kept, more than 1 GiB.
            let blocks: Vec<_> = (0..6).map(|_| allocator.alloc(quarter)).collect();
            blocks.into_iter().for_each(|block| allocator.dealloc(block, quarter));
            assert_eq!((load(&allocator.used), load(&allocator.kept)), (0, 6 * quarter.size()));
            // The same again comes from what is kept.
            let blocks: Vec<_> = (0..6).map(|_| allocator.alloc(quarter)).collect();
            assert_eq!((load(&allocator.used), load(&allocator.kept)), (6 * quarter.size(), 0));
            blocks.into_iter().for_each(|block| allocator.dealloc(block, quarter));
            // Blocks of another size drive them out: ten quarters are the most.
            let eighth = layout(BEYOND_PEAK / 8);
            let blocks: Vec<_> = (0..12).map(|_| allocator.alloc(eighth)).collect();
            assert_eq!(load(&allocator.used), 6 * quarter.size());
            assert_eq!(load(&allocator.kept), 4 * quarter.size());
            blocks.into_iter().for_each(|block| allocator.dealloc(block, eighth));
            assert_eq!((load(&allocator.used), load(&allocator.kept)), (0, 10 * quarter.size()));
            // Other tests' allocators keep blocks too.
            assert!(kept_memory() >= 10 * quarter.size());
        }
    }

    #[test]
    fn what_the_system_refuses_is_not_in_use() {
        static ALLOCATOR: PoolingAllocator = PoolingAllocator::new();
        let class = class(layout(1 << 20)).unwrap();
        assert_eq!(ALLOCATOR.reuse(class), None);
        assert_eq!(ALLOCATOR.used.load(Ordering::Relaxed), class.1);
        assert!(ALLOCATOR.counted(class.1, std::ptr::null_mut()).is_null());
        assert_eq!(ALLOCATOR.used.load(Ordering::Relaxed), 0);
        // Nor is it a peak, up to which blocks would be kept.
        assert_eq!(ALLOCATOR.peak.load(Ordering::Relaxed), 0);
        assert_eq!(ALLOCATOR.reuse(class), None);
        let mut there = 0u8;
        assert!(!ALLOCATOR.counted(class.1, &raw mut there).is_null());
        assert_eq!(ALLOCATOR.peak.load(Ordering::Relaxed), class.1);
    }

    #[test]
    fn growing_and_shrinking_keep_the_contents() {
        // For as long as the program, as in one: a pool keeps its blocks.
        static ALLOCATOR: PoolingAllocator = PoolingAllocator::new();
        let allocator = &ALLOCATOR;
        let sizes = [10, 40_000, 41_000, 300_000, 33_000, 20];
        // SAFETY: as above; a block holds the first ten bytes at every size.
        unsafe {
            let mut block = allocator.alloc(layout(sizes[0]));
            block.write_bytes(3, sizes[0]);
            for pair in sizes.windows(2) {
                block = allocator.realloc(block, layout(pair[0]), pair[1]);
                assert!(std::slice::from_raw_parts(block, 10).iter().all(|&x| x == 3));
            }
            allocator.dealloc(block, layout(sizes[5]));
            let load = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
            assert_eq!(load(&allocator.used), 0);
            // Small steps are kept, as what training gives back is, large ones are not.
            let before = load(&allocator.kept);
            let mut block = allocator.alloc(layout(LARGE_STEP + 1));
            block = allocator.realloc(block, layout(LARGE_STEP + 1), 4 * LARGE_STEP);
            assert_eq!(load(&allocator.kept), before);
            allocator.dealloc(block, layout(4 * LARGE_STEP));
        }
    }

    #[test]
    fn threads_never_share_a_block() {
        static ALLOCATOR: PoolingAllocator = PoolingAllocator::new();
        std::thread::scope(|scope| {
            for thread in 0..4u8 {
                let allocator = &ALLOCATOR;
                scope.spawn(move || {
                    for _ in 0..2000 {
                        let asked = layout(50_000);
                        // SAFETY: as above.
                        unsafe {
                            let block = allocator.alloc(asked);
                            block.write_bytes(thread, 64);
                            std::thread::yield_now();
                            let seen = std::slice::from_raw_parts(block, 64);
                            assert!(seen.iter().all(|&x| x == thread));
                            allocator.dealloc(block, asked);
                        }
                    }
                });
            }
        });
    }
}

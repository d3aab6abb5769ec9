//! How memory and threads behave while a program computes.

mod allocator;
mod gpu;
mod threads;

pub use allocator::{PoolingAllocator, kept_memory};
pub use gpu::keep_gpu_memory;
pub use threads::let_candle_threads_sleep;

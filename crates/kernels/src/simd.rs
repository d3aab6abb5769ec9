//! Vectors of `f32`, one trait over the instruction sets, and the choice between them.
//!
//! A kernel is written once, generic over [`Simd`], and compiled for each instruction set:
//! [`Isa::run`] enters a function that has the set's features switched on, and everything marked
//! `inline(always)` below it is compiled with them.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod isa;
pub(crate) mod math;
mod portable;
#[cfg(test)]
mod tests;
mod vector;

pub(crate) use isa::Isa;
pub(crate) use vector::{Kernel, Simd, load, load_some, store_some, sum_lanes};

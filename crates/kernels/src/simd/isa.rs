//! The choice between the instruction sets.

#[cfg(target_arch = "x86_64")]
use super::avx2::{self, Avx2};
#[cfg(target_arch = "x86_64")]
use super::avx512::{self, Avx512};
use super::portable::Portable;
use super::vector::{Kernel, Simd};

/// An instruction set that the CPU has: a value is proof of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Isa(Set);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Set {
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    Portable,
}

impl Isa {
    pub(crate) const PORTABLE: Self = Self(Set::Portable);

    /// AVX2 with FMA, if this CPU has it.
    pub(crate) fn avx2() -> Option<Self> {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            return Some(Self(Set::Avx2));
        }
        None
    }

    /// AVX-512 (F, BW, DQ, VL) with AVX2 and FMA, if this CPU has it.
    pub(crate) fn avx512() -> Option<Self> {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
            && Self::avx2().is_some()
        {
            return Some(Self(Set::Avx512));
        }
        None
    }

    /// All that this CPU has, the portable one last.
    #[cfg(test)]
    pub(crate) fn all() -> Vec<Self> {
        [Self::avx512(), Self::avx2(), Some(Self::PORTABLE)].into_iter().flatten().collect()
    }

    /// The best that this CPU has.
    pub(crate) fn best() -> Self {
        Self::avx512().or_else(Self::avx2).unwrap_or(Self::PORTABLE)
    }

    /// Lanes of a vector.
    pub(crate) fn lanes(self) -> usize {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => Avx512::LANES,
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => Avx2::LANES,
            Set::Portable => Portable::LANES,
        }
    }

    #[inline]
    pub(crate) fn run<K: Kernel>(self, kernel: K) -> K::Output {
        match self.0 {
            // SAFETY: a value with this set is made by `avx512` alone, which looked for the features.
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => unsafe { avx512::enter(kernel) },
            // SAFETY: likewise by `avx2`.
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => unsafe { avx2::enter(kernel) },
            // SAFETY: `Portable` needs no features.
            Set::Portable => unsafe { kernel.run::<Portable>() },
        }
    }
}

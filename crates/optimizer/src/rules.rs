//! The rules there are.
//!
//! Each lives in its own file as a plain config struct of public fields with named constructors.

/// Methods of a [`Rule`](crate::Rule) that are fields.
macro_rules! rate_and_decay {
    () => {
        fn learning_rate(&self) -> f64 {
            self.learning_rate
        }

        fn weight_decay(&self) -> f64 {
            self.weight_decay
        }

        /// Here, and not inlined elsewhere, so that the formula is compiled with this crate and as fast as it,
        /// however the crate that makes the optimizer is compiled.
        #[inline(never)]
        fn boxed(self) -> crate::rule::BoxedRule {
            crate::rule::BoxedRule::new(self)
        }
    };
}

mod forms;

mod adadelta;
mod adagrad;
mod adam;
mod adamw;
mod rmsprop;
mod sgd;

mod presets;

pub use adadelta::Adadelta;
pub use adagrad::Adagrad;
pub use adam::{Adam, AdamEpsilon};
pub use adamw::AdamW;
pub use forms::{Decay, EpsilonPlace, MomentumForm};
pub use presets::{TakeRule, presets};
pub use rmsprop::RmsProp;
pub use sgd::Sgd;

macro_rules! default_is_pytorch {
    ($($rule:ident),*) => {$(
        /// PyTorch's.
        impl Default for $rule {
            fn default() -> Self {
                Self::pytorch()
            }
        }
    )*};
}

default_is_pytorch!(Adadelta, Adagrad, Adam, AdamW, RmsProp, Sgd);

#[cfg(test)]
pub(crate) mod tests;

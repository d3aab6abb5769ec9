//! Optimizers, schedules and gradient clipping for [candle](https://docs.rs/candle-core).
//!
//! An [`Optimizer`] updates named parameters by a [`Rule`]: [`Sgd`], [`Adadelta`], [`Adagrad`],
//! [`RmsProp`], [`Adam`] or [`AdamW`], each with the defaults and the form of PyTorch and of Keras
//! by name. [`ParamGroup`]s give some parameters a rate or a decay of their own; a [`Schedule`]
//! gives the rate of each step; [`clip`] limits gradients; an [`Average`] keeps a mean of the
//! weights. On a CPU a step is one pass in place, and its result has the same bits for any number of threads. [`CandleOptimizer`] is candle's own
//! trait, for an existing loop.
//!
//! # Example
//!
//! Fit a line, save the state and resume from it.
//!
//! ```
//! use candle_core::{Device, Tensor, Var};
//! use taper_optimizer::{AdamW, Optimizer, ParamGroup, Schedule, clip};
//!
//! let x = Tensor::new(&[[0f32], [1.0], [2.0], [3.0]], &Device::Cpu)?;
//! let y = Tensor::new(&[[1f32], [3.0], [5.0], [7.0]], &Device::Cpu)?;
//! let weight = Var::new(&[[0f32]], &Device::Cpu)?;
//! let bias = Var::new(&[0f32], &Device::Cpu)?;
//! let params = || vec![("weight".to_string(), weight.clone()), ("bias".into(), bias.clone())];
//!
//! // The bias learns at twice the rate; being of rank 1, it is not decayed.
//! let groups = [ParamGroup {
//!     parameters: vec!["bias".into()],
//!     learning_rate_scale: 2.0,
//!     ..ParamGroup::new("fast")
//! }];
//! let rule = AdamW { weight_decay: 1e-4, ..AdamW::pytorch() };
//! let mut optimizer = Optimizer::new(params(), rule, &groups)?;
//! let schedule = Schedule { warmup_steps: 10, ..Schedule::cosine(0.0) };
//!
//! for step in 0..200 {
//!     if step == 100 {
//!         let state = optimizer.state()?;
//!         assert_eq!(state["bias/exp_avg"].dims(), [1]);
//!         optimizer = Optimizer::new(params(), rule, &groups)?;
//!         optimizer.load_state(&state)?;
//!     }
//!     let loss = (x.matmul(&weight)?.broadcast_add(&bias)? - &y)?.sqr()?.mean_all()?;
//!     let mut grads = loss.backward()?;
//!     clip::clip_by_norm(&mut grads, optimizer.vars(), 5.0)?;
//!     optimizer.step_at(&grads, schedule.rates(0.1, step, 200))?;
//! }
//! assert!((weight.to_vec2::<f32>()?[0][0] - 2.0).abs() < 0.05);
//! assert!((bias.to_vec1::<f32>()?[0] - 1.0).abs() < 0.1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

// What the others stand on.
mod check;
mod error;
mod real;
mod symbol;
mod values;
// Rules.
mod rule;
mod rules;
// What a step needs beside a rule.
mod entry;
mod group;
mod schedule;
// A step: on a CPU, and on other devices.
mod formula;
mod in_place;
mod multi_tensor;
// The optimizer, and what goes with it.
mod average;
mod candle_loop;
pub mod clip;
mod optimizer;
mod saved;
mod state;

/// candle, in the version that this crate is built with: its tensors are those that this crate takes.
pub use candle_core as candle;

pub use average::{Average, AverageConfig};
pub use candle_loop::CandleOptimizer;
pub use error::{OptimizerError, StateFault};
pub use group::{Assignment, ParamGroup};
pub use optimizer::Optimizer;
pub use real::Real;
pub use rule::{BoxedRule, Chunk, Rule, Slot, StepContext, WholeUpdate};
pub use rules::{
    Adadelta, Adagrad, Adam, AdamEpsilon, AdamW, Decay, EpsilonPlace, MomentumForm, RmsProp, Sgd,
    TakeRule, presets,
};
pub use schedule::{
    Anneal, ConstantRate, CosineDecay, ExponentialDecay, LinearDecay, MomentumCycle, OneCycle,
    Schedule, ScheduleKind, StepDecay, StepRates, TakeSchedule, schedules,
};

/// The README's example, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

//! Randomness by address: every random number is a function of (seed, where, when).
//!
//! There is no generator state to save. A run that is resumed, or cut over other threads, draws
//! what it would have drawn, because a draw depends only on the seed, the layer's name, the step
//! and the number of the call in that step.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The seed of a run together with its current step, the only source of randomness that a layer
/// sees.
///
/// Clones share the step: the training loop keeps one clone and calls [`RngKey::set_step`] once a
/// micro-batch, the layers hold others through their [`LayerRng`].
///
/// Unlike PyTorch's global generator, drawing in one layer changes nothing in another.
///
/// ```
/// use taper_model::rng::RngKey;
///
/// let key = RngKey::new(7);
/// let dropout = key.layer("dropout1");
/// let (first, second) = (dropout.next_seed(), dropout.next_seed());
/// assert_ne!(first, second);
///
/// // The same step gives the same draws again, another step gives others.
/// key.set_step(1);
/// assert_ne!(dropout.next_seed(), first);
/// key.set_step(0);
/// assert_eq!(dropout.next_seed(), first);
/// ```
#[derive(Clone, Debug)]
pub struct RngKey {
    seed: u64,
    step: Arc<AtomicU64>,
}

impl RngKey {
    /// A key for `seed`, at step 0.
    pub fn new(seed: u64) -> Self {
        Self { seed, step: Arc::new(AtomicU64::new(0)) }
    }

    /// The seed that this key was made from.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The current step.
    pub fn step(&self) -> u64 {
        self.step.load(Ordering::Relaxed)
    }

    /// Sets the step, for this key, its clones and all their layers.
    ///
    /// Call it once a micro-batch, with a number that never repeats in a run.
    pub fn set_step(&self, step: u64) {
        self.step.store(step, Ordering::Relaxed);
    }

    /// The randomness of the layer named `prefix` (usually `vb.prefix()`).
    ///
    /// Two layers of the same name draw the same numbers: give each random layer its own name.
    pub fn layer(&self, prefix: &str) -> LayerRng {
        LayerRng {
            key: address(self.seed, Domain::Layer, prefix),
            step: self.step.clone(),
            calls: Arc::new(Mutex::new(Calls { step: 0, count: 0 })),
        }
    }
}

/// The randomness of one layer; made by [`RngKey::layer`].
///
/// Clones share the call counter.
#[derive(Clone, Debug)]
pub struct LayerRng {
    key: u64,
    step: Arc<AtomicU64>,
    calls: Arc<Mutex<Calls>>,
}

#[derive(Debug)]
struct Calls {
    step: u64,
    count: u64,
}

impl LayerRng {
    /// The next seed: a function of (seed, layer, step, number of this call within the step).
    ///
    /// The call counter restarts when the step changes, also when it is set back. Calls from
    /// several threads at once each get a seed of their own, but which gets which is then a matter
    /// of timing.
    pub fn next_seed(&self) -> u64 {
        TAPE.with_borrow_mut(|tape| match tape {
            Tape::Off => self.draw(),
            Tape::Recording(draws) => {
                let seed = self.draw();
                draws.push_back(seed);
                seed
            }
            // More draws than were recorded: another forward pass than the first.
            Tape::Replaying(draws) => draws.pop_front().unwrap_or_else(|| self.draw()),
        })
    }

    fn draw(&self) -> u64 {
        let step = self.step.load(Ordering::Relaxed);
        // A panic elsewhere can't leave the two numbers in a state that would be wrong to go on
        // with.
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        if calls.step != step {
            *calls = Calls { step, count: 0 };
        }
        let count = calls.count;
        calls.count += 1;
        mix(mix(self.key, step), count)
    }
}

/// The seeds that a forward pass drew, in order.
pub(crate) type Draws = VecDeque<u64>;

enum Tape {
    Off,
    Recording(Draws),
    Replaying(Draws),
}

thread_local! {
    // candle's `Module` and `ModuleT` have no argument for it. A forward pass runs on one thread.
    static TAPE: RefCell<Tape> = const { RefCell::new(Tape::Off) };
}

/// Runs `forward` and gives the seeds that it drew.
pub(crate) fn recorded<T>(forward: impl FnOnce() -> T) -> (T, Draws) {
    let restore = Restore(TAPE.replace(Tape::Recording(Draws::new())));
    let result = forward();
    let draws = match TAPE.replace(Tape::Off) {
        Tape::Recording(draws) => draws,
        _ => Draws::new(),
    };
    drop(restore);
    (result, draws)
}

/// Runs `forward` with seeds that were drawn before.
pub(crate) fn replayed<T>(draws: Draws, forward: impl FnOnce() -> T) -> T {
    let _restore = Restore(TAPE.replace(Tape::Replaying(draws)));
    forward()
}

/// Whether a forward pass is computed again for its gradient, see
/// [`Sequential::forward_recomputed`](crate::layers::Sequential::forward_recomputed): then a layer
/// must change nothing, such as running statistics; they were changed the first time.
pub fn replaying() -> bool {
    TAPE.with_borrow(|tape| matches!(tape, Tape::Replaying(_)))
}

/// Whether draws are recorded or drawn again.
pub(crate) fn on_tape() -> bool {
    TAPE.with_borrow(|tape| !matches!(tape, Tape::Off))
}

/// Puts the tape back that was there before, also if a panic passes.
struct Restore(Tape);

impl Drop for Restore {
    fn drop(&mut self) {
        TAPE.set(std::mem::replace(&mut self.0, Tape::Off));
    }
}

/// What a number is drawn for; keeps a layer's draws apart from a parameter's of the same name.
#[derive(Clone, Copy)]
pub(crate) enum Domain {
    Layer = 1,
    Parameter = 2,
}

/// The key of the thing called `name`: a function of (seed, domain, name).
pub(crate) fn address(seed: u64, domain: Domain, name: &str) -> u64 {
    // FNV-1a over the name, then mixed with the rest.
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    mix(mix(mix(0, seed), domain as u64), hash)
}

/// Folds `value` into `key`: the finalizer of SplitMix64 (Steele, Lea and Flood 2014) over a Weyl
/// step.
fn mix(key: u64, value: u64) -> u64 {
    let mut z = key.wrapping_add(0x9e37_79b9_7f4a_7c15).rotate_left(23)
        ^ value.wrapping_mul(0xd6e8_feb8_6659_fd93);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn seeds_layers_steps_and_calls_all_give_other_numbers() {
        let mut seen = HashSet::new();
        for seed in 0..4 {
            let key = RngKey::new(seed);
            for name in ["", "a", "b", "layer1.0.dropout"] {
                let layer = key.layer(name);
                for step in 0..8 {
                    key.set_step(step);
                    for _ in 0..8 {
                        assert!(seen.insert(layer.next_seed()));
                    }
                }
            }
        }
        assert_eq!(seen.len(), 4 * 4 * 8 * 8);
    }

    #[test]
    fn clones_share_the_step_and_a_new_key_repeats_the_draws() {
        let key = RngKey::new(3);
        let clone = key.clone();
        clone.set_step(5);
        assert_eq!(key.step(), 5);

        let again = RngKey::new(3);
        again.set_step(5);
        assert_eq!(key.layer("x").next_seed(), again.layer("x").next_seed());
    }

    #[test]
    fn the_call_counter_restarts_when_the_step_changes() {
        let key = RngKey::new(1);
        let layer = key.layer("dropout");
        let first = layer.next_seed();
        layer.next_seed();
        key.set_step(9);
        layer.next_seed();
        key.set_step(0);
        assert_eq!(layer.next_seed(), first);
    }

    #[test]
    fn drawing_in_one_layer_leaves_another_as_it_was() {
        let (key, other) = (RngKey::new(1), RngKey::new(1));
        let (a, b) = (key.layer("a"), key.layer("b"));
        a.next_seed();
        assert_eq!(b.next_seed(), other.layer("b").next_seed());
    }

    #[test]
    fn the_numbers_are_fixed_for_good() {
        // A change here changes every seeded run: let it be one that somebody meant.
        assert_eq!(address(7, Domain::Parameter, "conv1.weight"), 11882287164014668819);
        assert_eq!(address(7, Domain::Layer, "conv1.weight"), 17786404194111763985);
        let key = RngKey::new(7);
        key.set_step(3);
        assert_eq!(key.layer("dropout1").next_seed(), 8271332289462099680);
    }
}

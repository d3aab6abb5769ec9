//! Listeners of a program's own, added to the registry and made for each run of a plan.

use std::sync::Arc;

use super::listener::Listener;
use crate::plan::Plan;
use crate::registry::Registry;

/// Makes a listener of a run. Registry and plan hold it without knowing what it is: a listener sees the plan.
struct New(Box<dyn Fn() -> Box<dyn Listener> + Send + Sync>);

impl Registry {
    /// Adds somebody who follows every run, made anew for each: a run, each trial of a search and each fold, a sweep of
    /// learning rates, and the training from random weights that is compared with. Those that remember something have
    /// names of their own ([`Listener::name`]).
    pub fn add_listener<L: Listener + 'static>(
        &mut self,
        listener: impl Fn() -> L + Send + Sync + 'static,
    ) {
        self.listeners.push(Arc::new(New(Box::new(move || Box::new(listener())))));
    }
}

impl Plan {
    /// Those who follow every run of the registry that the plan was made with, made for one run; [`run`](crate::run())
    /// adds them by itself.
    pub fn listeners(&self) -> Vec<Box<dyn Listener>> {
        self.listeners.iter().filter_map(|own| own.downcast_ref()).map(|New(new)| new()).collect()
    }
}

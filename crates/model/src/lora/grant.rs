//! How a layer gets its adapter: it asks the backend whether `lora_A` is there, and a backend that
//! knows of adapters says which.

use std::cell::RefCell;

use super::config::Adapters;

thread_local! {
    // candle calls the backend on the caller's thread, inside `contains_tensor`; so a slot a thread
    // is enough.
    static GRANTED: RefCell<Option<Adapters>> = const { RefCell::new(None) };
}

/// Says, from within the backend, that the layer that asks now is adapted.
pub(crate) fn grant(adapters: &Adapters) {
    GRANTED.with_borrow_mut(|granted| *granted = Some(adapters.clone()));
}

/// What was granted since the last call.
pub(crate) fn granted() -> Option<Adapters> {
    GRANTED.with_borrow_mut(Option::take)
}

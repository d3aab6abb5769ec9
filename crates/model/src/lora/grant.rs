//! How a layer gets its adapter: it asks the backend whether `lora_A` is there, and a backend that
//! knows of adapters says which.

use std::cell::RefCell;

use candle_core::{Result, Shape};
use candle_nn::VarBuilder;

use super::{Adapters, Lora, PARTS};
use crate::init::{self, Initializer};

thread_local! {
    // candle calls the backend on the caller's thread, inside `contains_tensor`; so a slot a thread
    // is enough.
    static GRANTED: RefCell<Option<Adapters>> = const { RefCell::new(None) };
}

/// Says, from within the backend, that the layer that asks now is adapted.
pub(crate) fn grant(adapters: &Adapters) {
    GRANTED.with_borrow_mut(|granted| *granted = Some(adapters.clone()));
}

/// The adapter of the layer that `vb` is for, if it gets one. `shapes` gives those of its two
/// weights for a rank.
pub(crate) fn attached(
    vb: &VarBuilder<'_>,
    shapes: impl FnOnce(usize) -> (Shape, Shape),
) -> Result<Option<Lora>> {
    let [first, second] = PARTS.map(|part| vb.pp(part));
    GRANTED.with_borrow_mut(|granted| *granted = None);
    if !first.contains_tensor("weight") {
        return Ok(None);
    }
    let Some(Adapters { lora, key, .. }) = GRANTED.with_borrow_mut(Option::take) else {
        return Ok(None);
    };
    let (a, b) = shapes(lora.rank);
    Ok(Some(Lora {
        a: init::get(&first, a, "weight", &Initializer::pytorch_weight())?,
        b: init::get(&second, b, "weight", &Initializer::Zeros)?,
        scale: lora.scale(),
        dropout: lora.dropout,
        rng: key.layer(&vb.pp("lora_dropout").prefix()),
    }))
}

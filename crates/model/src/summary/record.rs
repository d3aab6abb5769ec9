//! The recorder: layers say what they did while a summary is being made.

use std::cell::RefCell;

use candle_core::Tensor;

/// What one layer did.
pub(super) struct Record {
    pub name: String,
    pub kind: &'static str,
    pub output: Vec<usize>,
    pub multiply_adds: usize,
}

thread_local! {
    static RECORDS: RefCell<Option<Vec<Record>>> = const { RefCell::new(None) };
}

/// Says, from inside a layer's forward pass, what the layer did; heard only while
/// [`summarize`](super::summarize) runs.
///
/// `kind` is the layer's type, `name` the prefix that it got its parameters under (empty if it has
/// none), and `multiply_adds` counts its work from its output. A layer of your own may call it, and
/// need not.
///
/// ```
/// use candle_core::{Module, Result, Tensor};
/// use taper_model::summary::record;
///
/// struct Double;
///
/// impl Module for Double {
///     fn forward(&self, x: &Tensor) -> Result<Tensor> {
///         let y = (x * 2.0)?;
///         record("Double", "", &y, |_| 0);
///         Ok(y)
///     }
/// }
/// ```
pub fn record(
    kind: &'static str,
    name: &str,
    output: &Tensor,
    multiply_adds: impl FnOnce(&Tensor) -> usize,
) {
    RECORDS.with_borrow_mut(|records| {
        if let Some(records) = records {
            records.push(Record {
                name: name.to_owned(),
                kind,
                output: output.dims().to_vec(),
                multiply_adds: multiply_adds(output),
            });
        }
    });
}

/// Runs `forward` and gives what its layers recorded.
pub(super) fn observe<T>(forward: impl FnOnce() -> T) -> (T, Vec<Record>) {
    // Puts the outer list back also if `forward` panics.
    struct Restore(Option<Vec<Record>>);
    impl Drop for Restore {
        fn drop(&mut self) {
            RECORDS.set(self.0.take());
        }
    }
    let _restore = Restore(RECORDS.replace(Some(Vec::new())));
    let result = forward();
    (result, RECORDS.take().unwrap_or_default())
}

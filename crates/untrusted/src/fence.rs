//! The code of others, which may panic on what it is given.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    /// Whether what this thread does is fenced: a panic is not told then, for it becomes an error.
    static FENCED: Cell<bool> = const { Cell::new(false) };
}

/// Does `work`, such as a decoder of others on bytes that may be anything; a panic in it becomes an error, that `what`
/// failed and the words of the panic, and nothing is printed.
///
/// What `work` changes must not be used after an error.
///
/// # Errors
///
/// `work` panicked.
///
/// ```
/// use taper_untrusted::fenced;
///
/// assert_eq!(fenced("adding", || 2), Ok(2));
/// let error = fenced("its decoder", || [1, 2][usize::MAX.wrapping_add(3)]).unwrap_err();
/// assert_eq!(error, "its decoder failed: index out of bounds: the len is 2 but the index is 2");
/// ```
pub fn fenced<T>(what: &str, work: impl FnOnce() -> T) -> Result<T, String> {
    static SILENT: Once = Once::new();
    SILENT.call_once(|| {
        let told = take_hook();
        set_hook(Box::new(move |panic| {
            if !FENCED.get() {
                told(panic);
            }
        }));
    });
    let outside = FENCED.replace(true);
    let done = catch_unwind(AssertUnwindSafe(work));
    FENCED.set(outside);
    done.map_err(|panic| format!("{what} failed: {}", words(panic.as_ref())))
}

fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without words")
}

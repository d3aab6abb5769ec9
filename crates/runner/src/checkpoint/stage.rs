//! The stages of a save, told to a test that ends the process in the middle of one.

use std::sync::OnceLock;

/// A point within a save.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Half of the bytes are in the temporary file.
    Write,
    /// All bytes are, and are not yet synced.
    Sync,
    /// The temporary file is synced and still has its own name.
    Rename,
    /// The checkpoint has its name; old ones are about to be removed.
    Prune,
}

static HOOK: OnceLock<fn(Stage)> = OnceLock::new();

/// Calls `hook` at each stage of every save in this process. For tests.
pub fn at_each_stage(hook: fn(Stage)) {
    // A second hook is ignored: there is one test harness a process.
    let _ = HOOK.set(hook);
}

pub(super) fn reached(stage: Stage) {
    if let Some(hook) = HOOK.get() {
        hook(stage);
    }
}

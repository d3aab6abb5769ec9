//! Ctrl-C and SIGTERM: the first is noted and the run leaves off in order, the second ends the
//! program at once.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use anyhow::{Context, Result};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use taper_runner::observe::Interrupt;

static ASKED: OnceLock<Arc<AtomicUsize>> = OnceLock::new();

/// Notes the signals from now on.
pub(crate) fn catch() -> Result<()> {
    if ASKED.get().is_none() {
        let asked = Arc::new(AtomicUsize::new(0));
        let any = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            let register = || -> std::io::Result<()> {
                // In this order: the shutdown looks at what an earlier signal has set.
                flag::register_conditional_shutdown(signal, 128 + signal, any.clone())?;
                flag::register(signal, any.clone())?;
                flag::register_usize(signal, asked.clone(), signal as usize)?;
                Ok(())
            };
            register().context("signals cannot be caught")?;
        }
        let _ = ASKED.set(asked);
    }
    Ok(())
}

/// Has a file that grows beyond a limit (`ulimit -f`) be an error of writing, which names the file, in place of the
/// program's end without a word.
pub(crate) fn keep_file_limits() {
    #[cfg(unix)]
    {
        // The signal is noted, and of no further interest. Where it cannot be, it ends the program as before.
        let _ = flag::register(signal_hook::consts::SIGXFSZ, Arc::new(AtomicBool::new(false)));
    }
}

/// A listener that suspends the run when a signal has come that is noted.
pub(crate) fn listener() -> Interrupt {
    Interrupt::new(ASKED.get().cloned().unwrap_or_default())
}

/// The exit code of a program that a signal has ended: 130 for Ctrl-C, 143 for SIGTERM.
pub(crate) fn exit_code() -> Option<u8> {
    match ASKED.get().map_or(0, |asked| asked.load(Ordering::Relaxed)) {
        0 => None,
        signal => u8::try_from(128 + signal).ok(),
    }
}

//! The memory of another process, as Linux tells it.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A process whose memory is looked at.
pub struct Memory {
    folder: PathBuf,
}

/// How much memory a process took beyond what it had before, in bytes.
#[derive(Debug, Clone, Copy)]
pub struct Growth {
    /// Peak of all that is resident, as the kernel keeps it.
    pub resident: u64,
    /// Peak of what is in no file, sampled every 2 ms: without the pages of code that are first
    /// used in training.
    pub anonymous: u64,
}

impl Memory {
    /// The process with this number.
    pub fn of(process: u32) -> Self {
        Self { folder: PathBuf::from(format!("/proc/{process}")) }
    }

    /// Looks on while `work` keeps the process busy; `None` where the system does not tell.
    pub fn growth<T>(&self, work: impl FnOnce() -> T) -> (T, Option<Growth>) {
        let before = self.field("VmRSS:").zip(self.field("RssAnon:"));
        // The kernel's peak begins anew at what is resident now.
        let reset = std::fs::write(self.folder.join("clear_refs"), "5");
        let done = AtomicBool::new(false);
        let (result, anonymous) = std::thread::scope(|scope| {
            let sampler = scope.spawn(|| {
                let mut most = 0;
                while !done.load(Ordering::Relaxed) {
                    most = most.max(self.field("RssAnon:").unwrap_or(0));
                    std::thread::sleep(Duration::from_millis(2));
                }
                most
            });
            let result = work();
            done.store(true, Ordering::Relaxed);
            (result, sampler.join().unwrap_or(0))
        });
        let growth = || {
            let (resident_before, anonymous_before) = before?;
            reset.ok()?;
            Some(Growth {
                resident: self.field("VmHWM:")?.saturating_sub(resident_before),
                anonymous: anonymous.saturating_sub(anonymous_before),
            })
        };
        (result, growth())
    }

    fn field(&self, name: &str) -> Option<u64> {
        let status = std::fs::read_to_string(self.folder.join("status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(1024 * kibibytes)
    }
}

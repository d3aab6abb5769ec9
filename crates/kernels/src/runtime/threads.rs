//! How candle's own threads wait.

/// Has candle's worker threads sleep between its operations instead of spinning. Call it first in
/// `main`.
///
/// Candle 0.11 shares its element-wise operations between threads of its own, which then wait for
/// the next one in a loop of 25,000 pauses: 0.4 ms on the machine measured, in which they take a
/// core from whatever runs next. The environment variable `CANDLE_BARRIER_POOL_SPIN_LIMIT` says
/// how long; this sets it to 100, unless the user has set it.
///
/// Candle reads it once, at its first operation. Setting a variable is sound while no other thread
/// runs: on Linux, where that can be seen, this does nothing once there are more; on Windows it is
/// always sound; elsewhere this does nothing.
pub fn let_candle_threads_sleep() {
    const LIMIT: &str = "CANDLE_BARRIER_POOL_SPIN_LIMIT";
    if std::env::var_os(LIMIT).is_none() && may_set_variables() {
        // SAFETY: no other thread runs that could read the environment meanwhile, or the platform
        // allows it.
        unsafe { std::env::set_var(LIMIT, "100") };
    }
}

#[cfg(target_os = "linux")]
fn may_set_variables() -> bool {
    std::fs::read_dir("/proc/self/task").is_ok_and(|tasks| tasks.count() == 1)
}

#[cfg(not(target_os = "linux"))]
fn may_set_variables() -> bool {
    cfg!(windows)
}

#[cfg(test)]
mod tests {
    #[test]
    fn with_other_threads_about_the_environment_stays_as_it_is() {
        let (tell, told) = std::sync::mpsc::channel::<()>();
        let other = std::thread::spawn(move || told.recv());
        super::let_candle_threads_sleep();
        #[cfg(target_os = "linux")]
        assert_ne!(std::env::var("CANDLE_BARRIER_POOL_SPIN_LIMIT").as_deref(), Ok("100"));
        drop(tell);
        let _ = other.join();
    }
}

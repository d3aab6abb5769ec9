//! Bytes are a run's results, a line of its history, its mistakes, or an error; what is read can be drawn.
#![no_main]

use libfuzzer_sys::fuzz_target;
use taper_run_folder::{Event, Mistake, Results};

fuzz_target!(|bytes: &[u8]| {
    for line in bytes.split(|&byte| byte == b'\n') {
        let _ = serde_json::from_slice::<Event>(line);
    }
    let _ = serde_json::from_slice::<Vec<Mistake>>(bytes);
    if let Ok(results) = serde_json::from_slice::<Results>(bytes) {
        let _ = results.report.to_string();
        let _ = (results.confusion.support(), results.confusion.matthews());
    }
});

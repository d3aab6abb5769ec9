//! Bytes are a pickled batch of images or an error.
#![no_main]

use libfuzzer_sys::fuzz_target;
use taper_dataset::source::count_pickled;

fuzz_target!(|bytes: &[u8]| {
    let _ = count_pickled(bytes);
});

//! Bytes are what a pickle would build, described, or an error.
#![no_main]

use libfuzzer_sys::fuzz_target;
use taper_untrusted::pickle::unpickle;

fuzz_target!(|bytes: &[u8]| {
    if let Ok((_, length)) = unpickle(bytes) {
        assert!(length <= bytes.len());
    }
});

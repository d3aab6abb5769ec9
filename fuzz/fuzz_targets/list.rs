//! Bytes are a list of images or an error, as CSV and as JSON lines.
#![no_main]

use libfuzzer_sys::fuzz_target;
use taper_dataset::source::parse_list;

fuzz_target!(|bytes: &[u8]| {
    let _ = parse_list(bytes, false);
    let _ = parse_list(bytes, true);
});

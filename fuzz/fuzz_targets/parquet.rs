//! Bytes are rows within the limit or an error.
#![no_main]

use libfuzzer_sys::fuzz_target;
use taper_dataset::source::parquet::count_rows;

fuzz_target!(|bytes: &[u8]| {
    let _ = count_rows(bytes, 1 << 20);
});

//! IDX bytes, plain or packed, are an array within the limit or an error.
#![no_main]

use libfuzzer_sys::fuzz_target;
use taper_dataset::idx::Idx;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(idx) = Idx::parse_within(bytes, 1 << 20) {
        assert!(idx.elements.len() * idx.elements.element_type().size() <= 1 << 20);
        // What was read can be written and read again.
        let again = idx.to_bytes().expect("what was parsed has a shape that fits");
        // Not compared as values: a NaN is not equal to itself.
        assert_eq!(Idx::parse(&again).expect("it was just written").to_bytes(), Ok(again));
    }
});

//! Each of the targets that `tests/fuzz/targets.rs` lists, by the name in `TAPER_FUZZ`.
#![no_main]

#[path = "../../tests/fuzz/targets.rs"]
mod targets;

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;

static TARGET: LazyLock<targets::Target> = LazyLock::new(|| {
    let name = std::env::var("TAPER_FUZZ").expect("TAPER_FUZZ names a target");
    let target = targets::TARGETS.iter().find(|(known, _)| *known == name);
    target.expect("TAPER_FUZZ names a target of tests/fuzz/targets.rs").1
});

fuzz_target!(|bytes: &[u8]| {
    TARGET(bytes);
});

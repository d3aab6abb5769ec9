//! A text is the name of a repository, which it is written as again, or an error; lines are the names of its files, of
//! which one is the weights or none can be.
#![no_main]

use libfuzzer_sys::fuzz_target;
use taper_hub::{HubDataset, HubId, weights_file};

fuzz_target!(|text: &str| {
    if let Ok(id) = HubId::parse(text) {
        let again = id.to_string();
        assert_eq!(HubId::parse(again.strip_prefix("hub:").unwrap_or_default()).ok(), Some(id));
    }
    let _ = HubDataset::parse(text);
    let _ = weights_file(text.lines());
});

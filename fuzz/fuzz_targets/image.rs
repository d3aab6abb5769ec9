//! Bytes are an image within the limit or an error, whatever their header claims.
#![no_main]

use libfuzzer_sys::fuzz_target;
use taper_dataset::{ImageLimits, source::decode_image};

fuzz_target!(|bytes: &[u8]| {
    let limits = ImageLimits { pixels: 1 << 16, ..ImageLimits::default() };
    if let Ok(image) = decode_image(bytes, "x", &limits) {
        assert!(image.height * image.width <= 1 << 16);
        assert_eq!(image.pixels.len(), image.height * image.width * image.channels);
    }
});

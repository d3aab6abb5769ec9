//! Resizing and the way to grey against Pillow, byte for byte; `tests/golden/resize.py` made the
//! values.

use serde_json::Value;
use taper_dataset::{Filter, Image, resize};

fn golden() -> Value {
    let text = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/resize.json"));
    serde_json::from_str(text).unwrap()
}

/// The generator's input.
fn pattern(size: &[usize]) -> Image {
    let value = |place: usize| match place {
        place if place % 13 == 5 => 255,
        place if place % 11 == 3 => 0,
        place => ((7919 * place + 31 * place * place) % 256) as u8,
    };
    let pixels = (0..size.iter().product()).map(value).collect();
    Image::new(size[0], size[1], size[2], pixels).unwrap()
}

fn numbers(value: &Value) -> Vec<usize> {
    value.as_array().unwrap().iter().map(|number| number.as_u64().unwrap() as usize).collect()
}

fn bytes(value: &Value) -> Vec<u8> {
    let digits = value.as_str().unwrap().as_bytes();
    let (pairs, _) = digits.as_chunks::<2>();
    let byte = |pair: &[u8; 2]| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
    pairs.iter().map(byte).collect()
}

#[test]
fn resizing_gives_the_bytes_of_pillow() {
    let golden = golden();
    let cases = golden["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 42);
    for case in cases {
        let filter: Filter = serde_json::from_value(case["filter"].clone()).unwrap();
        let to = numbers(&case["to"]);
        let resized = resize(&pattern(&numbers(&case["from"])), to[0], to[1], filter);
        assert_eq!(resized.pixels, bytes(&case["pixels"]), "{} to {to:?} {filter:?}", case["from"]);
    }
}

#[test]
fn the_way_to_grey_gives_the_bytes_of_pillow() {
    let golden = golden();
    let luma = &golden["luma"];
    let grey = pattern(&numbers(&luma["from"])).into_channels(1).unwrap();
    assert_eq!(grey.pixels, bytes(&luma["pixels"]));
}

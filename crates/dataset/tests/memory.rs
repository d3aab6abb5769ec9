//! What decoding takes: a test program of its own, so that the peak is that of these files alone.
#![cfg(target_os = "linux")]

use std::io::Write;

use flate2::write::ZlibEncoder;
use flate2::{Compression, Crc};
use taper_dataset::{ImageLimits, source::decode_image};

/// The most memory that this process has taken, in MiB.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() / 1024
}

/// So many MiB of zeros, packed.
fn zeros(mib: usize) -> Vec<u8> {
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::fast());
    (0..mib).for_each(|_| packed.write_all(&[0; 1 << 20]).unwrap());
    packed.finish().unwrap()
}

/// A grey PNG file with one more chunk before its pixels.
fn png(kind: &[u8; 4], more: &[u8]) -> Vec<u8> {
    let chunk = |kind: &[u8; 4], data: &[u8]| {
        let mut crc = Crc::new();
        crc.update(kind);
        crc.update(data);
        let len = (data.len() as u32).to_be_bytes();
        [&len[..], kind, data, &crc.sum().to_be_bytes()].concat()
    };
    let header = [0, 0, 0, 8, 0, 0, 0, 8, 8, 0, 0, 0, 0];
    let mut pixels = ZlibEncoder::new(Vec::new(), Compression::fast());
    pixels.write_all(&[0, 1, 2, 3, 4, 5, 6, 7, 8].repeat(8)).unwrap();
    let pixels = pixels.finish().unwrap();
    let chunks =
        [chunk(b"IHDR", &header), chunk(kind, more), chunk(b"IDAT", &pixels), chunk(b"IEND", b"")];
    [b"\x89PNG\r\n\x1a\n", &chunks.concat()[..]].concat()
}

#[test]
fn what_is_packed_beside_the_pixels_does_not_fill_the_memory() {
    let zeros = zeros(512);
    let profile = [b"name\0\0", &zeros[..]].concat();
    let text = [b"name\0\0", &zeros[..]].concat();
    let long = [b"name\0\x01\0\0\0", &zeros[..]].concat();
    let before = peak();
    for (kind, more) in [(b"iCCP", profile), (b"zTXt", text), (b"iTXt", long)] {
        // It is an image all the same.
        let image = decode_image(&png(kind, &more), "x", &ImageLimits::default()).unwrap();
        assert_eq!((image.size(), image.pixels[7]), ([8, 8, 1], 8));
        let taken = peak() - before;
        assert!(taken < 32, "{}: {taken} MiB", String::from_utf8_lossy(kind));
    }
}

#[test]
fn a_chunk_that_claims_more_than_the_file_has_is_an_error() {
    let mut bytes = std::fs::read(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/golden/images/lossless.webp"
    ))
    .unwrap();
    bytes.extend_from_slice(b"EXIF\xff\xff\xff\xff");
    assert_eq!(
        decode_image(&bytes, "x", &ImageLimits::default()).unwrap_err().to_string(),
        "x is not a readable image: the WebP data is cut short"
    );
}

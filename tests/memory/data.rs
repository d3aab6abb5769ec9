//! Readers of images and lists; more of them, by themselves, in `crates/dataset/tests/memory.rs`.

use std::io::{Cursor, Read, Write};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use image::codecs::tiff::TiffEncoder;
use image::{DynamicImage, ImageFormat};
use taper_dataset::source::read_image;
use taper_dataset::{ImageLimits, open};

use crate::{Reader, filled, reads};

pub const READERS: &[Reader] = &[("data", data), ("image", image)];

fn data(path: &Path) -> Result<(), String> {
    let path =
        if path.extension().is_some_and(|e| e == "gz") { path.parent().unwrap() } else { path };
    open(path.to_str().unwrap()).map(drop).map_err(|error| error.to_string())
}

fn image(path: &Path) -> Result<(), String> {
    read_image(path, &ImageLimits::default()).map(drop).map_err(|error| error.to_string())
}

/// An IDX file of zeros, packed.
fn packed_idx(code: u8, shape: &[u32], bytes: u64) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(&[0, 0, code, shape.len() as u8]).unwrap();
    shape.iter().for_each(|size| packed.write_all(&size.to_be_bytes()).unwrap());
    let size: u64 = shape.iter().map(|&size| u64::from(size)).product();
    let mut zeros = std::io::repeat(0).take(size * bytes);
    std::io::copy(&mut zeros, &mut packed).unwrap();
    packed.finish().unwrap()
}

#[test]
fn arrays_that_are_packed() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("train-labels-idx1-ubyte.gz"), packed_idx(8, &[600_000], 1)).unwrap();
    let images = at("train-images-idx3-ubyte.gz");
    reads("data", "IDX", &images, packed_idx(8, &[600_000, 32, 32], 1), "");
    for (code, bytes) in [(0x0e, 8), (0x0d, 4), (0x09, 1)] {
        let shape = [600_000, 32, 32 / bytes];
        let file = packed_idx(code, &shape, bytes.into());
        reads("data", "IDX, numbers", &images, file, "the limit is 314572800 bytes");
    }
}

#[test]
fn long_lists() {
    let folder = tempfile::tempdir().unwrap();
    let long = "a".repeat(125);
    for name in ["a", &long] {
        std::fs::write(folder.path().join(name), "").unwrap();
    }
    let line = "it has more than 1048576 bytes";
    for (name, text, end) in [
        ("short.csv", "a,b\n".repeat(4_500_000), ""),
        ("short-crlf.csv", "a,b\r\n".repeat(4_500_000), ""),
        ("more.csv", "a,b\n".repeat(20_000_000), "takes more than 880 MiB"),
        // As large as iNaturalist 2021's is.
        ("long.csv", format!("{long},12345\n").repeat(2_700_000), ""),
        ("long-crlf.csv", format!("{long},12345\r\n").repeat(2_700_000), ""),
        ("blank.csv", filled("\n", 60), line),
        (
            "deep.jsonl",
            format!("{{\"path\":[{}0]}}\n", "{\"\":0},".repeat(140_000)),
            "expected a string",
        ),
        ("long.jsonl", format!("{{\"path\":[{}0]}}\n", filled("{\"\":0},", 30)), line),
        ("metadata.jsonl", format!("{{\"path\":[{}0]}}\n", filled("{\"\":0},", 30)), line),
    ] {
        reads("data", name, &folder.path().join(name), text.into_bytes(), end);
    }
    // Where the paths are much longer than the lines, as much is kept of fewer lines.
    let deep = folder.path().join("a".repeat(200));
    std::fs::create_dir(&deep).unwrap();
    std::fs::write(deep.join(&long), "").unwrap();
    let each = 176 + deep.as_os_str().len() + "/".len() + long.len() + 5;
    let text = format!("{long},12345\n").repeat((880 << 20) / each - 1);
    reads("data", "a list in a deep folder", &deep.join("list.csv"), text.into_bytes(), "");
}

#[test]
fn the_largest_images() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("0.image");
    let write = |image: &DynamicImage, format| {
        let mut bytes = Cursor::new(Vec::new());
        image.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    };
    let alpha = DynamicImage::new_rgba8(8192, 8191);
    reads("image", "PNG", &path, write(&alpha, ImageFormat::Png), "");
    let mut tiff = Cursor::new(Vec::new());
    alpha.write_with_encoder(TiffEncoder::new(&mut tiff)).unwrap();
    reads("image", "TIFF", &path, tiff.into_inner(), "");
    drop(alpha);
    reads(
        "image",
        "JPEG",
        &path,
        write(&DynamicImage::new_rgb8(8192, 8192), ImageFormat::Jpeg),
        "",
    );
    reads("image", "BMP", &path, write(&DynamicImage::new_rgb8(8192, 8192), ImageFormat::Bmp), "");
    let wide = DynamicImage::new_rgba16(8192, 4095);
    reads("image", "PNG of 16 bits", &path, write(&wide, ImageFormat::Png), "");
    for strips in [1, 4095] {
        for packed in [false, true] {
            let what = format!("TIFF of 16 bits, {strips} strips, packed: {packed}");
            reads("image", &what, &path, tiff_of_zeros(8192, 4095, strips, packed), "");
        }
    }
}

/// A TIFF file of RGBA with 16 bits, all zero, its strips packed by Deflate or not.
fn tiff_of_zeros(width: u32, height: u32, strips: u32, packed: bool) -> Vec<u8> {
    let rows = height / strips;
    let zeros = vec![0; (width * rows * 8) as usize];
    let strip = match packed {
        true => {
            let mut strip = flate2::write::ZlibEncoder::new(Vec::new(), Compression::fast());
            strip.write_all(&zeros).unwrap();
            strip.finish().unwrap()
        }
        false => zeros,
    };
    let (count, length) = (strips, strip.len() as u32);
    let lists = 8 + count * length;
    let mut file = b"II*\0".to_vec();
    file.extend((lists + 8 * count).to_le_bytes());
    (0..count).for_each(|_| file.extend(&strip));
    (0..count).for_each(|n| file.extend((8 + n * length).to_le_bytes()));
    (0..count).for_each(|_| file.extend(length.to_le_bytes()));
    let (offsets, lengths) = match count {
        1 => (8, length),
        _ => (lists, lists + 4 * count),
    };
    let bits = lists + 8 * count + 2 + 10 * 12 + 4;
    let compression = if packed { 8 } else { 1 };
    file.extend(10u16.to_le_bytes());
    for (tag, kind, count, value) in [
        (256u16, 4u16, 1, width),
        (257, 4, 1, height),
        (258, 3, 4, bits),
        (259, 3, 1, compression),
        (262, 3, 1, 2),
        (273, 4, count, offsets),
        (277, 3, 1, 4),
        (278, 4, 1, rows),
        (279, 4, count, lengths),
        (338, 3, 1, 2),
    ] {
        file.extend(tag.to_le_bytes());
        file.extend(kind.to_le_bytes());
        file.extend(count.to_le_bytes());
        file.extend(value.to_le_bytes());
    }
    file.extend(0u32.to_le_bytes());
    (0..4).for_each(|_| file.extend(16u16.to_le_bytes()));
    file
}

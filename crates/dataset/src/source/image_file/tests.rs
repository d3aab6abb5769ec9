use super::*;

fn encode(image: DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn decode(bytes: &[u8]) -> Result<Image> {
    decode_image(bytes, "x.png", &ImageLimits::default())
}

#[test]
fn grey_stays_grey_and_colour_colour() {
    let grey = ::image::GrayImage::from_raw(3, 2, vec![0, 50, 100, 150, 200, 250]).unwrap();
    let image = decode(&encode(grey.into(), ImageFormat::Png)).unwrap();
    assert_eq!(image, Image::new(2, 3, 1, vec![0, 50, 100, 150, 200, 250]).unwrap());
    let colour = ::image::RgbImage::from_raw(1, 2, vec![1, 2, 3, 4, 5, 6]).unwrap();
    let image = decode(&encode(colour.into(), ImageFormat::Png)).unwrap();
    assert_eq!(image, Image::new(2, 1, 3, vec![1, 2, 3, 4, 5, 6]).unwrap());
}

#[test]
fn alpha_is_dropped_and_sixteen_bits_become_eight() {
    let alpha = ::image::RgbaImage::from_raw(1, 1, vec![9, 8, 7, 0]).unwrap();
    assert_eq!(decode(&encode(alpha.into(), ImageFormat::Png)).unwrap().pixels, [9, 8, 7]);
    let deep = ::image::ImageBuffer::<::image::Luma<u16>, _>::from_raw(1, 1, vec![0x8080]);
    let bytes = encode(DynamicImage::ImageLuma16(deep.unwrap()), ImageFormat::Png);
    assert_eq!(decode(&bytes).unwrap().pixels, [0x80]);
}

#[test]
fn jpeg_is_read_too() {
    let grey = ::image::GrayImage::from_pixel(8, 8, ::image::Luma([128]));
    let image = decode(&encode(grey.into(), ImageFormat::Jpeg)).unwrap();
    assert_eq!(image.size(), [8, 8, 1]);
    assert!(image.pixels.iter().all(|value| value.abs_diff(128) < 3));
}

#[test]
fn how_pixels_are_stored_is_told_by_the_header() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/images");
    for (name, stored) in [
        ("rgba.png", "colour and alpha"),
        ("rgb.jpg", "colour"),
        ("rgb.tif", "colour"),
        ("moving.gif", "palette"),
    ] {
        let bytes = std::fs::read(format!("{folder}/{name}")).unwrap();
        assert_eq!(stored_pixels(&bytes).as_deref(), Some(stored), "{name}");
    }
    let grey = ::image::GrayAlphaImage::new(1, 1);
    let bytes = encode(grey.into(), ImageFormat::Png);
    assert_eq!(stored_pixels(&bytes).as_deref(), Some("grey and alpha"));
    let deep = ::image::ImageBuffer::<::image::Luma<u16>, _>::from_raw(1, 1, vec![1]);
    let bytes = encode(DynamicImage::ImageLuma16(deep.unwrap()), ImageFormat::Png);
    assert_eq!(stored_pixels(&bytes).as_deref(), Some("grey, 16 bits"));
    assert_eq!(stored_pixels(b"x"), None);
}

#[test]
fn bytes_that_are_no_image_are_an_error() {
    let message = |bytes: &[u8]| decode(bytes).unwrap_err().to_string();
    assert_eq!(
        message(b"hello"),
        "x.png is not a readable image: its first bytes are not those of PNG, JPEG, BMP, GIF, \
         TIFF, WebP or PNM"
    );
    assert_eq!(message(b""), "x.png is not a readable image: the file is empty");
    let png = encode(::image::GrayImage::new(9, 9).into(), ImageFormat::Png);
    for end in 1..png.len() - 12 {
        // The last 12 bytes are the end mark, which carries nothing.
        assert!(message(&png[..end]).starts_with("x.png is not a readable image: "));
    }
}

#[test]
fn a_truncated_jpeg_is_an_error() {
    let pixels = (0..64 * 64).map(|place| (place * 7 % 256) as u8).collect();
    let image = ::image::GrayImage::from_raw(64, 64, pixels).unwrap();
    let bytes = encode(image.into(), ImageFormat::Jpeg);
    for end in 2..bytes.len() - 2 {
        assert!(decode(&bytes[..end]).is_err(), "{end} of {}", bytes.len());
    }
}

proptest::proptest! {
    #[test]
    fn damaged_bytes_are_an_image_or_an_error(
        jpeg: bool,
        damage in proptest::collection::vec((0usize..1 << 16, 0u8..=255), 1..6),
    ) {
        let pixels = (0..16 * 16).map(|place| (place * 7 % 256) as u8).collect();
        let image = ::image::GrayImage::from_raw(16, 16, pixels).unwrap();
        let format = if jpeg { ImageFormat::Jpeg } else { ImageFormat::Png };
        let mut bytes = encode(image.into(), format);
        for (place, value) in damage {
            let place = place % bytes.len();
            bytes[place] = value;
        }
        let limits = ImageLimits { pixels: 1 << 16, ..ImageLimits::default() };
        let _ = decode_image(&bytes, "x", &limits);
    }
}

#[test]
fn an_image_of_absurd_size_is_refused_by_its_header() {
    let png = encode(::image::GrayImage::new(9, 8).into(), ImageFormat::Png);
    let limits = ImageLimits { pixels: 71, ..ImageLimits::default() };
    assert_eq!(
        decode_image(&png, "x.png", &limits).unwrap_err().to_string(),
        "x.png is too large: 8x9 pixels, the limit is 71 pixels"
    );
}

#[test]
fn a_file_of_absurd_size_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.png");
    std::fs::write(&path, [0; 100]).unwrap();
    let limits = ImageLimits { file_bytes: 99, ..ImageLimits::default() };
    assert_eq!(
        read_image(&path, &limits).unwrap_err().to_string(),
        format!("cannot read {}: it has 100 bytes, the limit is 99", path.display())
    );
}

#[test]
fn every_format_is_read_as_pillow_reads_it() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/images");
    let text = std::fs::read_to_string(format!("{folder}/pixels.json")).unwrap();
    let golden: serde_json::Value = serde_json::from_str(&text).unwrap();
    let files = golden["files"].as_object().unwrap();
    assert_eq!(files.len(), 19);
    for (name, expected) in files {
        let path = format!("{folder}/{name}");
        let image = read_image(path.as_ref(), &ImageLimits::default()).unwrap();
        let size: Vec<u64> = serde_json::from_value(expected["size"].clone()).unwrap();
        // A palette counts as colour here, in Pillow not always.
        let image = image.into_channels(size[2] as usize).unwrap();
        assert_eq!(image.size().map(|side| side as u64), size[..], "{name}");
        let (pairs, _) = expected["pixels"].as_str().unwrap().as_bytes().as_chunks::<2>();
        let byte = |pair: &[u8; 2]| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
        let expected = pairs.iter().map(byte);
        // Lossy decoders round each in its own way, CMYK in more than one step.
        let most = if name.ends_with(".jpg") || name == "lossy.webp" { 3 } else { 0 };
        let error = image.pixels.iter().zip(expected).map(|(a, b)| a.abs_diff(b)).max();
        assert!(error <= Some(most), "{name}: differs by {error:?}");
    }
}

#[test]
fn a_header_that_claims_an_absurd_size_is_refused_in_every_format() {
    let limits = ImageLimits { pixels: 47, ..ImageLimits::default() };
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/images");
    for name in ["rgba.png", "rgb.jpg", "rgb.bmp", "moving.gif", "rgb.tif", "lossless.webp"] {
        let bytes = std::fs::read(format!("{folder}/{name}")).unwrap();
        let error = decode_image(&bytes, name, &limits).unwrap_err().to_string();
        assert_eq!(error, format!("{name} is too large: 6x8 pixels, the limit is 47 pixels"));
    }
}

proptest::proptest! {
    #[test]
    fn damaged_files_of_every_format_are_an_image_or_an_error(
        file in 0usize..19,
        // Most damage where the sizes stand.
        damage in proptest::collection::vec((0usize..64, 0u8..=255), 1..6),
        further in proptest::collection::vec((0usize..1 << 16, 0u8..=255), 0..3),
    ) {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/images");
        let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
        paths.retain(|path| has_image_ending(path));
        paths.sort();
        let mut bytes = std::fs::read(&paths[file]).unwrap();
        for (place, value) in damage.into_iter().chain(further) {
            let place = place % bytes.len();
            bytes[place] = value;
        }
        let limits = ImageLimits { pixels: 1 << 16, ..ImageLimits::default() };
        if let Ok(image) = decode_image(&bytes, "x", &limits) {
            assert!(image.height * image.width <= 1 << 16);
        }
    }
}

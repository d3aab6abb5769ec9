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

#[test]
fn a_decoder_that_panics_is_an_error_of_the_image() {
    // A palette of four bytes is none of whole colours.
    let chunk = |kind: &[u8; 4], data: &[u8]| {
        let mut crc = flate2::Crc::new();
        crc.update(kind);
        crc.update(data);
        let length = u32::try_from(data.len()).unwrap().to_be_bytes();
        [&length[..], kind, data, &crc.sum().to_be_bytes()].concat()
    };
    let mut pixels = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut pixels, &[0; 72]).unwrap();
    let chunks = [
        chunk(b"IHDR", &[0, 0, 0, 8, 0, 0, 0, 8, 8, 3, 0, 0, 0]),
        chunk(b"PLTE", &[0; 4]),
        chunk(b"IDAT", &pixels.finish().unwrap()),
        chunk(b"IEND", b""),
    ];
    let png = [b"\x89PNG\r\n\x1a\n", &chunks.concat()[..]].concat();
    let error = decode(&png).unwrap_err().to_string();
    assert!(error.starts_with("x.png is not a readable image: "), "{error}");
    stored_pixels(&png);
}

/// A picture without two equal rows or blocks, light at the bottom where `light`.
fn picture(width: u32, height: u32, light: bool) -> DynamicImage {
    let pixel = |x: u32, y: u32| match light && 2 * y >= height {
        true => ::image::Rgb([250; 3]),
        false => ::image::Rgb([(x * 7 + y * y) as u8, (x * x / 3 + y) as u8, (x ^ y) as u8]),
    };
    ::image::RgbImage::from_fn(width, height, pixel).into()
}

#[test]
fn a_jpeg_that_lacks_data_before_its_end_marker_is_an_error() {
    for (width, height) in [(200, 120), (64, 64), (16, 48), (333, 90)] {
        for image in
            [picture(width, height, false), picture(width, height, false).into_luma8().into()]
        {
            let bytes = encode(image, ImageFormat::Jpeg);
            assert!(decode(&bytes).is_ok());
            for part in [2, 3, 4] {
                let end = bytes.len() - bytes.len() / part;
                // A byte of 0xff would make a marker of what follows.
                let end = end + usize::from(bytes[end - 1] == 0xff) + usize::from(bytes[end] == 0);
                let cut = [&bytes[..end], &[0xff, 0xd9]].concat();
                let error = decode(&cut).unwrap_err().to_string();
                assert!(error.contains("is not a readable image"), "{width} {height}: {error}");
            }
        }
    }
}

#[test]
fn a_jpeg_that_is_whole_is_read_whatever_its_end_looks_like() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/images");
    for (width, height) in [(200, 120), (7, 9), (64, 64), (1, 1), (1000, 33)] {
        for image in [picture(width, height, true), DynamicImage::new_luma8(width, height)] {
            let bytes = encode(image, ImageFormat::Jpeg);
            assert!(decode(&bytes).is_ok(), "{width} {height}");
            // What follows the end is none of the image's.
            assert!(
                decode(&[&bytes[..], b"\xff\xd8 another"].concat()).is_ok(),
                "{width} {height}"
            );
        }
    }
    for name in ["rgb.jpg", "grey.jpg", "cmyk.jpg", "turned.jpg"] {
        let bytes = std::fs::read(format!("{folder}/{name}")).unwrap();
        assert!(decode(&bytes).is_ok(), "{name}");
    }
}

/// A TIFF file of a tag with its type and value for each entry, of 8x8 grey pixels without any data.
fn tiff(entries: &[(u16, u16, u32)]) -> Vec<u8> {
    let all = [(256, 3, 8), (257, 3, 8), (258, 3, 8), (262, 3, 1)];
    let mut all: Vec<(u16, u16, u32)> = all.into_iter().chain(entries.iter().copied()).collect();
    all.sort_unstable();
    let mut bytes = b"II*\0\x08\0\0\0".to_vec();
    bytes.extend(u16::try_from(all.len()).unwrap().to_le_bytes());
    for (tag, kind, value) in all {
        bytes.extend([tag.to_le_bytes(), kind.to_le_bytes()].concat());
        bytes.extend([1u32.to_le_bytes(), value.to_le_bytes()].concat());
    }
    [bytes, vec![0; 200]].concat()
}

#[test]
fn a_tiff_file_whose_pieces_are_larger_than_the_image_is_an_error() {
    let tiles = [(259, 3, 1), (322, 4, 1 << 26), (323, 4, 16), (324, 4, 100), (325, 4, 64)];
    let strips = [(259, 3, 1), (273, 4, 150), (278, 4, 8), (279, 4, 64)];
    assert!(decode(&tiff(&strips)).is_ok());
    let error = |entries: &[(u16, u16, u32)]| decode(&tiff(entries)).unwrap_err().to_string();
    assert!(error(&tiles).ends_with("it has 8x8 pixels, and tiles of 16x67108864"));
    let samples = [&strips[..], &[(277, 3, 60_000)]].concat();
    let message = error(&samples);
    assert!(message.contains("is not a readable image"), "{message}");
    // A JPEG image in the place of a strip, of more pixels than it has.
    let mut within = tiff(&[(259, 3, 7), (273, 4, 150), (278, 4, 8), (279, 4, 64)]);
    within[150..163].copy_from_slice(b"\xff\xd8\xff\xc0\0\x0b\x08\x40\0\x40\0\x01\x01");
    let message = decode(&within).unwrap_err().to_string();
    assert!(message.ends_with("a JPEG image within that has more"), "{message}");
}

#[test]
fn pixels_of_a_tiff_file_may_be_any_bytes() {
    let place = 150;
    for (what, entries) in [
        ("strips", &[(259, 3, 1), (273, 4, place), (278, 4, 8), (279, 4, 64)][..]),
        ("no compression said", &[(273, 4, place), (278, 4, 8), (279, 4, 64)]),
        ("tiles", &[(259, 3, 1), (322, 4, 16), (323, 4, 16), (324, 4, 130), (325, 4, 256)]),
    ] {
        // As a start-of-frame marker of 16,384x16,384 pixels.
        let mut bytes = tiff(entries);
        bytes.resize(600, 0);
        bytes[150..159].copy_from_slice(b"\xff\xc0\0\x0b\x08\x40\0\x40\0");
        let image = decode(&bytes).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert!(image.pixels.windows(2).any(|some| some == [0xff, 0xc0]), "{what}");
    }
}

#[test]
fn images_that_take_much_wait_for_each_other() {
    let counts = std::sync::Mutex::new((0u32, 0u32));
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                let room = Room::take(TOGETHER / 2);
                let mut now = counts.lock().unwrap();
                *now = (now.0 + 1, now.1.max(now.0 + 1));
                drop(now);
                std::thread::sleep(std::time::Duration::from_millis(5));
                counts.lock().unwrap().0 -= 1;
                drop(room);
            });
        }
    });
    assert!(counts.into_inner().unwrap().1 <= 2);
    // More than there is, is all that there is.
    drop(Room::take(u64::MAX));
}

#[test]
fn an_image_whose_pixels_are_stored_in_many_bytes_may_have_fewer_of_them() {
    let limits = ImageLimits { pixels: 64, ..ImageLimits::default() };
    let deep = DynamicImage::new_rgba16(8, 8);
    let error =
        decode_image(&encode(deep, ImageFormat::Png), "x", &limits).unwrap_err().to_string();
    assert_eq!(error, "x is too large: 8x8 pixels of 512 bytes, the limit is 256 bytes");
    let flat = DynamicImage::new_rgba8(8, 8);
    assert!(decode_image(&encode(flat, ImageFormat::Png), "x", &limits).is_ok());
}

use super::*;

fn image(height: usize, width: usize, pixels: &[u8]) -> Image {
    Image::new(height, width, 1, pixels.to_vec()).unwrap()
}

/// As [`resize_as`] with the area filter.
fn resized(image: Image, height: usize, width: usize, placement: ResizeMode) -> Image {
    resize_as(image, (height, width), placement, Filter::Area).unwrap()
}

#[test]
fn fitting_keeps_proportions_and_centres_on_black() {
    let placed = resized(image(1, 2, &[7, 9]), 4, 4, ResizeMode::Fit);
    assert_eq!(placed.pixels, [0, 0, 0, 0, 7, 7, 9, 9, 7, 7, 9, 9, 0, 0, 0, 0]);
}

#[test]
fn cropping_takes_the_centre() {
    let row = image(2, 6, &[1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6]);
    let placed = resized(row.clone(), 2, 2, ResizeMode::Crop(Crop::Share(1.0)));
    assert_eq!(placed.pixels, [3, 4, 3, 4]);
    // Half of the size is cut out of an image that covers twice the size: the one pixel (3) or (4)
    // of the middle, doubled.
    let placed = resized(row, 2, 2, ResizeMode::Crop(Crop::Share(0.5)));
    assert_eq!(placed.pixels, [3, 4, 3, 4]);
}

#[test]
fn a_very_long_image_or_a_tiny_crop_fills_no_memory() {
    // Resized whole, the first would take 2.5 GB and the second more than there is.
    let half = 2_500_000;
    let pixels = [vec![10; half], vec![90; half], vec![10; half], vec![90; half]].concat();
    let placed = resized(image(2, 2 * half, &pixels), 28, 28, ResizeMode::Crop(Crop::Share(0.875)));
    assert_eq!((placed.height, placed.width), (28, 28));
    assert_eq!((placed.pixels[0], placed.pixels[27]), (10, 90));
    let square = image(2, 2, &[7; 4]);
    for crop in [1e-9, 1e-300, f64::from_bits(1)] {
        let placed = resized(square.clone(), 3, 3, ResizeMode::Crop(Crop::Share(crop)));
        assert_eq!(placed.pixels, [7; 9], "{crop:e}");
    }
}

#[test]
fn a_crop_must_be_a_share() {
    for crop in [0.0, 1.5, f64::NAN] {
        assert!(ResizeMode::Crop(Crop::Share(crop)).check().is_err());
    }
    let error = ResizeMode::Crop(Crop::Share(1.5)).check().unwrap_err().to_string();
    assert_eq!(error, "crop is 1.5, expected a number above 0, up to 1");
    let error =
        ResizeMode::Crop(Crop::Edge { edge: 200, of: 224 }).check().unwrap_err().to_string();
    assert!(error.starts_with("crop is { edge = 200, of = 224 }, expected an edge of"), "{error}");
    for stretch in [200, 20_000, usize::MAX] {
        let error =
            ResizeMode::Crop(Crop::Stretch { stretch, of: 224 }).check().unwrap_err().to_string();
        assert!(error.contains("stretch = ") && error.contains("a side of `of`"), "{error}");
    }
}

#[test]
fn a_stretched_crop_is_the_centre_of_the_stretched_image() {
    let pixels: Vec<u8> = (0..50 * 70).map(|i| (i * 7919 % 251) as u8).collect();
    let photo = image(50, 70, &pixels);
    for (to, crop, whole, offset) in [
        ((32, 32), Crop::Stretch { stretch: 40, of: 32 }, (40, 40), (4, 4)),
        ((16, 32), Crop::Stretch { stretch: 20, of: 16 }, (20, 40), (2, 4)),
        ((31, 31), Crop::Stretch { stretch: 40, of: 31 }, (40, 40), (4, 4)),
        ((50, 70), Crop::Stretch { stretch: 50, of: 50 }, (50, 70), (0, 0)),
    ] {
        let placed = resized(photo.clone(), to.0, to.1, ResizeMode::Crop(crop));
        let whole = resize(&photo, whole.0, whole.1, Filter::Area);
        let expected = cut(&whole, offset.0, offset.1, to.0, to.1);
        assert_eq!(placed.pixels, expected.pixels, "{crop:?}");
    }
}

#[derive(serde::Deserialize)]
struct Cut {
    what: String,
    /// Height and width of the image, and of what comes out.
    from: (usize, usize),
    to: (usize, usize),
    crop: Crop,
    filter: Filter,
    hash: String,
}

#[test]
fn the_centre_is_that_of_timm_torchvision_and_transformers() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/crop.json");
    let cuts: Vec<Cut> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    assert!(cuts.len() > 20);
    for Cut { what, from, to, crop, filter, hash } in cuts {
        let value = |i: usize| ((i * 7919) % 65_521 * 31 % 251) as u8;
        let pixels = (0..from.0 * from.1 * 3).map(value).collect();
        let image = Image::new(from.0, from.1, 3, pixels).unwrap();
        let placement = ResizeMode::Crop(crop);
        let placed = resize_as(image, to, placement, filter);
        // FNV-1a, 64 bits.
        let found =
            placed.unwrap().pixels.iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, &byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
            });
        assert_eq!(format!("{found:016x}"), hash, "{what}: {from:?} to {to:?}, {crop:?}");
    }
}

#[test]
fn a_crop_is_a_number_or_two_integers_in_a_recipe() {
    for (text, crop) in [
        ("{\"crop\":0.95}", Crop::Share(0.95)),
        ("{\"crop\":{\"edge\":256,\"of\":224}}", Crop::Edge { edge: 256, of: 224 }),
        ("{\"crop\":{\"stretch\":256,\"of\":224}}", Crop::Stretch { stretch: 256, of: 224 }),
    ] {
        assert_eq!(serde_json::from_str::<ResizeMode>(text).unwrap(), ResizeMode::Crop(crop));
        assert_eq!(serde_json::to_string(&ResizeMode::Crop(crop)).unwrap(), text);
    }
    let error =
        serde_json::from_str::<ResizeMode>("{\"crop\":{\"edge\":256}}").unwrap_err().to_string();
    assert!(error.contains("{ crop = 0.875 }, or { crop = { edge = 256, of = 224 } }"), "{error}");
}

#[test]
fn a_digit_fills_its_box_and_its_mass_is_centred() {
    // A bar of 8x2 in one corner of 8x8 becomes 20x5 in the middle of 28x28: columns 11.5 to 16.5.
    let mut bar = Image::black(8, 8, 1);
    (0..8).for_each(|y| bar.pixels[y * 8..y * 8 + 2].fill(255));
    let placed = place_digit(&bar, 28, 28, Filter::Area);
    for y in 0..28 {
        for x in 0..28 {
            // The nearest value; the centre of column 11 lies on the bar's border and counts in.
            let inside = (4..24).contains(&y) && (11..16).contains(&x);
            assert_eq!(placed.pixels[y * 28 + x], if inside { 255 } else { 0 }, "{y} {x}");
        }
    }
    let soft = place_digit(&bar, 28, 28, Filter::Bilinear);
    let ink = Ink::of(&soft).unwrap();
    assert_eq!((ink.rows, ink.columns), ((3.0, 25.0), (10.0, 18.0)));
    assert_eq!(ink.center, (14.0, 14.0));
}

#[test]
fn a_lopsided_digit_never_leaves_the_field() {
    let mut line = image(1, 40, &[1; 40]);
    line.pixels[0] = 255;
    let placed = place_digit(&line, 28, 28, Filter::Area);
    let ink = Ink::of(&placed).unwrap();
    assert_eq!((ink.columns.0, ink.columns.1), (8.0, 28.0));
}

#[test]
fn a_large_digit_is_shrunk_by_its_ink() {
    let mut large = Image::black(300, 200, 3);
    for y in 50..250 {
        large.pixels[(y * 200 + 20) * 3..(y * 200 + 120) * 3].fill(255);
    }
    let ink = Ink::of(&place_digit(&large, 28, 28, Filter::Area)).unwrap();
    assert_eq!((ink.rows, ink.columns), ((4.0, 24.0), (9.0, 19.0)));
}

#[test]
fn a_black_image_stays_black() {
    assert_eq!(place_digit(&Image::black(8, 8, 1), 28, 28, Filter::Area), Image::black(28, 28, 1));
}

#[test]
fn an_image_of_the_size_is_taken_as_it_is() {
    let mut dot = Image::black(28, 28, 1);
    dot.pixels[0] = 9;
    for placement in [ResizeMode::AsIs, ResizeMode::Stretch, ResizeMode::Fit, ResizeMode::Digit] {
        let kept = resized(dot.clone(), 28, 28, placement);
        assert_eq!(kept, dot);
    }
}

#[test]
fn mnist_itself_follows_the_rule() {
    // An MNIST digit is 20 high or wide and its centre of mass is within a pixel of the centre, so
    // placing it anew moves it by less than a pixel: its mean stays.
    use crate::source::{Images, embedded::mnist_sample};
    let source = mnist_sample();
    for index in (0..source.len()).step_by(97) {
        let image = source.decode(index).unwrap();
        let ink = Ink::of(&image).unwrap();
        let (height, width) = (ink.rows.1 - ink.rows.0, ink.columns.1 - ink.columns.0);
        assert_eq!(height.max(width), 20.0, "{}", source.item_name(index));
        assert!((ink.center.0 - 14.0).abs() <= 1.0 && (ink.center.1 - 14.0).abs() <= 1.0);
        let sum = |image: &Image| image.pixels.iter().map(|&v| f64::from(v)).sum::<f64>();
        let placed = sum(&place_digit(&image, 28, 28, Filter::Bilinear));
        assert!((placed / sum(&image) - 1.0).abs() < 0.01, "{}", placed / sum(&image));
    }
}

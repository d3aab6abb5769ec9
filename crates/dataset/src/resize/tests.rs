use proptest::prelude::*;

use super::*;

fn resized(
    pixels: &[u8],
    height: usize,
    width: usize,
    to: (usize, usize),
    filter: Filter,
) -> Vec<u8> {
    let image = Image::new(height, width, 1, pixels.to_vec()).unwrap();
    let image = resize(&image, to.0, to.1, filter);
    assert_eq!(image.size(), [to.0, to.1, 1]);
    image.pixels
}

#[test]
fn the_same_size_is_the_same_image() {
    for filter in [Filter::Area, Filter::Bilinear, Filter::Bicubic] {
        assert_eq!(resized(&[1, 2, 3, 4], 2, 2, (2, 2), filter), [1, 2, 3, 4]);
    }
}

#[test]
fn a_flat_image_stays_flat() {
    for filter in [Filter::Area, Filter::Bilinear, Filter::Bicubic] {
        for to in [(1, 1), (3, 17), (28, 5), (7, 40)] {
            assert!(resized(&[200; 63], 9, 7, to, filter).iter().all(|&value| value == 200));
        }
    }
}

#[test]
fn channels_do_not_mix() {
    let grey = Image::new(2, 3, 1, vec![1, 90, 7, 200, 30, 4]).unwrap();
    let colour = Image::new(2, 3, 3, grey.pixels.iter().flat_map(|&v| [v, 255 - v, 0]).collect());
    let small = resize(&colour.unwrap(), 5, 2, Filter::Bilinear);
    let expected = resize(&grey, 5, 2, Filter::Bilinear);
    let red: Vec<u8> = small.pixels.iter().step_by(3).copied().collect();
    assert_eq!(red, expected.pixels);
    assert!(small.pixels.iter().skip(2).step_by(3).all(|&value| value == 0));
}

proptest! {
    #[test]
    fn weighted_sums_stay_within_32_bits(
        (from, to) in (1..300_usize, 1..300_usize),
        (begin, length) in (-0.2..0.7_f64, 0.01..1.2_f64),
        filter in prop::sample::select(vec![Filter::Area, Filter::Bilinear, Filter::Bicubic]),
        black in any::<bool>(),
    ) {
        // A part may reach beyond the image where that counts as black.
        let side = from as f64;
        let (begin, end) = match black {
            true => (begin * side, (begin + length) * side),
            false => (begin.max(0.0) * side, (begin.max(0.0) + length).min(1.0) * side),
        };
        let edge = if black { Edge::Black } else { Edge::Cut };
        for window in windows(from, begin, end, to, filter, edge) {
            let most: i64 = window.weights.iter().map(|weight| i64::from(weight.abs()) * 255).sum();
            prop_assert!(most + i64::from(HALF) <= i64::from(i32::MAX), "{most}");
        }
    }
}

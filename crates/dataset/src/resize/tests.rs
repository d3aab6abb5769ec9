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
